"""In a worker of its own: one env is stepped for a moment, and timed."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Sequence
from typing import Any

import gymnasium

from fastvec.process.wire.channel import Channel
from fastvec.process.wire.pickling import dumps
from fastvec.process.wire.protocol import Trial

__all__ = ["try_env"]

_SECONDS = 0.05  # that the env is stepped for, about
_STEPS = 200  # at most
_WARM_UP = 3  # steps that are not counted


def try_env(env: gymnasium.Env, trial: Trial, channel: Channel) -> None:
    """In the worker: step the env, tell how long that takes, and answer round trips."""
    times = None
    try:
        if not _shows(env):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the vector's own envs will say it
                times = _time_steps(env)
    except Exception:  # as above
        pass
    channel.send(dumps(times))
    for _ in range(trial.round_trips):
        channel.send(channel.receive())


def _shows(env: Any) -> bool:
    """Whether somebody looks on, or it is recorded: such an env is not to be stepped for a trial."""
    if env.render_mode == "human":
        return True
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, gymnasium.wrappers.RecordVideo):
            return True
        env = env.env
    return False


def _time_steps(env: gymnasium.Env) -> tuple[float, float, float]:
    """Of a step: seconds busy, seconds waiting, and crowding, see :class:`fastvec.process.parent.choice.StepCost`."""
    env.action_space.seed(0)
    env.reset(seed=0)
    walls: list[float] = []
    cpus: list[float] = []
    switches: list[int] = []
    end = time.monotonic() + _SECONDS
    while len(walls) < _STEPS and (len(walls) <= _WARM_UP or time.monotonic() < end):
        action = env.action_space.sample()
        before = _voluntary_switches()
        cpu, wall = time.process_time(), time.perf_counter()
        _, _, terminated, truncated, _ = env.step(action)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        switches.append(_voluntary_switches() - before)
        if terminated or truncated:
            env.reset()
    wall, cpu = _typical(walls), min(_typical(cpus), _typical(walls))
    # A process that others keep off its core is slow, too; but it gives the core away by itself only to wait.
    waits = statistics.fmean(switches[_WARM_UP:]) >= 0.5
    if waits:
        return cpu, wall - cpu, 1.0
    return cpu, 0.0, max(1.0, sum(walls[_WARM_UP:]) / max(1e-9, sum(cpus[_WARM_UP:])))


def _typical(values: Sequence[float]) -> float:
    return statistics.median(values[_WARM_UP:])


def _voluntary_switches() -> int:
    try:
        import resource
    except ImportError:  # no such numbers on this system
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
