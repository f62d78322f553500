"""Checks that take thousands of steps."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastvec.testing.probe import Yielded
from fastvec.testing.rollout import first_difference, frame

__all__ = ["Budget", "resuming", "waits_of"]

_LOADS = (137, 0.6)  # when the second vector is loaded: after so many steps, and then after this part of the run
_STATE_HINT = (
    "the whole state is in the env's members, without pointers; where it has save() and load(), both treat every "
    "member, in the same order"
)


class Budget:
    """Time for a long run: CPU seconds, or three times as many by the clock where it waits."""

    def __init__(self, seconds: float) -> None:
        self._cpu, self._clock = time.process_time() + seconds, time.monotonic() + 3 * seconds

    def is_spent(self) -> bool:
        """Whether no time is left."""
        return time.process_time() > self._cpu or time.monotonic() > self._clock


def resuming(checker: Any, steps: int, seconds: float) -> Yielded:
    """Step a vector, and beside it a new one that its state was loaded into, and compare each step."""
    num_envs, budget = 4, Budget(seconds)
    ids = np.arange(num_envs)
    moments = {_LOADS[0], int(_LOADS[1] * steps)}
    with checker.make(num_envs, max_episode_steps=-1) as one:
        one.reset(seed=checker.seed)
        other, loaded = None, 0
        try:
            for t in range(steps):
                if t in moments:
                    if other is not None:
                        other.__exit__()
                    other, loaded = checker.make(num_envs, max_episode_steps=-1), t
                    other.set_state(one.get_state())
                actions = checker.bank.batch(np.where(ids % 2, t // 50 * 50, t), ids)
                frames = [_stepped(one, actions)]
                if other is not None:
                    frames.append(_stepped(other, actions))
                    difference = first_difference(frames[:1], frames[1:], at=t + 1)
                    if difference is not None:
                        message = f"a vector with the state of step {loaded:,} went on differently, later: {difference}"
                        yield True, message, _STATE_HINT
                        return
                if t % 64 == 0 and budget.is_spent():
                    return
        finally:
            if other is not None:
                other.__exit__()


def _stepped(envs: Any, actions: Any) -> Any:
    observations, rewards, terminated, truncated, infos = envs.step(actions)
    return frame(observations, infos, rewards, terminated, truncated)


def waits_of(run: Callable[[], int]) -> tuple[int, int, float]:
    """``(steps, how often they gave up the core, seconds without it)`` of a run in this thread.

    A thread that other programs take the core from does not give it up.
    """
    before, cpu, start = _switches(), time.thread_time(), time.perf_counter()
    steps = run()
    return steps, _switches() - before, max(0.0, time.perf_counter() - start - (time.thread_time() - cpu))


def _switches() -> int:
    who = getattr(resource, "RUSAGE_THREAD", None)
    return 0 if who is None else resource.getrusage(who).ru_nvcsw
