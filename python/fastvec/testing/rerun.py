"""The same run in another process, on another day: what depends on a clock, an address or a process id differs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastvec.testing.checker import Checker
from fastvec.testing.place import Place
from fastvec.testing.question import Child, Question, preloadable
from fastvec.testing.rollout import Frame

__all__ = ["another_day", "digest", "digests"]

Digests = dict[str, np.ndarray]  # name: uint32 of shape (frames, envs); 0 where nothing was said


def digest(frames: Sequence[Frame]) -> Digests:
    """A number for each row of each frame."""
    result: Digests = {}
    for step, content in enumerate(frames):
        for name, array in content.items():
            if name.startswith("mask ") or array.dtype.kind == "O":
                continue
            rows = result.setdefault(name, np.zeros((len(frames), len(array)), dtype=np.uint32))
            mask = content.get(name.replace("info ", "mask ", 1)) if name.startswith("info ") else None
            for env, row in enumerate(array):
                if mask is None or mask[env]:
                    rows[step, env] = zlib.crc32(np.ascontiguousarray(row).tobytes(), 1)
    return result


def digests(question: Question, place: Place) -> Digests:
    """The answer to a question with the task ``"digests"``: of the run that the other checks compare with."""
    return digest(Checker(question.source, place=place, **question.settings).frames())


def another_day(question: Question, frames: Sequence[Frame], seconds: float) -> tuple[str | None, str]:
    """``(where the runs differ first or None, how the other process was another)``.

    Raises:
        ChildProcessError: the other process died or hung, or could not make the env.
    """
    clocks = preloadable("other_day")
    how = "in another process" if clocks is None else "in another process, with its clocks set forward by 400 days"
    child = Child(replace(question, task="digests"), preload=clocks)
    try:
        answer = child.answer(seconds)
        if answer is None:
            raise ChildProcessError(f"{how}, the env did not finish in {seconds:g} seconds: {child.place.look()}")
    except EOFError:
        raise ChildProcessError(f"{how}, the env ended it: {child.place.look()}") from None
    finally:
        child.end()
    if answer[0] != "digests":
        raise ChildProcessError(f"{how}, the env raised an error: {answer[1]}")
    return _first_difference(digest(frames), answer[1]), how


def _first_difference(one: Digests, other: Digests) -> str | None:
    first: tuple[Any, ...] | None = None
    for name in [*one, *(name for name in other if name not in one)]:
        shape = one[name].shape if name in one else other[name].shape
        nothing = np.zeros(shape, dtype=np.uint32)
        different = np.argwhere(one.get(name, nothing) != other.get(name, nothing))
        if len(different):
            step, env = (int(i) for i in different[0])
            if first is None or step < first[0]:
                first = (step, name, env)
    if first is None:
        return None
    step, name, env = first
    return f"{name} of env {env} {'after reset' if step == 0 else f'at step {step}'}"
