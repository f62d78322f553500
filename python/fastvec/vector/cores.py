"""How many cores this process may use: the one place that counts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fastvec.vector.control_groups import ControlGroup, control_groups

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
    for group in control_groups(process, "cpu"):
        quota = _quota_of(group)
        if quota is not None:
            yield quota


def _quota_of(group: ControlGroup) -> int | None:
    if group.is_version_2:
        words = group.words("cpu.max")
    else:
        words = [*group.words("cpu.cfs_quota_us"), *group.words("cpu.cfs_period_us")]
    try:
        quota, period = (int(word) for word in words)
    except ValueError:  # "max", or not two numbers
        return None
    return quota // period if quota > 0 and period > 0 else None  # -1: no limit
