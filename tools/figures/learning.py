"""The pictures of learning: curves of the mean return, and what it takes to reach one."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fastvec.bench.report import short
from figures.drawing import COLORS, GREY, SHORT, WIDTH, Numbers, Picture, heading, logarithmic, rounded, small_print
from figures.results import Results, describe

_POINTS = 60
_ALGORITHMS = {"ppo": "PPO", "pqn": "PQN", "sac": "SAC"}


def _band(curves: Sequence[Sequence[Sequence[float]]]) -> dict[str, list[float]]:
    """Mean, least and most over the seeds. A run that ended, since it was there, counts on with its last value."""
    first, last = (pick(curve[at][0] for curve in curves) for pick, at in ((max, 0), (max, -1)))
    grid = np.linspace(first, last, _POINTS)
    values = np.stack([np.interp(grid, *list(zip(*curve, strict=True))[::2]) for curve in curves])
    parts = {"along": grid, "mean": values.mean(0), "least": values.min(0), "most": values.max(0)}
    return {name: [rounded(value) for value in part] for name, part in parts.items()}


def _learning_numbers(results: Results) -> Numbers:
    content = results["choosing"]
    envs: dict[str, Any] = {}
    highest: dict[str, float] = {}
    for row in content["rows"]:
        highest[row["env_id"]] = max(row["return"], highest.get(row["env_id"], row["return"]))
    for row in content["rows"]:
        curves = [run["curve"] for run in row["runs"] if run["curve"]]
        if curves and row["return"] == highest[row["env_id"]]:
            env = envs.setdefault(row["env_id"], {"return": row["return"], "algorithms": {}})
            env["algorithms"][row["algo"]] = {"seeds": len(curves), **_band(curves)}
    return {"machine": describe(content["machine"], "fastvec", "torch"), "envs": envs}


def _draw_learning(numbers: Numbers) -> Figure:
    envs = numbers["envs"]
    lines = -(-len(envs) // 2)
    figure = Figure(figsize=(WIDTH, 0.9 + 2.75 * lines))
    height = figure.get_size_inches()[1]
    all_axes = figure.subplots(lines, 2, squeeze=False)
    figure.subplots_adjust(left=0.085, right=0.98, top=1 - 0.95 / height, bottom=0.8 / height, wspace=0.2, hspace=0.52)
    for axes, (env_id, env) in zip(all_axes.flat, envs.items(), strict=False):
        axes.set_title(env_id, loc="left")
        axes.axhline(env["return"], color=GREY, linestyle=":", linewidth=1.5)
        for name, curve in env["algorithms"].items():
            axes.fill_between(curve["along"], curve["least"], curve["most"], color=COLORS[name], alpha=0.25, lw=0)
            axes.plot(curve["along"], curve["mean"], color=COLORS[name], lw=2.5, gid=f"line {env_id} {name}")
            axes.plot(curve["along"][-1], curve["mean"][-1], "o", color=COLORS[name], markersize=7)
        axes.set_xlim(left=0)
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(SHORT)
        axes.grid()
    for axes in all_axes.flat[len(envs) :]:
        axes.set_visible(False)
    for axes in all_axes[-1]:
        axes.set_xlabel("environment steps")
    heading(figure, "Learning curves: mean return")
    shown = [name for name in _ALGORITHMS if any(name in env["algorithms"] for env in envs.values())]
    for at, name in enumerate(reversed(shown)):
        figure.text(
            0.98 - 0.085 * at, 1 - 0.12 / height, _ALGORITHMS[name],
            ha="right", va="top", color=COLORS[name], fontsize=15, fontweight="bold",
        )  # fmt: skip
    seeds = max(line["seeds"] for env in envs.values() for line in env["algorithms"].values())
    small_print(figure, f"mean, least and most of {seeds} seeds; dotted: where a run ends; {numbers['machine']}")
    return figure


def _choosing_numbers(results: Results) -> Numbers:
    content = results["choosing"]
    rows = []
    for row in content["rows"]:
        there = [run for run in row["runs"] if run["reached"]]
        taken = {what: [rounded(run[what]) for run in there] for what in ("steps", "seconds")}
        rows.append({"env_id": row["env_id"], "return": row["return"], "algo": row["algo"], **taken})
    return {"machine": describe(content["machine"], "fastvec", "torch"), "rows": rows}


def _draw_choosing(numbers: Numbers) -> Figure:
    rows = [row for row in numbers["rows"] if row["steps"]]
    figure = Figure(figsize=(WIDTH, 1.6 + 0.44 * len(rows)))
    height = figure.get_size_inches()[1]
    both = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.345, right=0.97, top=1 - 0.95 / height, bottom=0.65 / height, wspace=0.08)
    for axes, what in zip(both, ("steps", "seconds"), strict=True):
        axes.set_title(what, loc="left")
        axes.set_xscale("log")
        for at, row in enumerate(rows):
            color = COLORS[row["algo"]]
            axes.plot(row[what], [at] * len(row[what]), "o", color=color, markersize=9, alpha=0.65, mew=0)
            axes.annotate(
                short(statistics.median(row[what])), (max(row[what]), at),
                xytext=(11, 0), textcoords="offset points", va="center", color=color, fontweight="bold",
            )  # fmt: skip
        most, least = (pick(value for row in rows for value in row[what]) for pick in (max, min))
        axes.set_xlim(least / 2, most * 6)
        for at in range(1, len(rows)):
            if rows[at]["env_id"] != rows[at - 1]["env_id"]:
                axes.axhline(at - 0.5, color=GREY, alpha=0.4, linewidth=0.8)
        logarithmic(axes.xaxis)
        axes.xaxis.set_major_formatter(SHORT)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
    goals = Counter(env_id for env_id, _ in {(row["env_id"], row["return"]) for row in rows})
    names = [row["env_id"] + (f" {row['return']:g}" if goals[row["env_id"]] > 1 else "") for row in rows]
    labels = [f"{name}, {_ALGORITHMS[row['algo']]}" for name, row in zip(names, rows, strict=True)]
    both[0].set_yticks(range(len(rows)), labels)
    both[0].set_ylim(len(rows) - 0.5, -0.5)
    heading(figure, "Until a return is reached")
    note = "dots: seeds, of which the first compile; figures: medians; logarithmic"
    small_print(figure, f"{note}; {numbers['machine']}")
    return figure


LEARNING = Picture("Mean return over environment steps", ["choosing"], _learning_numbers, _draw_learning)
CHOOSING = Picture("Steps and seconds to a return", ["choosing"], _choosing_numbers, _draw_choosing)
