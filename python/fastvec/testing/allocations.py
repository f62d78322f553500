"""Counting heap allocations of an env's step, in a second process that preloads a counting ``malloc``.

The count is a slope: what more envs allocate beyond what fewer do, per env step. What the engine and Python
allocate per call is the same for both and drops out.
"""

from __future__ import annotations

import contextlib
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

__all__ = ["Allocations", "Counting", "main"]

_FEW, _MANY = 16, 144
_MOST_CALLS, _FEWEST_CALLS = 64, 4
_SECONDS = 5.0  # to be spent on counting, where that is enough for the fewest calls


@dataclass(frozen=True)
class Allocations:
    """Heap allocations per env step and per env reset."""

    per_step: float
    per_reset: float


class Counting:
    """Counts them in another process, beside whatever this one does meanwhile."""

    def __init__(self, env_id: str, env_kwargs: dict[str, Any], seed: int) -> None:
        self._process: subprocess.Popen[str] | None = None
        native, library = registry.find(env_id), preloadable("count_allocations")
        if native is None or library is None:
            return
        question = {"library": native.library, "env_id": native.id, "kwargs": env_kwargs, "seed": seed}
        with contextlib.suppress(OSError, TypeError, ValueError):
            asked = json.dumps(question)
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", "from fastvec.testing.allocations import main; main()", asked],
                env={**os.environ, "LD_PRELOAD": str(library)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )

    def result(self) -> Allocations | None:
        """Wait for them; None where it cannot be done (not on Linux with glibc, not a native env, no other process)."""
        if self._process is None:
            return None
        try:
            printed, _ = self._process.communicate(timeout=60)
            answer = json.loads(printed.splitlines()[-1])
            return Allocations(answer["per_step"], answer["per_reset"])
        except (LookupError, TypeError, ValueError, subprocess.SubprocessError):
            return None
        finally:
            self.end()

    def end(self) -> None:
        """End the process, whether or not anybody wants to know."""
        if self._process is not None:
            with self._process:  # closes its pipe, and waits
                self._process.kill()
            self._process = None


def main() -> None:
    """Count in this process, which preloads the library; the question is the first argument."""
    calls = ctypes.CDLL(None).fastvec_allocation_calls
    calls.restype = ctypes.c_ulonglong
    question = json.loads(sys.argv[1])
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
