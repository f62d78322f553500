"""How long commands take, for the benchmarks that time whole processes."""

from __future__ import annotations

import os
import subprocess
import time


def timed(command: list[str], **environment: str) -> tuple[str, dict[str, float]]:
    """Run a command that has to succeed: what it printed, and its wall and CPU seconds, its children's among them."""
    start, before = time.perf_counter(), os.times()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment})
    seconds, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, {"seconds": seconds, "cpu_seconds": cpu}
