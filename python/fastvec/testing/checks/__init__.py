"""The checks, and running them in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fastvec.errors import EnvError
from fastvec.testing.checker import Checker
from fastvec.testing.checks import repetition, running, states, values
from fastvec.testing.probe import Yielded
from fastvec.testing.report import Finding
from fastvec.vector.cores import usable_cores

__all__ = ["run_each"]

_CHECKS: dict[str, Callable[[Checker], Yielded]] = {
    "memory": running.memory,
    "types": values.types,
    "steps": running.steps,
    "observations": values.observations,
    "rewards": values.rewards,
    "actions": values.actions,
    "masks": values.masks,
    "determinism": repetition.determinism,
    "another day": repetition.another_day,
    "reset": repetition.reset,
    "seeding": repetition.seeding,
    "independence": repetition.independence,
    "threads": repetition.threads,
    "engine": repetition.engine,
    "observe": states.observe,
    "state": states.state,
    "autoreset": states.autoreset,
    "infos": values.infos,
    "render": running.render,
    "endurance": running.endurance,
    "resuming": states.resuming,
    "waiting": running.waiting,
    "throughput": running.throughput,
}
_COUNTED_BESIDE = "endurance"  # while this check and those after it run, another process counts for the last one


def run_each(
    checker: Checker, needs: Mapping[str, Sequence[str]], broken: set[str], known: set[str], say: Callable[..., None]
) -> None:
    """Run checks in order.

    Args:
        needs: the checks, and what each of them needs.
        broken: those that have failed before; grows.
        known: messages that have been told; grows, since one fault is told once.
        say: called with ``"begins", name``, then ``"found", name, findings`` or else ``"skipped", name``, and at the
            end ``"measured", steps per second, allocations per step``.
    """
    try:
        for name, needed in needs.items():
            if name == _COUNTED_BESIDE and "throughput" in needs and usable_cores() > 1:
                checker.count_allocations()
            if broken.intersection(needed):
                broken.add(name)
                say("skipped", name)
                continue
            say("begins", name)
            found = _run_one(checker, name)
            if any(finding.is_failure for finding in found):
                broken.add(name)
            found = [finding for finding in found if finding.message not in known]
            known |= {finding.message for finding in found}
            say("found", name, found)
    finally:
        checker.close()
    say("measured", checker.steps_per_second, checker.allocations_per_step)


def _run_one(checker: Checker, name: str) -> list[Finding]:
    """What one check finds."""
    try:
        return [Finding(name, message, hint, is_failure) for is_failure, message, hint in _CHECKS[name](checker)]
    except EnvError as error:
        message = f"the env raised an error with actions from its space: {error}"
        return [Finding(name, message, "step and reset have to cope with every action that the space allows")]
    except Exception as error:
        if checker.is_native:
            raise
        message = f"the env raised {type(error).__name__}: {error}"
        return [Finding(name, message, "look where it comes from: --in-process shows it in a debugger")]
