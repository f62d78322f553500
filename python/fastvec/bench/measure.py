"""Timing vectors in turn."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

import fastvec
from fastvec import _core
from fastvec.bench.peers import Peer
from fastvec.native import registry
from fastvec.native.kwargs import ordered_kwargs
from fastvec.native.resources import Request

__all__ = ["Result", "bare_loop", "measure", "sample_actions"]

_BATCHES = 32  # batches of actions, made beforehand and used in turn


@dataclass(frozen=True)
class Result:
    """Steps per second of one peer on one env.

    Attributes:
        steps_per_second: env steps per second, the median of the rounds.
        rounds: of each round.
    """

    env_id: str
    num_envs: int
    num_threads: int
    peer: str
    steps_per_second: float
    rounds: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def sample_actions(env_id: str, num_envs: int) -> list[np.ndarray]:
    """``_BATCHES`` batches of random actions of a native env with one action leaf, int64 or the Box dtype."""
    probe = fastvec.make_vec(env_id, 1)
    space = probe.single_action_space
    probe.close()
    rng = np.random.default_rng(0)
    batch = batch_space(space, num_envs)
    if isinstance(space, spaces.Discrete):
        return list(rng.integers(space.start, space.start + space.n, (_BATCHES, num_envs)))
    batch.seed(0)
    return [np.ascontiguousarray(batch.sample()) for _ in range(_BATCHES)]


def measure(
    env_id: str, num_envs: int, num_threads: int, peers: Sequence[Peer], *, seconds: float, rounds: int
) -> list[Result]:
    """Time every peer that can make the env: ``rounds`` rounds of ``seconds`` each, the peers in turn."""
    actions = sample_actions(env_id, num_envs)
    vectors = {}
    for peer in peers:
        if num_envs <= peer.max_envs:
            vector = peer.make(env_id, num_envs, num_threads)
            if vector is not None:
                vectors[peer.name] = vector
    batches = dict.fromkeys(vectors, actions)
    if "envpool" in batches and actions[0].dtype == np.int64:
        batches["envpool"] = [batch.astype(np.int32) for batch in actions]  # the dtype it takes without converting
    rates: dict[str, list[float]] = {name: [] for name in vectors}
    for name, vector in vectors.items():
        _rate(vector.step, batches[name], num_envs, seconds / 5)  # warm up
    for _ in range(rounds):
        for name, vector in vectors.items():
            rates[name].append(_rate(vector.step, batches[name], num_envs, seconds))
    for vector in vectors.values():
        vector.close()
    return [
        Result(env_id, num_envs, num_threads, name, statistics.median(values), tuple(values))
        for name, values in rates.items()
    ]


def _rate(step: Callable[[Any], Any], actions: Sequence[np.ndarray], num_envs: int, seconds: float) -> float:
    """Env steps per second over at least ``seconds``; the clock is read about every millisecond or batch."""
    calls, chunk = 0, 1
    begin = time.perf_counter()
    while True:
        for i in range(calls, calls + chunk):
            step(actions[i % _BATCHES])
        calls += chunk
        elapsed = time.perf_counter() - begin
        if elapsed >= seconds:
            return calls * num_envs / elapsed
        chunk = max(1, min(1024, int(1e-3 * calls / elapsed)))


def bare_loop(env_id: str, num_envs: int, num_threads: int, *, seconds: float, rounds: int) -> Result:
    """The limit: the env's own C++ code in a plain loop on as many threads, without engine or Python."""
    native = registry.find(env_id)
    assert native is not None, env_id
    actions = np.stack(sample_actions(env_id, num_envs))
    gymnasium_env = functools.partial(gymnasium.make, env_id) if env_id in gymnasium.registry else None
    resources = native.open_resources(Request(env_id, num_envs, {}, gymnasium_env))
    kwargs = ordered_kwargs(env_id, native.kwargs, dict(resources.native_kwargs))
    threads = min(num_threads, num_envs)

    def run(steps: int) -> float:
        return _core.bare_loop(
            native.core, kwargs, num_envs=num_envs, num_threads=threads, steps=steps, actions=[actions]
        )

    steps = 8
    while (took := run(steps)) < 2e8 * seconds:
        steps *= 2
    steps = max(1, int(steps * seconds * 1e9 / took))
    values = tuple(num_envs * steps / (run(steps) * 1e-9) for _ in range(rounds))
    return Result(env_id, num_envs, threads, "bare C++ loop", statistics.median(values), values)
