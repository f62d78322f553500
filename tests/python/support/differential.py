"""Running one script on Gymnasium's SyncVectorEnv and on fastvec, and comparing every byte.

`record` runs a script of resets and steps on the oracle and keeps what it returned; `replay` runs the same on a
fastvec vector and compares. `python -m support.differential` in tests/python writes golden.json from Gymnasium alone.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import fastvec
from support.sameness import assert_same

__all__ = [
    "GOLDEN_FILE",
    "GOLDEN_IDS",
    "Case",
    "Tally",
    "assert_same",
    "compare",
    "compare_long",
    "golden_hash",
    "golden_oracle",
    "make_oracle_envs",
    "record",
    "replay",
    "report",
    "sizes",
    "sync_vector",
]

Policy = Callable[[np.random.Generator, Any, Any], Any]


@dataclass(frozen=True)
class Case:
    """One env with one set of arguments.

    Attributes:
        options: env options of those resets that carry options.
        actions: "uniform" (all of a Discrete; of a Box 1.2 times as wide) or "float64", the same as float64.
        policy: actions from (rng, action space, observations), in place of `actions`.
        limit: max_episode_steps, small, so that episodes end; None for the registered limit.
        steps: steps of a script by number of envs.
    """

    env_id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] | None = None
    actions: str = "uniform"
    policy: Policy | None = None
    limit: int | None = 9
    steps: Mapping[int, int] = field(default_factory=lambda: {1: 60, 3: 60, 17: 46, 257: 22})

    def __str__(self) -> str:
        parts = [self.env_id]
        for name, value in {**self.kwargs, **(self.options or {})}.items():
            is_path = isinstance(value, str) and os.path.isabs(value)  # of a test's own file, wherever that lies
            parts.append(f"{name}={os.path.basename(value) if is_path else value}")
        if self.actions != "uniform":
            parts.append(self.actions)
        return " ".join(parts)

    @property
    def seed(self) -> int:
        return zlib.crc32(str(self).encode()) % 100_000


NUM_ENVS = (1, 3, 17, 257)
NUM_THREADS = (1, 2, 7)


@dataclass
class Tally:
    """Counts what was compared, for the report at the end: cases are scripts run on fastvec."""

    names: set[str] = field(default_factory=set)
    cases: int = 0
    env_steps: int = 0


def sizes(case: Case, cases: Sequence[Case], all_num_envs: Sequence[int] = NUM_ENVS) -> tuple[int, ...]:
    """The numbers of envs that a case is compared at: all for the first case of an env, few for its other arguments.

    What those change does not depend on the number of envs, and Gymnasium takes long to step many.
    """
    is_first = next(other for other in cases if other.env_id == case.env_id) is case
    return tuple(all_num_envs) if is_first else (1, 17)


def compare(
    case: Case,
    tally: Tally,
    all_num_envs: Sequence[int] = NUM_ENVS,
    all_num_threads: Sequence[int] = NUM_THREADS,
) -> None:
    """Every autoreset mode, number of envs and number of threads, against one recording for each of the former."""
    oracle = make_oracle_envs(case, max(all_num_envs))
    limit = {} if case.limit is None else {"max_episode_steps": case.limit}
    for mode in AutoresetMode:
        for num_envs in all_num_envs:
            script = record(case, oracle[:num_envs], mode)
            for num_threads in all_num_threads:
                envs = fastvec.make_vec(
                    case.env_id,
                    num_envs,
                    num_threads=num_threads,
                    autoreset_mode=mode,
                    **limit,
                    **copy.deepcopy(dict(case.kwargs)),
                )
                where = f"{case}, {mode.value}, {num_envs} envs, {num_threads} threads"
                tally.env_steps += replay(script, envs, where)
                tally.cases += 1
                envs.close()
    tally.names.add(str(case))


def compare_long(env_id: str, steps: int) -> None:
    """16 envs with their registered limits, uniformly random actions, SameStep."""
    oracle = sync_vector(make_oracle_envs(Case(env_id, limit=None), 16), AutoresetMode.SAME_STEP)
    envs = fastvec.make_vec(env_id, 16, autoreset_mode="SameStep")
    assert_same(envs.reset(seed=7), oracle.reset(seed=7), env_id)
    envs.action_space.seed(0)
    for step in range(steps):
        actions = envs.action_space.sample()
        assert_same(envs.step(actions), oracle.step(actions), f"{env_id}, step {step}")
    envs.close()


def report(
    tally: Tally,
    cases: Sequence[Case],
    family: str,
    all_num_envs: Sequence[int] = NUM_ENVS,
    all_num_threads: Sequence[int] = NUM_THREADS,
) -> None:
    """Print what was compared and see that nothing was left out."""
    scripts = sum(len(sizes(case, cases, all_num_envs)) for case in cases) * len(AutoresetMode)
    expected = scripts * len(all_num_threads)
    if tally.names != {str(case) for case in cases}:
        pytest.skip(f"only {len(tally.names)} of {len(cases)} argument sets ran and passed")
    print(f"\n{family}: {tally.cases} cases, {tally.env_steps} env steps, all bytes equal to SyncVectorEnv's")
    assert tally.cases == expected


@dataclass(frozen=True)
class Reset:
    seed: Any
    options: Mapping[str, Any] | None
    mask: np.ndarray | None

    def run(self, envs: Any) -> Any:
        options = None if self.options is None else dict(self.options)
        if self.mask is not None:
            options = {**(options or {}), "reset_mask": self.mask.copy()}
        return envs.reset(seed=self.seed, options=options)


@dataclass(frozen=True)
class Step:
    actions: Any

    def run(self, envs: Any) -> Any:
        return envs.step(self.actions)


def make_oracle_envs(case: Case, num_envs: int) -> list[gymnasium.Env]:
    """Envs made by gymnasium.make, to be used by several vectors one after the other."""
    limit = {} if case.limit is None else {"max_episode_steps": case.limit}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an old version of an env; a map without a start
        return [gymnasium.make(case.env_id, disable_env_checker=True, **limit, **case.kwargs) for _ in range(num_envs)]


def sync_vector(envs: Sequence[gymnasium.Env], mode: AutoresetMode) -> SyncVectorEnv:
    return SyncVectorEnv([lambda env=env: env for env in envs], autoreset_mode=mode)


def record(case: Case, envs: Sequence[gymnasium.Env], mode: AutoresetMode) -> list[tuple[Any, Any]]:
    """Pairs of an operation and what SyncVectorEnv returned for it."""
    vector = sync_vector(envs, mode)
    num_envs = len(envs)
    rng = np.random.default_rng([case.seed, num_envs, list(AutoresetMode).index(mode)])
    script: list[tuple[Any, Any]] = []
    done = np.zeros(num_envs, np.bool_)
    observations: Any = None

    def run(operation: Any) -> None:
        nonlocal done, observations
        result = operation.run(vector)
        script.append((operation, result))
        observations = result[0]
        if isinstance(operation, Step):
            done = result[2] | result[3]
        else:
            done = done & ~operation.mask if operation.mask is not None else np.zeros(num_envs, np.bool_)

    run(Reset(case.seed, case.options, None))
    interludes = _interludes(case, rng, num_envs)
    for step in range(case.steps[num_envs]):
        if step % 7 == 6 and (interlude := next(interludes, None)) is not None:
            run(interlude)
        if mode is AutoresetMode.DISABLED and done.any():
            run(Reset(None, case.options if step % 2 else None, done.copy()))
        run(Step(_actions(case, rng, vector, observations)))
    return script


def _interludes(case: Case, rng: np.random.Generator, num_envs: int) -> Iterator[Reset]:
    """The resets in mid-episode: by mask and of all envs, with and without seeds and options."""

    def mask() -> np.ndarray:
        chosen = rng.random(num_envs) < 0.4
        chosen[rng.integers(num_envs)] = True
        return chosen

    def seeds() -> list[int | None]:
        return [None if rng.random() < 0.3 else int(rng.integers(2**31)) for _ in range(num_envs)]

    yield Reset(seeds(), None, mask())
    yield Reset(None, case.options, None)
    yield Reset(None, case.options, mask())
    yield Reset(seeds(), case.options, None)
    yield Reset(int(rng.integers(2**40)), case.options, mask())
    yield Reset(None, None, mask())
    yield Reset(int(rng.integers(1000)), None, None)


def _actions(case: Case, rng: np.random.Generator, vector: SyncVectorEnv, observations: Any) -> Any:
    space = vector.single_action_space
    if case.policy is not None:
        return case.policy(rng, space, observations)
    if isinstance(space, gymnasium.spaces.Discrete):
        return rng.integers(space.n, size=vector.num_envs)
    assert isinstance(space, gymnasium.spaces.Box)
    actions = rng.uniform(1.2 * space.low, 1.2 * space.high, (vector.num_envs, *space.shape))
    return actions if case.actions == "float64" else actions.astype(np.float32)


def replay(script: Sequence[tuple[Any, Any]], envs: Any, where: str) -> int:
    """Run the script's operations on `envs`; AssertionError at the first difference. Returns the env steps."""
    for at, (operation, expected) in enumerate(script):
        actual = operation.run(envs)
        assert_same(actual, expected, f"{where}, operation {at} ({type(operation).__name__.lower()})")
    return sum(envs.num_envs for operation, _ in script if isinstance(operation, Step))


