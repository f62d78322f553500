"""Pictures of learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from fastvec.train.run.rundir import read_evaluations, read_metrics, read_settings

Curve = tuple[np.ndarray, np.ndarray]
"""Environment steps (or seconds since the run began), and the mean return at each: float64 ``[K]``."""

Over = Literal["steps", "time"]
AXES = {"steps": "environment steps", "time": "seconds since the start"}

NOT_COMPARED = (
    "device",
    "compile",
    "torch_threads",
    "num_threads",
    "eval_episodes",
    "eval_every",
    "eval_max_episode_steps",
)
"""Settings that do not change what is learned."""


def read_curve(run: Path, *, evaluations: bool = False, over: Over = "steps") -> Curve:
    """The curve of one run: of its training episodes, or of its evaluations."""
    rows = [row for row in (read_evaluations if evaluations else read_metrics)(run) if row["mean_return"] is not None]
    along = "global_step" if over == "steps" else "seconds"
    return np.array([row[along] for row in rows], float), np.array([row["mean_return"] for row in rows], float)


def group_runs(runs: Sequence[Path]) -> dict[str, list[Path]]:
    """Runs that differ in nothing but the seed, by a label: what tells them from others.

    That is the environment, the algorithm where there are several, and the settings that differ between runs of one
    algorithm on one environment. How long a run was is no difference: one that goes on, or was stopped, belongs to its
    seeds.
    """
    described = []
    for run in runs:
        saved = read_settings(run)
        settings = {k: v for k, v in saved.config.items() if k not in ("seed", "total_timesteps", *NOT_COMPARED)}
        described.append((run, (saved.env_id, saved.algorithm), settings))
    several = len({algorithm for _, (_, algorithm), _ in described}) > 1
    telling = [
        name
        for name in sorted({name for _, _, settings in described for name in settings})
        for kind in {kind for _, kind, _ in described}
        if len({str(settings.get(name)) for _, other, settings in described if other == kind}) > 1
    ]
    groups: dict[str, list[Path]] = {}
    for run, (env_id, algorithm), settings in described:
        what = [env_id, *([algorithm] if several else [])]
        label = ", ".join([*what, *(f"{name} {settings[name]}" for name in dict.fromkeys(telling) if name in settings)])
        groups.setdefault(label, []).append(run)
    return groups


def seeds_band(curves: Sequence[Curve], *, points: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps, mean and standard deviation over the curves, where all of them are known."""
    first = max(steps[0] for steps, _ in curves)
    last = min(steps[-1] for steps, _ in curves)
    grid = np.linspace(first, last, points)
    values = np.stack([np.interp(grid, steps, returns) for steps, returns in curves])
    return grid, values.mean(0), values.std(0)


def plot_curves(
    groups: Mapping[str, Sequence[Curve]],
    path: Path,
    *,
    title: str = "",
    ylabel: str = "mean return of the last 100 episodes",
    over: Over = "steps",
) -> None:
    """Draw one line a group to a PNG, with a band of one standard deviation where the group has several seeds.

    Args:
        groups: the curves of each line, by its label.
        path: the file to write.
        title: above the picture.
        ylabel: what the returns are.
        over: what the curves run along.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for label, group in groups.items():
        curves = [curve for curve in group if len(curve[0])]
        if not curves:
            continue
        if len(curves) == 1:
            axes.plot(*curves[0], label=label)
        else:
            steps, mean, deviation = seeds_band(curves)
            (line,) = axes.plot(steps, mean, label=f"{label} ({len(curves)} seeds)")
            axes.fill_between(steps, mean - deviation, mean + deviation, color=line.get_color(), alpha=0.2, lw=0)
    axes.set_xlabel(AXES[over])
    axes.set_ylabel(ylabel)
    axes.set_title(title)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    figure.savefig(path, dpi=120)
