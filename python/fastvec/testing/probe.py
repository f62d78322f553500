"""The checks that call a native env's C table directly.

They do so with guard bytes around its rows, and from threads that do not wait for each other. See
cpp/tools/include/tools/probe.hpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastvec import _core
from fastvec.testing.place import Place
from fastvec.testing.rollout import ActionBank

__all__ = ["Fault", "Probe", "Yielded", "endurance", "interference", "memory", "unwritten"]

Yielded = Iterator[tuple[bool, str, str]]  # is it a failure?, message, hint

_HELD = 50  # steps for which every second env repeats its action
_BATCHES = 1994  # of actions, before they come again
_LONG_ENOUGH = 0.15  # seconds of work in which threads get into each other's way
_MOST_STEPS = 20_000


class Fault(NamedTuple):
    """What the probe saw; see ProbeFault."""

    kind: str
    call: str
    what: str
    env: int
    last_env: int
    step: int
    at: int


class Probe:
    """The C table of a native env, with its keyword arguments.

    Args:
        envs: a native vector, open for as long as this is used; its envs' resources are borrowed.
    """

    def __init__(self, envs: Any, bank: ActionBank, seed: int, place: Place) -> None:
        self._native, self._kwargs = envs.native_type, envs.native_kwargs
        self._tree = envs.native_action_space
        self._num_envs: int = envs.num_envs
        self._bank = bank
        self._seed = seed
        self._place = place

    def guarded(self, steps: int, *, envs_per_call: int, seconds: float, what: str) -> tuple[int, list[Fault]]:
        """Steps that were made, and the faults."""
        self._place.note(what)
        made, faults = _core.run_guarded(
            self._native,
            self._kwargs,
            num_envs=self._num_envs,
            envs_per_call=envs_per_call,
            steps=steps,
            seed=self._seed,
            seconds=seconds,
            actions=self._actions(),
            progress=self._place.progress,
        )
        return made, [Fault(*fault) for fault in faults]

    def apart(self, steps: int, num_threads: int) -> tuple[list[str], np.ndarray, float]:
        """Names of what an env writes; a digest of each, of shape ``(steps + 1, num_envs, names)``; seconds."""
        by = "one thread steps" if num_threads == 1 else f"{num_threads} threads step at the same time"
        self._place.note(f"step {{step}} of envs that {by}")
        names, digests, nanoseconds = _core.run_apart(
            self._native,
            self._kwargs,
            num_envs=self._num_envs,
            num_threads=num_threads,
            steps=steps,
            seed=self._seed,
            actions=self._actions(),
            progress=self._place.progress,
        )
        return names, digests, nanoseconds * 1e-9

    def _actions(self) -> list[np.ndarray]:
        """Every even env takes random actions; every odd one takes each for a while, so that it gets somewhere."""
        ids = np.arange(self._num_envs)
        steps = np.arange(_BATCHES)[:, None] * np.ones_like(ids)
        steps[:, 1::2] = steps[:, 1::2] // _HELD * _HELD
        batch = self._bank.batch(steps, ids)
        return [np.ascontiguousarray(leaf) for leaf in _leaves(self._tree, batch)]


def _leaves(tree: tuple[Any, ...], batch: Any) -> Iterator[np.ndarray]:
    """The arrays of a batch in the order of the C table."""
    kind, *rest = tree
    if kind == "dict":
        for key, child in rest[0]:
            yield from _leaves(child, batch[key])
    elif kind == "tuple":
        for child, part in zip(rest[0], batch, strict=True):
            yield from _leaves(child, part)
    else:
        yield batch


def memory(probe: Probe, num_envs: int) -> Yielded:
    """Whether an env writes where it should not, one at a time and all in one call."""
    hint = "look for an index that is too small or too large: a row has exactly the elements of the space"
    for per_call, words in ((1, "one by one"), (num_envs, "in one call")):
        what = f"step {{step}} of {num_envs} envs, {words}, with guard bytes around what they write"
        _, faults = probe.guarded(300, envs_per_call=per_call, seconds=1.0, what=what)
        for fault in faults:
            whose = f"env {fault.env}" if per_call == 1 else f"envs {fault.env} to {fault.last_env - 1}, in one call,"
            when = _when(fault.step)
            if fault.kind == "outside":
                where = "before the beginning of" if fault.at < 0 else "past the end of"
                row = f"its row of {fault.what}" if per_call == 1 else f"their rows of {fault.what}"
                yield True, f"{fault.call}() of {whose} wrote {where} {row} {when}", hint
                return
            if fault.kind == "other":
                message = f"{fault.call}() of {whose} changed the {fault.what} of env {fault.at} {when}"
                yield True, message, f"an env writes to its own members alone; {hint}"
                return


def unwritten(probe: Probe) -> Yielded:
    """Whether ``observe()`` leaves elements as they were."""
    _, faults = probe.guarded(100, envs_per_call=1, seconds=0.5, what="step {step}")
    for fault in faults:
        if fault.kind == "unwritten":
            message = f"observe() of env {fault.env} does not write {fault.what} at byte {fault.at} {_when(fault.step)}"
            yield True, message, "observe() has to write every element, every time"


def endurance(probe: Probe, steps: int, seconds: float) -> Yielded:
    """Whether a long run without a time limit ends well."""
    what = f"step {{step}} of a run of {steps:,} steps without a time limit"
    _, faults = probe.guarded(steps, envs_per_call=1, seconds=seconds, what=what)
    for fault in faults:
        where = f"env {fault.env} {_when(fault.step)} of a run without a time limit"
        if fault.kind == "failed":
            yield True, f"{where} raised an error: {fault.what}", "look for what adds up over thousands of steps"
        elif fault.kind == "not finite":
            message = f"{fault.what} of {where} is not finite"
            yield True, message, "look for what adds up, or shrinks, over thousands of steps"
        elif fault.kind in ("outside", "other"):
            yield True, f"{where} wrote outside its rows of {fault.what}", "look for an index that grows"


def interference(probe: Probe) -> Yielded:
    """Whether threads that step different envs at the same time get other results than one thread."""
    steps = 64
    names, expected, seconds = probe.apart(steps, 1)
    while seconds < _LONG_ENOUGH and steps < _MOST_STEPS:
        steps = min(_MOST_STEPS, int(steps * min(16.0, 1.3 * _LONG_ENOUGH / max(seconds, 1e-6)) + 1))
        names, expected, seconds = probe.apart(steps, 1)
    for threads, word in ((4, "four"), (16, "sixteen")):
        _, got, _ = probe.apart(steps, threads)
        different = np.argwhere(got != expected)
        if len(different):
            step, env, column = (int(i) for i in different[0])
            yield True, f"one thread and {word} gave different results: {names[column]} of env {env} {_when(step)}", ""
            return


def _when(step: int) -> str:
    return "after reset" if step == 0 else f"at step {step:,}"
