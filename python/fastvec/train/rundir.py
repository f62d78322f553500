"""The directory of a run: config.json, metrics.jsonl, TensorBoard's log, checkpoint.pt and
learning_curve.png; with evaluations under way also evaluations.jsonl and best.pt."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

from fastvec.train.config import PPOConfig
from fastvec.train.evaluate import Evaluation
from fastvec.train.ppo import Report
from fastvec.train.trackers import TensorBoard, Tracker, WeightsAndBiases

LOGGED_POINTS = 1000


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
    """Writes the log of one run; also to a project of Weights & Biases, if one is named."""

    def __init__(
        self,
        path: Path,
        env_id: str,
        config: PPOConfig,
        *,
        num_iterations: int | None = None,
        wandb_project: str | None = None,
    ) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.checkpoint = path / "checkpoint.pt"
        content: dict[str, Any] = {"env_id": env_id, "config": dataclasses.asdict(config)}
        (path / "config.json").write_text(json.dumps(content, indent=2) + "\n")
        self._last = num_iterations or config.num_iterations
        self._every = max(1, self._last // LOGGED_POINTS)
        self._metrics = open(path / "metrics.jsonl", "a")  # noqa: SIM115 - closed by close()
        self._trackers: list[Tracker] = [TensorBoard(path)]
        if wandb_project is not None:
            self._trackers.append(WeightsAndBiases(wandb_project, path, env_id, content["config"]))

    def log(self, report: Report, *, steps_per_second: float, learning_rate: float, seconds: float) -> None:
        """Write a report, or not: a long run is thinned out to about a thousand points."""
        if report.iteration % self._every and report.iteration != self._last:
            return
        row = {
            "global_step": report.global_step,
            "seconds": seconds,
            "mean_return": report.mean_return,
            "mean_length": report.mean_length,
            "episodes": report.episodes,
            "steps_per_second": steps_per_second,
            "learning_rate": learning_rate,
            **report.metrics,
        }
        self._metrics.write(json.dumps({k: finite_or_none(v) for k, v in row.items()}) + "\n")
        self._metrics.flush()
        self._track(
            {
                f"{'losses' if name in report.metrics else 'charts'}/{name}": value
                for name, value in row.items()
                if name != "global_step"
            },
            report.global_step,
        )

    def log_evaluation(self, result: Evaluation, *, global_step: int, seconds: float) -> None:
        """Write an evaluation: a line of evaluations.jsonl, and the group "eval" of the trackers."""
        values = {
            "mean_return": result.mean_return,
            "std_return": result.std_return,
            "mean_length": sum(result.lengths) / len(result.lengths),
        }
        row = {"global_step": global_step, "seconds": seconds, "episodes": len(result.returns), **values}
        with open(self.path / "evaluations.jsonl", "a") as file:
            file.write(json.dumps({k: finite_or_none(v) for k, v in row.items()}) + "\n")
        self._track({f"eval/{name}": value for name, value in values.items()}, global_step)

    def _track(self, values: dict[str, float], step: int) -> None:
        for tracker in self._trackers:
            tracker.log(values, step)

    def close(self) -> None:
        """Finish the logs."""
        self._metrics.close()
        for tracker in self._trackers:
            tracker.close()


class NoRunDir:
    """What the ranks that write nothing have in place of a :class:`RunDir`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "checkpoint.pt"

    def log(self, report: Report, **_: float) -> None:
        """Nothing."""

    def log_evaluation(self, evaluation: Evaluation, **_: float) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl; a run that was resumed from an earlier step replaces what it did
    again."""
    return _read_rows(path / "metrics.jsonl")


def read_evaluations(path: Path) -> list[dict[str, Any]]:
    """The rows of a run's evaluations.jsonl, as :func:`read_metrics`; none where it made no evaluations."""
    file = path / "evaluations.jsonl"
    return _read_rows(file) if file.exists() else []


def _read_rows(file: Path) -> list[dict[str, Any]]:
    rows: dict[int, dict[str, Any]] = {}
    for line in file.read_text().splitlines():
        row = json.loads(line)
        for later in [step for step in rows if step >= row["global_step"]]:
            del rows[later]
        rows[row["global_step"]] = row
    return list(rows.values())


def finite_or_none(value: float) -> float | None:
    """``value``, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None
