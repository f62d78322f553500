"""Showing how a run is getting on: a live table on a terminal that can show one, plain lines everywhere else.

A thread of its own keeps it moving while the main thread compiles or waits, so that no silence lasts longer
than ``MAX_SILENCE_SECONDS``.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from typing import Literal, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fastvec.terminal import has_colors, is_live, say
from fastvec.train.report import Report

MAX_SILENCE_SECONDS = 4.0
SHOWN_METRICS = ("entropy", "approx_kl", "explained_variance")
"""Those that the table shows, of the algorithms that report them."""
BAR_WIDTH = 60
"""Columns of the progress bar; fewer where the window has fewer."""
INTERRUPTED_MESSAGE = "interrupted: finishing what is under way, then saving (once more: leave at once, without saving)"


class Speedometer:
    """Steps per second in the steady state: the first iterations, where things warm up, are left out.

    Attributes:
        iterations: how many were added, the first ones included.
        steps: environment steps in those that count.
        seconds: that these took.
        parts: seconds in environments, inference and update in those that count.
    """

    WARM_UP = 3

    def __init__(self) -> None:
        self.iterations = 0
        self.steps = 0
        self.seconds = 0.0
        self.parts = [0.0, 0.0, 0.0]
        self._last_step = 0

    def add(self, report: Report, seconds: float) -> None:
        """Count one iteration that took ``seconds``."""
        self.iterations += 1
        if self.iterations > self.WARM_UP:
            self.steps += report.global_step - self._last_step
            self.seconds += seconds
            for i, part in enumerate((report.env_seconds, report.inference_seconds, report.update_seconds)):
                self.parts[i] += part
        self._last_step = report.global_step

    @property
    def steps_per_second(self) -> float:
        """Environment steps per second; NaN during the warm-up."""
        return self.steps / self.seconds if self.seconds else float("nan")

    @property
    def split(self) -> tuple[float, float, float]:
        """Shares of env, inference and update in the time of an iteration."""
        total = sum(self.parts) or 1.0
        return self.parts[0] / total, self.parts[1] / total, self.parts[2] / total


class Display:
    """Shows reports; a context manager. Call ``show`` after each iteration, ``say`` for anything that takes a while.

    Args:
        title: the run's name.
        total_timesteps: environment steps in the whole run.
        stream: where to write; a table if :func:`fastvec.terminal.is_live` says so, else lines.
        interrupted: as soon as there is something in it, the display says that the run is about to end.

    Attributes:
        activity: what is being done.
        report: the newest; None before the first.
        speed: of the reports so far.
    """

    def __init__(self, title: str, total_timesteps: int, stream: TextIO, interrupted: Sequence[int] = ()) -> None:
        self.title = title
        self.total = total_timesteps
        self.stream = stream
        self.interrupted = interrupted
        self._has_said_interrupted = False
        self.activity = "starting"
        self.report: Report | None = None
        self.evaluation: float | None = None
        self.warning: str | None = None
        self.speed = Speedometer()
        self.started = time.monotonic()
        self._since = self.started
        self._printed = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._live: Live | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Display:
        if is_live(self.stream):
            colors: Literal["auto"] | None = "auto" if has_colors(self.stream) else None
            console = Console(file=self.stream, force_terminal=True, force_jupyter=False, color_system=colors)
            self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4)
            self._live.start()
        else:
            self._thread = threading.Thread(target=self._tick, name="fastvec-display", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._live is not None:
            self._live.stop()
        if self._thread is not None:
            self._thread.join()
            if self.report is not None:
                self._print(self._line())

    def say(self, activity: str) -> None:
        """Say what is being done from now on."""
        self.activity = activity
        self._since = time.monotonic()
        if self._live is None:
            self._print(activity)

    def tell(self, fact: str) -> None:
        """Say what is true of the whole run, to stay where it can be read: above the table, where there is one."""
        if self._live is None:
            self._print(fact)
        else:
            self._live.console.print(Text(fact))

    def show(self, report: Report, seconds: float) -> None:
        """Take the report of an iteration that took ``seconds``."""
        if self.activity != "training":
            self.activity, self._since = "training", time.monotonic()
        self.speed.add(report, seconds)
        self.report = report

    def say_evaluation(self, mean_return: float) -> None:
        """Take the mean return of an evaluation."""
        self.evaluation = mean_return
        if self._live is None:
            self._print(f"evaluation {_number(mean_return)}")

    def warn(self, warning: str) -> None:
        """Tell the user what is wrong, while the activity goes on."""
        self.warning = warning
        if self._live is None:
            self._print(f"warning: {warning}")

    def _tick(self) -> None:
        while not self._stop.wait(0.2):
            if self.interrupted and not self._has_said_interrupted:
                self._has_said_interrupted = True
                self._print(INTERRUPTED_MESSAGE)
            if time.monotonic() - self._printed >= MAX_SILENCE_SECONDS:
                self._print(self._line())

    def _print(self, line: str) -> None:
        with self._lock:
            self._printed = time.monotonic()
            say(line, file=self.stream)

    def _seconds_left(self) -> float:
        if self.report is None or not self.speed.seconds:
            return float("nan")
        return max(self.total - self.report.global_step, 0) / self.speed.steps_per_second

    def _line(self) -> str:
        if self.report is None or self.activity != "training":
            return f"{self.activity} ({time.monotonic() - self._since:.0f} s)"
        env, inference, update = self.speed.split
        return (
            f"step {self.report.global_step:,}/{self.total:,}  return {_number(self.report.mean_return)}  "
            f"{_number(self.speed.steps_per_second)} steps/s  left {_duration(self._seconds_left())}  "
            f"env {env:.0%} inference {inference:.0%} update {update:.0%}"
        )

    def _render(self) -> Group:
        table = Table.grid(padding=(0, 2))
        report, (env, inference, update) = self.report, self.speed.split
        step = 0 if report is None else report.global_step
        table.add_row("step", f"{step:,} of {self.total:,}  ({min(step / self.total, 1.0):.0%})")
        table.add_row("return", _number(report.mean_return if report else float("nan")) + "  (last 100 episodes)")
        if self.evaluation is not None:
            table.add_row("evaluation", _number(self.evaluation) + "  (greedy, the newest)")
        table.add_row("speed", f"{_number(self.speed.steps_per_second)} steps/s")
        table.add_row("time", f"{_duration(time.monotonic() - self.started)}, left {_duration(self._seconds_left())}")
        table.add_row("share", f"env {env:.0%}  inference {inference:.0%}  update {update:.0%}")
        for name in SHOWN_METRICS:
            if report and name in report.metrics:
                table.add_row(name.replace("_", " "), f"{report.metrics[name]:.3f}")
        doing = f"{self.activity} ({time.monotonic() - self._since:.0f} s)"
        bar = Table.grid()  # which ends the bar's line: by itself a bar does not
        bar.add_row(ProgressBar(total=self.total, completed=min(step, self.total), width=BAR_WIDTH))
        interrupted = [Text(INTERRUPTED_MESSAGE, style="yellow")] if self.interrupted else []
        if self.warning is not None:
            interrupted.append(Text(f"warning: {self.warning}", style="yellow"))
        return Group(Text(f"{self.title}: {doing}", style="bold"), bar, table, *interrupted)


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}"


def _duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "-"
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
