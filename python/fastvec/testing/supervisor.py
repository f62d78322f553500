"""Runs the checks in a child process, and reports what becomes of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastvec.testing.checker import Checker
from fastvec.testing.checks import run_each
from fastvec.testing.place import Place, Seen
from fastvec.testing.question import Child, Question, Source
from fastvec.testing.report import Finding, Report

__all__ = ["supervise"]

_START = 120.0  # seconds that a process may take to begin
_WATCH = 0.25  # seconds between two looks
_CHECK_TAKES = 12  # times the limit of a call: one check
Progress = Callable[[str, list[Finding]], None]


def supervise(
    source: Source,
    checks: Mapping[str, tuple[Sequence[str], str]],
    settings: Mapping[str, Any],
    *,
    time_limit: float,
    isolate: bool,
    progress: Progress | None,
) -> Report:
    """Run these checks, in order.

    A process that dies, or does not come back from the env, is a finding of the check under way; the checks that do
    not need that one are then run in another process.

    Args:
        settings: for :class:`fastvec.testing.checker.Checker`.
        time_limit: seconds that one call into the env may take.
        isolate: False: in this process, without a limit.

    Raises:
        what making the env raised.
    """
    run = _Run(source, checks, settings, time_limit, progress)
    if not isolate:
        run.here()
    while run.remaining:
        run.go_on()
    return run.report()


class _Run:
    def __init__(
        self,
        source: Source,
        checks: Mapping[str, tuple[Sequence[str], str]],
        settings: Mapping[str, Any],
        time_limit: float,
        progress: Progress | None,
    ) -> None:
        self._source = source
        self._needs = {name: needs for name, (needs, _) in checks.items()}
        self._settings = settings
        self._time_limit = time_limit
        self._progress = progress
        self.remaining = list(checks)
        self._broken: set[str] = set()
        self._known: set[str] = set()
        self._run: list[str] = []
        self._skipped: list[str] = []
        self._findings: list[Finding] = []
        self._measured: tuple[float | None, float | None] = (None, None)

    def here(self) -> None:
        """All of them in this process."""
        page = Place.create()
        checker = Checker(self._source, place=Place(page), **self._settings)
        os.close(page)

        def say(what: str, *words: Any) -> None:
            if what != "begins":
                self._take(what, list(words))

        run_each(checker, dict(self._needs), set(), set(), say)

    def go_on(self) -> None:
        """One child process, until it has ended."""
        needs = {name: self._needs[name] for name in self.remaining}
        settings = {**self._settings, "needs": needs, "broken": set(self._broken), "known": set(self._known)}
        child = Child(Question("checks", self._source, settings))
        current, ended, hint, has_begun = self.remaining[0], "", _HANGS, False
        try:
            began, seen, since = time.monotonic(), child.place.look(), time.monotonic()
            while not ended:
                try:
                    answer = child.answer(_WATCH)
                except EOFError:
                    ended, hint = _death(child.process.wait(), child.place.look())
                    break
                now, looked = time.monotonic(), child.place.look()
                if answer is None and child.process.poll() is not None and not child.answers.poll():
                    ended, hint = _death(child.process.returncode, looked)  # its own workers may hold the pipe open
                elif answer is None:
                    if looked.beats != seen.beats:
                        seen, since = looked, now
                    limit = self._time_limit if looked.beats else max(_START, self._time_limit)
                    if now - since > limit:
                        ended = f"the env did not return within {limit:g} seconds: {looked or 'it was loaded'}"
                    elif now - began > _CHECK_TAKES * self._time_limit:
                        ended = f"this check was not done within {now - began:.0f} seconds: {looked}"
                else:
                    seen, since = looked, now
                    what, *words = answer
                    if what == "begins":
                        current, began, has_begun = words[0], now, True
                    elif what == "end":
                        return
                    else:
                        self._take(what, words)
        finally:
            child.end()
        if current in self.remaining:  # else all was said already
            self._take("found", [current, [Finding(current, ended, hint)]])
        if not has_begun:  # nor would the next process come further
            self._skipped += self.remaining
            self.remaining.clear()

    def _take(self, what: str, words: list[Any]) -> None:
        if what == "raised":
            raise words[0]
        if what == "measured":
            self._measured = (words[0], words[1])
            return
        name = words[0]
        self.remaining.remove(name)
        if what == "skipped":
            self._broken.add(name)
            self._skipped.append(name)
            return
        found: list[Finding] = words[1]
        self._run.append(name)
        self._findings += found
        self._known |= {finding.message for finding in found}
        if any(finding.is_failure for finding in found):
            self._broken.add(name)
        if self._progress is not None:
            self._progress(name, found)

    def report(self) -> Report:
        """What was found."""
        return Report(
            env_id=self._source.env_id,
            checks=tuple(self._run),
            skipped=tuple(self._skipped),
            failures=tuple(finding for finding in self._findings if finding.is_failure),
            notes=tuple(finding for finding in self._findings if not finding.is_failure),
            steps_per_second=self._measured[0],
            allocations_per_step=self._measured[1],
        )


_HANGS = "step(), reset(), observe() and the others have to return, whatever happens"
_DIES = (
    "an assertion or a bad index, most likely: a build with -fsanitize=address names the line (docs/write_your_env.md)"
)
_LEAVES = (
    "an env may not end the process: throw an exception, which costs this env its episode and nobody else anything"
)


def _death(status: int, seen: Seen) -> tuple[str, str]:
    """What happened, and how to fix it."""
    if status >= 0:
        return f"the env ended the whole process, with exit status {status}: {seen}", _LEAVES
    try:
        name = f"{signal.Signals(-status).name} ({signal.strsignal(-status)})"
    except ValueError:
        name = f"signal {-status}"
    return f"the process died of {name}: {seen}", _DIES
