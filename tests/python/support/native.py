"""What the tests of the native vector share: the oracle, comparison to the last byte, and scripts."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import fastvec
from support.sameness import assert_same

__all__ = [
    "FIXTURES",
    "MODES",
    "assert_same",
    "cartpoles",
    "run_script",
    "sync_cartpoles",
    "thread_count",
    "wait_until",
]

FIXTURES = Path(__file__).parents[2] / "cpp" / "fixtures"
MODES = list(AutoresetMode)


def sync_cartpoles(num_envs: int, *, mode: AutoresetMode = AutoresetMode.NEXT_STEP, **kwargs: Any) -> SyncVectorEnv:
    """Gymnasium's own vector of CartPoles."""
    return SyncVectorEnv(
        [lambda: gymnasium.make("CartPole-v1", disable_env_checker=True, **kwargs)] * num_envs, autoreset_mode=mode
    )


def cartpoles(num_envs: int, **kwargs: Any) -> fastvec.VectorEnv:
    """The same natively, on two threads."""
    return fastvec.make_vec("CartPole-v1", num_envs, **{"num_threads": 2, **kwargs})


def run_script(script: str, *arguments: Any, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own; a hang is a failure."""
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


PF_EXITING = 0x4  # a thread that is on its way out, in the kernel's words


def thread_count() -> int:
    """Threads of this process, as the kernel counts them (Linux only), without those that have ended.

    The kernel tells who joins a thread before it takes the thread off its list.
    """
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        pytest.skip("needs /proc/self/task")
    gc.collect()  # vectors that earlier tests left behind
    count = 0
    for task in tasks.iterdir():
        try:
            flags = int((task / "stat").read_text().rpartition(")")[2].split()[6])
        except (FileNotFoundError, ProcessLookupError):
            continue
        count += not flags & PF_EXITING
    return count


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return as soon as the condition holds; fail if it does not within the limit."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)
