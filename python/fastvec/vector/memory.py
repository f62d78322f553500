"""How much memory this process may use: the one place that asks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fastvec.vector.control_groups import control_groups

__all__ = ["usable_memory"]

_PROCESS = Path("/proc/self")


def usable_memory() -> int:
    """Bytes: the machine's memory, or the least that a control group of this process, or one above it, is limited to.

    Version 1 (``memory.limit_in_bytes``) or 2 (``memory.max``), as containers set it: ``docker run --memory``, a pod's
    memory limit, systemd's ``MemoryMax``. What is taken already counts too.
    """
    return min([_installed_memory(), *_limits(_PROCESS)])


def _installed_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _limits(process: Path) -> Iterator[int]:
    for group in control_groups(process, "memory"):
        for word in group.words("memory.max" if group.is_version_2 else "memory.limit_in_bytes"):
            if word.isdecimal():  # "max": no limit
                yield int(word)
