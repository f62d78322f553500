"""Where a process is that plays an env: memory that it shares with the one that watches it."""

from __future__ import annotations

import mmap
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Place", "Seen"]

_NUMBERS = 2
_TEXT = 240
_SIZE = 8 * _NUMBERS + _TEXT


@dataclass(frozen=True)
class Seen:
    """What the watcher sees.

    Attributes:
        beats: goes up with every call into the env.
        step: which step of the run is under way; 0: a reset.
        what: what kind of call or run.
    """

    beats: int
    step: int
    what: str

    def __str__(self) -> str:
        return self.what.replace("{step}", f"{self.step:,}")


class Place:
    """A page of shared memory; nothing waits on it.

    Args:
        file: a descriptor from :meth:`create`, whoever opened it.
    """

    def __init__(self, file: int) -> None:
        self._memory = mmap.mmap(file, _SIZE)
        self.progress = np.frombuffer(self._memory, dtype=np.int64, count=_NUMBERS)  # beats, step: C++ counts on

    @staticmethod
    def create() -> int:
        """A descriptor for a new page."""
        file, path = tempfile.mkstemp()
        Path(path).unlink()
        os.ftruncate(file, _SIZE)
        return file

    def note(self, what: str, step: int = 0) -> None:
        """The call that comes next; ``{step}`` in ``what`` stands for the number of the step."""
        text = what.encode()[:_TEXT].ljust(_TEXT, b"\0")
        self._memory[8 * _NUMBERS :] = text
        self.progress[1] = step
        self.progress[0] += 1

    def step(self, step: int) -> None:
        """The same kind of call again."""
        self.progress[1] = step
        self.progress[0] += 1

    def look(self) -> Seen:
        """For the watcher."""
        text = bytes(self._memory[8 * _NUMBERS :]).rstrip(b"\0").decode(errors="replace")
        return Seen(int(self.progress[0]), int(self.progress[1]), text)
