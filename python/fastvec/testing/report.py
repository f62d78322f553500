"""What the conformance check found."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ConformanceError", "Finding", "Report"]


@dataclass(frozen=True)
class Finding:
    """A fault, or a note.

    Attributes:
        check: the name of the check that found it.
        message: what was seen, where.
        hint: how to fix it.
        is_failure: False for a note: worth knowing, and maybe as it should be.
    """

    check: str
    message: str
    hint: str
    is_failure: bool = True

    def __str__(self) -> str:
        return f"{self.check}: {self.message}\n    fix: {self.hint}"


@dataclass(frozen=True)
class Report:
    """The result of a conformance check.

    Attributes:
        env_id: the env.
        checks: names of the checks that were run, in order.
        skipped: names of those that could say nothing after an earlier failure.
        failures: the faults.
        notes: what is worth knowing.
        steps_per_second: env steps per second on one thread; None if not measured.
        allocations_per_step: heap allocations per env step; None if not measured.
    """

    env_id: str
    checks: tuple[str, ...]
    skipped: tuple[str, ...]
    failures: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    steps_per_second: float | None
    allocations_per_step: float | None


class ConformanceError(AssertionError):
    """An env failed the conformance check.

    Attributes:
        report: everything that was found.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        faults = "\n".join(str(failure) for failure in report.failures)
        super().__init__(f"{report.env_id} fails {len(report.failures)} of {len(report.checks)} checks\n{faults}")
