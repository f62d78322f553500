"""The directory of a run: config.json, metrics.jsonl, TensorBoard's log, checkpoint.pt and learning_curve.png.

With evaluations under way also evaluations.jsonl and best.pt.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastvec.train.algorithms import DEFAULT_ALGORITHM, find_algorithm
from fastvec.train.config import known_settings
from fastvec.train.report import Report
from fastvec.train.run.trackers import TensorBoard, Tracker, WeightsAndBiases
from fastvec.train.run.writes import RowLog, Writes

if TYPE_CHECKING:  # it loads PyTorch, which reading a run's log does not need
    from fastvec.train.evaluate import Evaluation

LOGGED_POINTS = 1000
CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.jsonl"
EVALUATIONS_FILE = "evaluations.jsonl"


@dataclass(frozen=True)
class RunSettings:
    """What config.json of a run directory says.

    Attributes:
        env_id: the environment.
        algorithm: a name of :mod:`fastvec.train.algorithms`.
        config: keyword arguments of the algorithm's dataclass of settings.
    """

    env_id: str
    algorithm: str
    config: dict[str, Any]


def read_settings(run_dir: Path) -> RunSettings:
    """Read config.json of a run directory.

    Raises:
        FileNotFoundError: it has none. ValueError: it is damaged, or of an algorithm or with settings that this version
            does not know.
    """
    path = run_dir / CONFIG_FILE
    if not path.exists():
        raise FileNotFoundError(f"{run_dir} is no run directory: it has no {CONFIG_FILE}")
    try:
        content = json.loads(path.read_text())
        algorithm = find_algorithm(content.get("algorithm", DEFAULT_ALGORITHM))
        config = known_settings(algorithm.config, content["config"], str(path))
        return RunSettings(content["env_id"], algorithm.name, config)
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error


def new_run_dir(env_id: str, seed: int) -> Path:
    """A path under ``runs/`` that is not taken: environment, seed and time."""
    name = env_id.replace("/", "_").replace(":", "_")
    base = Path("runs") / f"{name}__{seed}__{time.strftime('%Y%m%d-%H%M%S')}"
    path, count = base, 1
    while path.exists():
        count += 1
        path = base.with_name(f"{base.name}-{count}")
    return path


class RunDir:
    """Writes the log of one run; also to a project of Weights & Biases, if one is named.

    A run that goes on from ``first_step`` takes back what the log says about later steps: it was done after the
    checkpoint, and is done again.

    Args:
        path: the directory, which is made where there is none.
        env_id: goes into config.json, as do ``config`` and ``algorithm``.
        config: the dataclass of the run's settings.
        algorithm: a name of :mod:`fastvec.train.algorithms`.
        num_iterations: of the whole run, of which about a thousand are logged, and the last.
        first_step: the environment step that the run goes on from; 0 for a new one.
        wandb_project: where else to log.

    Raises:
        OSError: the directory or a file in it cannot be written. ConnectionError: as :class:`WeightsAndBiases`.

    Attributes:
        path: the directory.
        checkpoint: where the checkpoint of this run is to be written.
        writes: what is not on the disk; training goes on meanwhile.
        seconds_before: the wall time of the run so far, which a run that is resumed has from its log.
    """

    def __init__(
        self,
        path: Path,
        env_id: str,
        config: Any,
        *,
        num_iterations: int,
        algorithm: str = DEFAULT_ALGORITHM,
        first_step: int = 0,
        wandb_project: str | None = None,
    ) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.checkpoint = path / "checkpoint.pt"
        settings = RunSettings(env_id, algorithm, dataclasses.asdict(config))
        (path / CONFIG_FILE).write_text(json.dumps(dataclasses.asdict(settings), indent=2) + "\n")
        self._last = num_iterations
        self._every = max(1, self._last // LOGGED_POINTS)
        for name in (METRICS_FILE, EVALUATIONS_FILE):
            forget_later_rows(path / name, first_step)
        self._trackers: list[Tracker] = []
        if wandb_project is not None:  # first: it may fail, while nothing is open yet
            self._trackers.append(WeightsAndBiases(wandb_project, path, env_id, settings.config))
        self._trackers.append(TensorBoard(path, first_step))
        self.writes = Writes()
        self._metrics, self._evaluations = RowLog(path / METRICS_FILE), RowLog(path / EVALUATIONS_FILE)
        rows = read_metrics(path)
        self.seconds_before = float(rows[-1]["seconds"]) if rows else 0.0

    def log(self, report: Report, *, steps_per_second: float, seconds: float) -> None:
        """Write a report, or not: a long run is thinned out to about a thousand points.

        Args:
            report: of the newest iteration.
            steps_per_second: the run's speed so far; NaN where it is not known yet.
            seconds: wall time since this process began; what the log has from before is added.
        """
        if report.iteration % self._every and report.iteration != self._last:
            return
        row = {
            "global_step": report.global_step,
            "seconds": self.seconds_before + seconds,
            "mean_return": report.mean_return,
            "mean_length": report.mean_length,
            "episodes": report.episodes,
            "steps_per_second": steps_per_second,
            **report.schedules,
            **report.metrics,
        }
        self._add_row(self._metrics, row)
        self._track(
            {
                f"{'losses' if name in report.metrics else 'charts'}/{name}": value
                for name, value in row.items()
                if name != "global_step"
            },
            report.global_step,
        )

    def log_evaluation(self, result: Evaluation, *, global_step: int, seconds: float) -> None:
        """Write an evaluation: a line of evaluations.jsonl, and the group "eval" of the trackers.

        Args:
            result: the episodes.
            global_step: environment steps done.
            seconds: as for :meth:`log`.
        """
        values = {
            "mean_return": result.mean_return,
            "std_return": result.std_return,
            "mean_length": sum(result.lengths) / len(result.lengths),
        }
        counts = {"episodes": len(result.returns), "cut": result.cut}
        row = {"global_step": global_step, "seconds": self.seconds_before + seconds, **counts, **values}
        self._add_row(self._evaluations, row)
        self._track({f"eval/{name}": value for name, value in values.items()}, global_step)

    def _track(self, values: dict[str, float], step: int) -> None:
        for tracker in self._trackers:
            self.writes.attempt(_name_of(tracker), partial(tracker.log, values, step))

    def _add_row(self, log: RowLog, row: dict[str, Any]) -> None:
        self.writes.attempt(log.path.name, partial(log.add, {k: finite_or_none(v) for k, v in row.items()}))

    def flush(self) -> None:
        """Try again to write what the disk did not take."""
        for log in (self._metrics, self._evaluations):
            self.writes.attempt(log.path.name, log.flush)
        for tracker in self._trackers:
            self.writes.attempt(_name_of(tracker), tracker.flush)

    def close(self) -> None:
        """Finish the logs."""
        self.flush()
        for tracker in self._trackers:
            self.writes.attempt(_name_of(tracker), tracker.close)


class NoRunDir:
    """What the ranks that write nothing have in place of a :class:`RunDir`.

    Attributes:
        path: the run directory, which another rank writes.
        checkpoint: where the checkpoint of this run is.
        writes: nothing but what this rank was asked to attempt.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "checkpoint.pt"
        self.writes = Writes()

    def flush(self) -> None:
        """Do nothing."""

    def log(self, report: Report, **_: float) -> None:
        """Do nothing."""

    def log_evaluation(self, evaluation: Evaluation, **_: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl; none where it has not written any yet.

    Raises:
        ValueError: a line is damaged.
    """
    return _read_rows(path / METRICS_FILE)


def read_evaluations(path: Path) -> list[dict[str, Any]]:
    """The rows of a run's evaluations.jsonl, as :func:`read_metrics`."""
    return _read_rows(path / EVALUATIONS_FILE)


def forget_later_rows(file: Path, step: int) -> None:
    """Take the rows of steps after ``step`` out of a log, and a last line that was not written to its end."""
    if not file.exists():
        return
    kept = [json.dumps(row) + "\n" for row in _read_rows(file) if row["global_step"] <= step]
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text("".join(kept))
    temporary.replace(file)


def _read_rows(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    rows: list[dict[str, Any]] = []
    lines = file.read_text().splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            break  # a process was killed while it wrote this
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ValueError(f"line {number} of {file} is damaged: {error}") from error
    return rows


def _name_of(tracker: Tracker) -> str:
    return f"the log of {type(tracker).__name__}"


def finite_or_none(value: float) -> float | None:
    """``value``, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None
