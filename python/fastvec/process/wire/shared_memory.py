"""Shared memory without a name, and the ring of batches in it."""

from __future__ import annotations

import os
import sys
import tempfile
from multiprocessing import reduction
from typing import Any

from fastvec import _core

__all__ = ["BufferRing", "SharedFile", "map_buffers"]

SCRATCH_BUFFER = 0  # the only one with copy=False, and the last resort when all others are held
ASYNC_BUFFER = 1  # row i: the latest result of env i in asynchronous use
FIRST_BUFFER = 2

_PROBES = 8  # buffers looked at per call
_KEPT = 4  # buffers never given back
_TRIM_INTERVAL = 1024  # calls
_MOST_BYTES = 1 << 36  # of address space; memory is taken only where it is written
_MOST_BUFFERS = 1 << 16


class SharedFile:
    """An open file without a name, so that nothing stays behind however the processes end.

    It reaches a worker by inheritance (fork) or as a duplicated descriptor (spawn, forkserver).
    """

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            if hasattr(os, "memfd_create"):
                descriptor = os.memfd_create("fastvec", os.MFD_CLOEXEC)
            else:
                with tempfile.TemporaryFile() as file:
                    descriptor = os.dup(file.fileno())
        self.descriptor = descriptor

    def map(self, size: int) -> _core.SharedMemory:
        """The first ``size`` bytes; the file grows if it is shorter."""
        if os.fstat(self.descriptor).st_size < size:
            os.ftruncate(self.descriptor, size)
        return _core.SharedMemory(self.descriptor, size)

    def close(self) -> None:
        """Close the descriptor; what is mapped stays."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __reduce__(self) -> tuple[Any, ...]:
        return _attached, (reduction.DupFd(self.descriptor),)


def _attached(duplicate: Any) -> SharedFile:
    return SharedFile(duplicate.detach())


def map_buffers(file: SharedFile, before: int, buffer_size: int, *, reuse_one: bool) -> tuple[_core.SharedMemory, int]:
    """Map ``before`` bytes and as many buffers after them as is sensible.

    Returns:
        the memory and the number of buffers.
    """
    buffers = FIRST_BUFFER if reuse_one else max(FIRST_BUFFER + _PROBES, min(_MOST_BUFFERS, _MOST_BYTES // buffer_size))
    while True:
        try:
            return file.map(before + buffers * buffer_size), buffers
        except OSError:  # a limit on the address space or on the size of files
            if buffers <= FIRST_BUFFER:
                raise
            buffers = max(FIRST_BUFFER, buffers // 4)


class BufferRing:
    """Batch buffers in shared memory, each used again only when no array on it is left.

    An array on a block refers to it, and views, tensors and memoryviews refer to the array: a block that only
    this ring refers to is free.
    """

    def __init__(
        self, memory: _core.SharedMemory, offset: int, buffer_size: int, buffers: int, *, reuse_one: bool
    ) -> None:
        self._memory = memory
        self._offset = offset
        self._size = buffer_size
        self._reuse_one = reuse_one
        self._unused = iter(range(FIRST_BUFFER, buffers))
        self._spare: list[int] = []
        self._scratch = self.block(SCRATCH_BUFFER)
        self._indices: list[int] = []
        self._blocks: list[Any] = [self._scratch]
        self._free_count = self._references(0) - 1  # the scratch block is held by its attribute as well
        self._blocks.clear()
        self._cursor = 0
        self._acquired = 0
        self._grew = False

    def block(self, index: int) -> Any:
        """The block of a buffer."""
        return self._memory.block(self._offset + index * self._size, self._size)

    def acquire(self) -> tuple[int, Any, bool]:
        """A buffer on which no array is left.

        Returns:
            its index, its block, and whether what is written there must be copied before the next call: there is no
            such buffer then, and this one is used by all.
        """
        if self._reuse_one:
            return SCRATCH_BUFFER, self._scratch, False
        self._acquired += 1
        if self._acquired % _TRIM_INTERVAL == 0:
            self._trim()
        blocks = self._blocks
        count = len(blocks)
        for _ in range(min(_PROBES, count)):
            cursor = self._cursor = self._cursor + 1 if self._cursor + 1 < count else 0
            if sys.getrefcount(blocks[cursor]) == self._free_count:
                return self._indices[cursor], blocks[cursor], False
        index = self._spare.pop() if self._spare else next(self._unused, None)
        if index is None:
            for i in range(count):
                if self._references(i) == self._free_count:
                    self._cursor = i
                    return self._indices[i], self._blocks[i], False
            return SCRATCH_BUFFER, self._scratch, True
        self._grew = True
        self._cursor = min(self._cursor + 1, count)
        self._indices.insert(self._cursor, index)
        self._blocks.insert(self._cursor, self.block(index))
        return index, self._blocks[self._cursor], False

    def _references(self, i: int) -> int:
        return sys.getrefcount(self._blocks[i])

    def _trim(self) -> None:
        """Give back a quarter of the free buffers, unless the ring had to grow lately."""
        grew, self._grew = self._grew, False
        if grew or len(self._blocks) <= _KEPT:
            return
        free = [i for i in range(len(self._blocks)) if self._references(i) == self._free_count]
        surplus = (len(free) - _KEPT + 3) // 4 if len(free) > _KEPT else 0
        for i in reversed(free[len(free) - surplus :]):
            index = self._indices.pop(i)
            del self._blocks[i]
            self._memory.discard(self._offset + index * self._size, self._size)
            self._spare.append(index)
        self._cursor = 0