GOLDEN_IDS = (
    "CartPole-v0",
    "CartPole-v1",
    "MountainCar-v0",
    "MountainCarContinuous-v0",
    "Pendulum-v1",
    "Acrobot-v1",
    "FrozenLake-v1",
    "FrozenLake8x8-v1",
    "CliffWalking-v1",
    "CliffWalkingSlippery-v1",
    "Taxi-v4",
    "Blackjack-v1",
)
GOLDEN_FILE = Path(__file__).with_name("golden.json")


def golden_hash(envs: gymnasium.vector.VectorEnv, steps: int = 1000, seed: int = 42) -> str:
    """SHA-256 of all that `steps` uniformly random steps of 8 envs return, seed 42, autoreset NextStep."""
    rng = np.random.default_rng(seed)
    digest = hashlib.sha256()
    _update(digest, envs.reset(seed=seed))
    space = envs.single_action_space
    for _ in range(steps):
        if isinstance(space, gymnasium.spaces.Discrete):
            actions = rng.integers(space.n, size=envs.num_envs)
        else:
            assert isinstance(space, gymnasium.spaces.Box)
            shape = (envs.num_envs, *space.shape)
            actions = rng.uniform(space.low, space.high, shape).astype(space.dtype)
        _update(digest, envs.step(actions))
    return digest.hexdigest()


def _update(digest: Any, value: Any) -> None:
    if isinstance(value, dict):
        for key in sorted(value):
            digest.update(key.encode())
            _update(digest, value[key])
    elif isinstance(value, tuple):
        for element in value:
            _update(digest, element)
    else:
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(value.tobytes())


def golden_oracle(env_id: str) -> SyncVectorEnv:
    return sync_vector(make_oracle_envs(Case(env_id, limit=None), 8), AutoresetMode.NEXT_STEP)


def write_golden() -> None:
    """golden.json, from Gymnasium: fastvec has no part in it."""
    hashes = {}
    for env_id in GOLDEN_IDS:
        hashes[env_id] = golden_hash(golden_oracle(env_id))
    text = {
        "written_by": "python -m support.differential",
        "reference": f"gymnasium {gymnasium.__version__} SyncVectorEnv, numpy {np.__version__}",
        "trajectory": "8 envs, seed 42, 1000 uniformly random steps, NextStep",
        "sha256": hashes,
    }
    GOLDEN_FILE.write_text(json.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    write_golden()
