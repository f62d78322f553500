"""How many cores this process may use: the one place that counts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["usable_cores"]

_PROCESS = Path("/proc/self")


def usable_cores() -> int:
    """The number of cores that this process may keep busy; at least 1.

    The smallest of

    - the cores that it may be scheduled on (affinity; from Python 3.13 on also ``-X cpu_count``);
    - the CPU quota of its control group and of every group above it, version 1 (``cpu.cfs_quota_us``) or 2
      (``cpu.max``), as containers set it: ``docker run --cpus``, a pod's CPU limit, systemd's ``CPUQuota``.

    A quota of 2.5 cores counts as 2, one below a core as 1: a group that is over its quota stands still until the
    period ends, with all threads that the others wait for, so a thread too many costs more than one too few.

    It is counted anew at each call, since both can be changed while a process runs. Files that are missing or
    cannot be understood limit nothing.
    """
    return max(1, min([_scheduled_cores(), *_quotas(_PROCESS)]))


def _scheduled_cores() -> int:
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(process: Path) -> Iterator[int]:
    """The quota in whole cores of each group that the process is in, where there is one."""
    groups = _groups(process)
    for root, mount_point, is_version_2 in _mounts(process):
        if is_version_2 not in groups:
            continue
        folder = mount_point / _below(groups[is_version_2], root)
        for group in (folder, *folder.parents):
            quota = _quota_of(group, is_version_2)
            if quota is not None:
                yield quota
            if group == mount_point:
                break


def _groups(process: Path) -> dict[bool, str]:
    """The path of the process's group as it sees it, in version 2's hierarchy (True) and in version 1's for CPUs."""
    groups = {}
    for line in _lines(process / "cgroup"):
        _, _, rest = line.partition(":")
        controllers, separator, path = rest.partition(":")
        if separator and (not controllers or "cpu" in controllers.split(",")):
            groups[not controllers] = path
    return groups


def _mounts(process: Path) -> Iterator[tuple[str, Path, bool]]:
    """``(root, mount point, is version 2)`` of the hierarchies that limit CPUs; what is above ``root`` is not seen."""
    for line in _lines(process / "mountinfo"):
        before, separator, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if not separator or len(fields) < 6 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2" or (kind[0] == "cgroup" and "cpu" in kind[2].split(",")):
            yield _unescaped(fields[3]), Path(_unescaped(fields[4])), kind[0] == "cgroup2"


def _below(path: str, root: str) -> PurePosixPath:
    """``path`` as seen from ``root``; ``root`` itself where it lies elsewhere, so that what can be seen counts."""
    try:
        below = PurePosixPath(path).relative_to(root)
    except ValueError:
        below = PurePosixPath()
    return PurePosixPath() if ".." in below.parts else below


def _quota_of(group: Path, is_version_2: bool) -> int | None:
    if is_version_2:
        words = " ".join(_lines(group / "cpu.max")).split()
    else:
        words = " ".join([*_lines(group / "cpu.cfs_quota_us"), *_lines(group / "cpu.cfs_period_us")]).split()
    try:
        quota, period = (int(word) for word in words)
    except ValueError:  # "max", or not two numbers
        return None
    return quota // period if quota > 0 and period > 0 else None  # -1: no limit


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError:
        return []


def _unescaped(text: str) -> str:
    """A path of mountinfo, where blanks, tabs, line ends and backslashes are octal numbers."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escape, character)
    return text
