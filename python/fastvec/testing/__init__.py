"""The conformance check: looks for the mistakes that are easy to make in an env.

>>> import fastvec.testing
>>> fastvec.testing.check_env("CartPole-v1").checks  # doctest: +ELLIPSIS
('steps', 'observations', ...)

``fastvec check ID`` is the same on the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastvec.testing.checks import CHECKS, Checker
from fastvec.testing.report import ConformanceError, Finding, Report

__all__ = ["CHECKS", "ConformanceError", "Finding", "Report", "check_env", "run_checks"]


def check_env(
    env_id: str,
    *,
    num_envs: int = 8,
    num_steps: int = 200,
    seed: int = 0,
    throughput: bool = True,
    **env_kwargs: Any,
) -> Report:
    """Play an env in many ways and compare what it does with what an env has to do.

    Args:
        env_id: as for :func:`fastvec.make_vec`.
        num_envs: envs per vector, at least 2.
        num_steps: steps per env and run; enough for episodes to end is best.
        seed: of the envs and of the actions.
        throughput: measure the speed and, in a second process, whether ``step`` allocates (takes two seconds).
        **env_kwargs: the env's own keyword arguments.

    Returns:
        What was checked, notes that are no errors, and the measured speed.

    Raises:
        ConformanceError: (an AssertionError) a check failed; its message names each fault and how to fix it.
        fastvec.errors.UnknownEnvError, TypeError, ValueError: the env cannot be made with these arguments.
    """
    report = run_checks(
        env_id, num_envs=num_envs, num_steps=num_steps, seed=seed, throughput=throughput, env_kwargs=env_kwargs
    )
    if report.failures:
        raise ConformanceError(report)
    return report


def run_checks(
    env_id: str,
    *,
    num_envs: int = 8,
    num_steps: int = 200,
    seed: int = 0,
    throughput: bool = True,
    env_kwargs: dict[str, Any] | None = None,
    progress: Callable[[str, list[Finding]], None] | None = None,
) -> Report:
    """As :func:`check_env`, but failures are only reported.

    Args:
        progress: called after each check with its name and what it found.
    """
    if num_envs < 2:
        raise ValueError(f"expected num_envs >= 2, to see whether envs disturb each other, got {num_envs}")
    if num_steps < 10:
        raise ValueError(f"expected num_steps >= 10, got {num_steps}")
    checker = Checker(env_id, num_envs=num_envs, num_steps=num_steps, seed=seed, env_kwargs=dict(env_kwargs or {}))
    return checker.run(throughput=throughput, progress=progress)
