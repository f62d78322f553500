"""The conformance check: looks for the mistakes that are easy to make in an env.

>>> import fastvec.testing
>>> fastvec.testing.check_env("CartPole-v1").checks  # doctest: +ELLIPSIS
('memory', 'steps', ...)

``fastvec check ID`` is the same on the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from fastvec.testing.question import find_source
from fastvec.testing.report import ConformanceError, Finding, Report
from fastvec.testing.supervisor import supervise
from fastvec.testing.table import CHECKS, PYTHON_CHECKS

__all__ = ["CHECKS", "PYTHON_CHECKS", "ConformanceError", "Finding", "Report", "check_env", "run_checks"]


def check_env(
    env_id: str,
    *,
    num_envs: int = 8,
    num_steps: int | None = None,
    seed: int = 0,
    throughput: bool = True,
    time_limit: float = 20.0,
    **env_kwargs: Any,
) -> Report:
    """Play an env in many ways and compare what it does with what an env has to do.

    It is played in processes of its own, so that one that crashes, hangs or ends its process is a fault like others.

    Args:
        env_id: as for :func:`fastvec.make_vec`: a native id, or any of Gymnasium's registry, which is played in Python
            (with the checks that apply; see :data:`PYTHON_CHECKS`).
        num_envs: envs per vector, at least 2.
        num_steps: steps per env and run; enough for episodes to end is best. None: 200, and fewer where a step takes
            long.
        seed: of the envs and of the actions.
        throughput: measure the speed and, in a second process, whether ``step`` allocates (takes two seconds).
        time_limit: seconds that one call into the env may take.
        **env_kwargs: the env's own keyword arguments.

    Returns:
        What was checked, notes that are no errors, and the measured speed.

    Raises:
        ConformanceError: (an AssertionError) a check failed; its message names each fault and how to fix it.
        fastvec.errors.UnknownEnvError, TypeError, ValueError: the env cannot be made with these arguments.
    """
    report = run_checks(
        env_id,
        num_envs=num_envs,
        num_steps=num_steps,
        seed=seed,
        throughput=throughput,
        time_limit=time_limit,
        env_kwargs=env_kwargs,
    )
    if report.failures:
        raise ConformanceError(report)
    return report


def run_checks(
    env_id: str,
    *,
    num_envs: int = 8,
    num_steps: int | None = None,
    seed: int = 0,
    throughput: bool = True,
    time_limit: float = 20.0,
    only: Collection[str] | None = None,
    isolate: bool = True,
    env_kwargs: dict[str, Any] | None = None,
    progress: Callable[[str, list[Finding]], None] | None = None,
) -> Report:
    """As :func:`check_env`, but failures are only reported.

    Args:
        only: names of checks; the others are left out.
        isolate: False: play the env in this process, where a debugger is; what kills it is then not reported.
        progress: called after each check with its name and what it found.

    Raises:
        fastvec.errors.UnknownEnvError, TypeError, ValueError: as :func:`check_env`; a check of a name that is none.
    """
    if num_envs < 2:
        raise ValueError(f"expected num_envs >= 2, to see whether envs disturb each other, got {num_envs}")
    if num_steps is not None and num_steps < 10:
        raise ValueError(f"expected num_steps >= 10, got {num_steps}")
    if not time_limit > 0:
        raise ValueError(f"expected time_limit > 0, got {time_limit}")
    source = find_source(env_id)
    table = CHECKS if source.backend == "native" else PYTHON_CHECKS
    for name in only or ():
        if name not in table:
            raise ValueError(f"expected checks of {', '.join(table)}, got {name!r}")
    chosen = {
        name: check
        for name, check in table.items()
        if (only is None or name in only) and (name != "throughput" or throughput)
    }
    settings = {
        "num_envs": num_envs,
        "num_steps": num_steps,
        "seed": seed,
        "env_kwargs": dict(env_kwargs or {}),
        "time_limit": time_limit,
    }
    return supervise(source, chosen, settings, time_limit=time_limit, isolate=isolate, progress=progress)
