"""Counting heap allocations of an env's step, in a second process that preloads a counting ``malloc``.

The count is a slope: what more envs allocate beyond what fewer do, per env step. What the engine and Python
allocate per call is the same for both and drops out.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastvec.make import make_vec
from fastvec.native import registry
from fastvec.plugins import load_plugin
from fastvec.testing.question import preloadable
from fastvec.testing.rollout import ActionBank

__all__ = ["Allocations", "count_allocations", "main"]

_FEW, _MANY = 16, 144
_MOST_CALLS, _FEWEST_CALLS = 64, 4
_SECONDS = 5.0  # to be spent on counting, where that is enough for the fewest calls


@dataclass(frozen=True)
class Allocations:
    """Heap allocations per env step and per env reset."""

    per_step: float
    per_reset: float


def count_allocations(env_id: str, env_kwargs: dict[str, Any], seed: int) -> Allocations | None:
    """Count them; None where it cannot be done (not on Linux with glibc, not a native env, no second process)."""
    native = registry.find(env_id)
    library = preloadable("count_allocations")
    if native is None or library is None:
        return None
    question = {"library": native.library, "env_id": native.id, "kwargs": env_kwargs, "seed": seed}
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", "from fastvec.testing.allocations import main; main()"],
            input=json.dumps(question),
            env={**os.environ, "LD_PRELOAD": str(library)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        answer = json.loads(done.stdout.splitlines()[-1])
    except (OSError, TypeError, ValueError, IndexError, subprocess.SubprocessError):
        return None
    return Allocations(answer["per_step"], answer["per_reset"])


def main() -> None:
    """Count in this process, which preloads the library; the question comes on standard input."""
    calls = ctypes.CDLL(None).fastvec_allocation_calls
    calls.restype = ctypes.c_ulonglong
    question = json.loads(sys.stdin.read())
    if registry.find(question["env_id"]) is None:
        load_plugin(question["library"])

    def measure(num_envs: int, num_calls: int) -> tuple[int, int, int, int, float]:
        envs = make_vec(question["env_id"], num_envs, num_threads=1, copy=False, **question["kwargs"])
        bank = ActionBank(envs.single_action_space, 0)
        batches = [bank.batch(t, np.arange(num_envs)) for t in range(num_calls)]
        envs.reset(seed=question["seed"])
        envs.step(batches[0])
        begin, start = time.perf_counter(), calls()
        for _ in range(num_calls):
            envs.reset()
        of_resets = calls() - start
        envs.step(batches[0])
        ended, start = 0, calls()
        for actions in batches:
            _, _, terminated, truncated, _ = envs.step(actions)
            ended += int(np.count_nonzero(terminated)) + int(np.count_nonzero(truncated))
        of_steps, seconds = calls() - start, time.perf_counter() - begin
        envs.close()
        return of_resets, of_steps, ended, num_envs * num_calls - ended, seconds

    *_, seconds = measure(_FEW, _FEWEST_CALLS)  # and what happens once only
    num_calls = int(_SECONDS / (seconds / (_FEW * _FEWEST_CALLS) * (_FEW + _MANY)))
    num_calls = min(max(num_calls, _FEWEST_CALLS), _MOST_CALLS)
    few, many = measure(_FEW, num_calls), measure(_MANY, num_calls)
    reset_calls, step_calls, resets, steps, _ = (b - a for a, b in zip(few, many, strict=True))
    per_reset = max(reset_calls / ((_MANY - _FEW) * num_calls), 0.0)
    per_step = max((step_calls - per_reset * resets) / max(steps, 1), 0.0)
    print(json.dumps({"per_step": per_step, "per_reset": per_reset}))
