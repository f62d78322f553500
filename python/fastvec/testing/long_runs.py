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
_WORTH_A_THREAD = 3e-4  # seconds of a step, from which on two vectors are stepped at the same time
_STATE_HINT = (
    "the whole state is in the env's members, without pointers; where it has save() and load(), both treat every "
    "member, in the same order"
)


class Budget:
    """Time for a long run: CPU seconds, or three times as many by the clock where it waits."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._cpu, self._clock = time.process_time(), time.monotonic()

    def spent(self) -> float:
        """Which part of it is spent; above 1, no time is left."""
        return max(time.process_time() - self._cpu, (time.monotonic() - self._clock) / 3) / self._seconds

    def is_spent(self) -> bool:
        """Whether no time is left."""
        return self.spent() > 1


def resuming(checker: Any, steps: int, seconds: float) -> Yielded:
    """Step a vector, and beside it a new one that its state was loaded into, and compare each step."""
    num_envs, budget, spent = 4, Budget(seconds), 0.0
    ids = np.arange(num_envs)
    step_both = _at_once if checker.seconds_per_step() * num_envs > _WORTH_A_THREAD else _in_turn
    with checker.make(num_envs, max_episode_steps=-1) as one:
        one.reset(seed=checker.seed)
        other, loaded, loads = None, 0, 0
        try:
            for t in range(steps):
                if t % 64 == 0:
                    spent = max(budget.spent(), t / steps)
                    if spent >= 1:
                        return
                if (loads == 0 and t == _LOADS[0]) or (loads == 1 and spent >= _LOADS[1]):
                    if other is not None:
                        other.__exit__()
                    other, loaded, loads = checker.make(num_envs, max_episode_steps=-1), t, loads + 1
                    other.set_state(one.get_state())
                actions = checker.bank.batch(np.where(ids % 2, t // 50 * 50, t), ids)
                if other is None:
                    one.step(actions)
                    continue
                frames = [_frame_of(result) for result in step_both(one, other, actions)]
                difference = first_difference(frames[:1], frames[1:], at=t + 1)
                if difference is not None:
                    message = f"a vector with the state of step {loaded:,} went on differently, later: {difference}"
                    yield True, message, _STATE_HINT
                    return
        finally:
            if other is not None:
                other.__exit__()


def _in_turn(one: Any, other: Any, actions: Any) -> tuple[Any, Any]:
    return one.step(actions), other.step(actions)


def _at_once(one: Any, other: Any, actions: Any) -> tuple[Any, Any]:
    one.step_async(actions)
    try:
        of_other = other.step(actions)
    finally:
        of_one = one.step_wait()
    return of_one, of_other


def _frame_of(result: Any) -> Any:
    observations, rewards, terminated, truncated, infos = result
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
