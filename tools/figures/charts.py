"""The pictures: for each, the numbers that it shows and how they are drawn.

A picture is drawn from its numbers alone, which are also written into it. Grey text on a transparent ground can be
read on light and dark pages; text is drawn as shapes, so that it looks the same everywhere.
"""

from __future__ import annotations

import html
import io
import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from figures.results import NAMES, Results, describe, processor, short

Numbers = dict[str, Any]

WIDTH = 8.65
"""Inches: as wide as a README is shown."""

_GREY = "#7d828b"  # as far from white as from a dark page
_COLORS = {
    "fastvec": "#4f6bed",
    "gymnasium vector": "#a267c9",
    "envpool": "#159a8c",
    "gymnasium sync": "#d9822b",
    "gymnasium async": "#c2567a",
    "bare C++ loop": _GREY,
    "stable-baselines3": "#d9822b",
    "ppo": "#4f6bed",
    "pqn": "#159a8c",
    "sac": "#d9822b",
}
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "text.color": _GREY,
    "axes.labelcolor": _GREY,
    "axes.edgecolor": _GREY,
    "axes.titlecolor": _GREY,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "grid.color": _GREY,
    "grid.alpha": 0.25,
    "svg.fonttype": "path",
    "svg.hashsalt": "fastvec",
}
_SMALL = 9
_SHORT = FuncFormatter(lambda value, _: short(value).replace(".0", ""))


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        title: what it shows, for those who cannot see it.
        needs: the results that it is drawn from.
        numbers: what is shown, from the results.
        draw: the figure of these numbers.
    """

    title: str
    needs: Sequence[str]
    numbers: Callable[[Results], Numbers]
    draw: Callable[[Numbers], Figure]


def render(picture: Picture, results: Results) -> bytes:
    """The SVG, the same bytes for the same numbers."""
    numbers = picture.numbers(results)
    out = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure = picture.draw(numbers)
        FigureCanvasSVG(figure)
        description = json.dumps(numbers, separators=(",", ":"))
        metadata = {"Title": picture.title, "Description": description, "Date": None, "Creator": "tools/pictures.py"}
        figure.savefig(out, format="svg", transparent=True, metadata=metadata)
    return b"\n".join(line.rstrip() for line in out.getvalue().splitlines()) + b"\n"


def numbers_in(svg: str) -> Numbers | None:
    """The numbers that a picture was drawn from."""
    found = re.search(r"<dc:description>(.*?)</dc:description>", svg, re.DOTALL)
    return None if found is None else json.loads(html.unescape(found[1]))


def _rounded(value: float) -> float:
    """Six digits: more than a picture shows."""
    return float(f"{value:.6g}")


# -- parts ----------------------------------------------------------------------------------------------------


def _bars(axes: Axes, rates: Mapping[str, float | None], names: Mapping[str, str], colors: Mapping[str, str]) -> None:
    """Horizontal bars from the top down, with their numbers beside them; a dash where there is none."""
    for at, (name, rate) in enumerate(rates.items()):
        if rate is not None:
            axes.barh(at, rate, color=colors[name], height=0.72, gid=f"bar {name}")
        axes.annotate(
            "-" if rate is None else short(rate),
            (axes.get_xlim()[0] if rate is None else rate, at),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontweight="bold" if colors[name] == _COLORS["fastvec"] else None,
            color=colors[name],
        )
    axes.set_yticks(range(len(rates)), [names[name] for name in rates])
    axes.set_ylim(len(rates) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(_SHORT)


def _logarithmic(axis: Any, *, every: int = 1) -> None:
    axis.set_major_locator(LogLocator(10.0**every))
    axis.set_minor_formatter(NullFormatter())


def _small_print(figure: Figure, text: str) -> None:
    figure.text(0.995, 0.006, text, ha="right", va="bottom", fontsize=_SMALL)


# -- stepping -------------------------------------------------------------------------------------------------

_STEP_ENVS = 64
_STEP_PEERS = ("fastvec", "gymnasium vector", "envpool", "gymnasium sync", "gymnasium async")


def _step_numbers(results: Results) -> Numbers:
    content = results["step"]
    rates: dict[str, dict[str, float | None]] = {}
    for row in content["results"]:
        if row["num_envs"] == _STEP_ENVS and row["peer"] in _STEP_PEERS:
            env = rates.setdefault(row["env_id"], dict.fromkeys(_STEP_PEERS))
            env[row["peer"]] = _rounded(row["steps_per_second"])
    return {
        "machine": describe(content["machine"], "fastvec", "gymnasium", "envpool"),
        "num_envs": _STEP_ENVS,
        "steps_per_second": rates,
    }


def _draw_step(numbers: Numbers) -> Figure:
    rates = numbers["steps_per_second"]
    figure = Figure(figsize=(WIDTH, 5.7))
    all_axes = figure.subplots(2, 2, sharex=True, sharey=True)
    figure.subplots_adjust(left=0.235, right=0.945, top=0.855, bottom=0.135, wspace=0.18, hspace=0.28)
    for axes, (env_id, peers) in zip(all_axes.flat, rates.items(), strict=True):
        axes.set(xscale="log", xlim=(1e3, 2e8))
        axes.set_title(env_id, loc="left")
        _bars(axes, peers, NAMES, _COLORS)
        _logarithmic(axes.xaxis, every=2)
        axes.set_gid(f"axes {env_id}")
    figure.suptitle(
        f"Env steps per second, {numbers['num_envs']} envs", x=0.02, ha="left", fontsize=16, fontweight="bold"
    )
    _small_print(figure, f"logarithmic scale; {numbers['machine']}")
    return figure


_SCALING_ENV = "CartPole-v1"
_SCALING_PEERS = ("fastvec", "bare C++ loop", *_STEP_PEERS[1:])


def _scaling_numbers(results: Results) -> Numbers:
    content = results["step"]
    lines: dict[str, list[list[float]]] = {peer: [] for peer in _SCALING_PEERS}
    for row in content["results"]:
        if row["env_id"] == _SCALING_ENV and row["peer"] in lines:
            lines[row["peer"]].append([row["num_envs"], _rounded(row["steps_per_second"])])
    # One picture, one machine: what another one measured is left out.
    scale = results["scale"]
    if processor(scale["machine"]) == processor(content["machine"]):
        most = max(num_envs for num_envs, _ in lines["fastvec"])
        for row in scale["results"]:
            if row["num_envs"] > most:
                lines["fastvec"].append([row["num_envs"], _rounded(1e9 / row["nanoseconds_per_env_step"])])
    return {
        "machine": describe(content["machine"], "fastvec", "gymnasium", "envpool"),
        "env_id": _SCALING_ENV,
        "steps_per_second": lines,
    }


def _draw_scaling(numbers: Numbers) -> Figure:
    figure = Figure(figsize=(WIDTH, 5.0))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.095, right=0.985, top=0.88, bottom=0.185)
    for name, points in numbers["steps_per_second"].items():
        along, rates = zip(*points, strict=True)
        is_own, is_bound = name == "fastvec", name == "bare C++ loop"
        axes.plot(
            along,
            rates,
            color=_COLORS[name],
            linewidth=3.5 if is_own else 2,
            linestyle="--" if is_bound else "-",
            marker="o",
            markersize=7 if is_own else 5,
            gid=f"line {name}",
            zorder=3 if is_own else 2,
        )
        axes.annotate(
            NAMES[name],
            points[0] if is_own else points[len(points) // 2] if is_bound else points[-1],
            xytext=(12, -4) if is_own else (0, 10) if is_bound else (10, 0),
            textcoords="offset points",
            va="top" if is_own else "bottom" if is_bound else "center",
            ha="center" if is_bound else "left",
            color=_COLORS[name],
            fontweight="bold" if is_own else None,
        )
    axes.set(xscale="log", yscale="log", xlim=(0.8, 1.5e6), ylim=(2e3, 4e8), xlabel="envs in the vector")
    _logarithmic(axes.xaxis)
    _logarithmic(axes.yaxis)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(_SHORT)
    axes.grid()
    figure.suptitle(f"Env steps per second, {numbers['env_id']}", x=0.02, ha="left", fontsize=16, fontweight="bold")
    _small_print(figure, f"both scales logarithmic; {numbers['machine']}")
    return figure


# -- training -------------------------------------------------------------------------------------------------

_TRAINING = {
    "fastvec throughput": "fastvec, --preset throughput",
    "fastvec same": "fastvec, SB3's settings",
    "sb3 same, 1 threads": "Stable-Baselines3, 1 thread",
    "sb3 same, 2 threads": "Stable-Baselines3, 2 threads",
}
_GPU = {
    "cartpole-65536-compiled": "fastvec, 65,536 envs",
    "cartpole-8192-compiled": "fastvec, 8,192 envs",
    "cartpole-1024-compiled": "fastvec, 1,024 envs",
    "same-compiled": "fastvec, 64 envs",
    "sb3-cpu": "Stable-Baselines3, 64 envs (on the CPU)",
}


def _training_numbers(results: Results) -> Numbers:
    content = results["train"]
    rates = {name: _rounded(content["medians"][name]) for name in _TRAINING if name in content["medians"]}
    return {"machine": describe(content["machine"], "gymnasium", "torch"), "steps_per_second": rates}


def _draw_training(numbers: Numbers) -> Figure:
    return _draw_trainers(
        numbers, _TRAINING, "PPO on CartPole-v1: env steps per second of training", numbers["machine"], scale="linear"
    )


def _gpu_numbers(results: Results) -> Numbers:
    content = results["gpu"]
    rows = {row["name"]: row["result"]["steps_per_second"] for row in content["rows"] if row["result"]}
    return {
        "machine": describe(content["machine"], "stable-baselines3", "torch"),
        "steps_per_second": {name: _rounded(rows[name]) for name in _GPU if name in rows},
    }


def _draw_gpu(numbers: Numbers) -> Figure:
    return _draw_trainers(
        numbers,
        _GPU,
        "PPO on CartPole-v1, on a GPU: env steps per second of training",
        f"logarithmic scale; {numbers['machine']}",
        scale="log",
    )


def _draw_trainers(numbers: Numbers, names: Mapping[str, str], title: str, note: str, *, scale: str) -> Figure:
    rates = numbers["steps_per_second"]
    figure = Figure(figsize=(WIDTH, 1.35 + 0.42 * len(rates)))
    axes = figure.subplots()
    height = figure.get_size_inches()[1]
    longest = max(len(names[name]) for name in rates)
    figure.subplots_adjust(left=0.02 + 0.0125 * longest, right=0.97, top=1 - 0.55 / height, bottom=0.62 / height)
    most = max(rates.values())
    axes.set(xscale=scale, xlim=(0, most * 1.17) if scale == "linear" else (1e3, most * 8))
    colors = {name: _COLORS["fastvec" if names[name].startswith("fastvec") else "stable-baselines3"] for name in rates}
    _bars(axes, rates, names, colors)
    if scale == "log":
        _logarithmic(axes.xaxis)
    else:
        axes.locator_params(axis="x", nbins=5)
    _title(figure, title)
    _small_print(figure, note)
    return figure


# -- learning -------------------------------------------------------------------------------------------------

_POINTS = 60
_ALGORITHMS = {"ppo": "PPO", "pqn": "PQN", "sac": "SAC"}


def _band(curves: Sequence[Sequence[Sequence[float]]]) -> dict[str, list[float]]:
    """Mean, least and most over the seeds. A run that ended, since it was there, counts on with its last value."""
    first, last = (pick(curve[at][0] for curve in curves) for pick, at in ((max, 0), (max, -1)))
    grid = np.linspace(first, last, _POINTS)
    values = np.stack([np.interp(grid, *list(zip(*curve, strict=True))[::2]) for curve in curves])
    parts = {"along": grid, "mean": values.mean(0), "least": values.min(0), "most": values.max(0)}
    return {name: [_rounded(value) for value in part] for name, part in parts.items()}


def _learning_numbers(results: Results) -> Numbers:
    content = results["choosing"]
    envs: dict[str, Any] = {}
    for row in content["rows"]:
        curves = [run["curve"] for run in row["runs"] if run["curve"]]
        if curves:
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
        axes.axhline(env["return"], color=_GREY, linestyle=":", linewidth=1.5)
        for name, curve in env["algorithms"].items():
            axes.fill_between(curve["along"], curve["least"], curve["most"], color=_COLORS[name], alpha=0.25, lw=0)
            axes.plot(curve["along"], curve["mean"], color=_COLORS[name], lw=2.5, gid=f"line {env_id} {name}")
            axes.plot(curve["along"][-1], curve["mean"][-1], "o", color=_COLORS[name], markersize=7)
        axes.set_xlim(left=0)
        axes.locator_params(axis="x", nbins=5)
        axes.xaxis.set_major_formatter(_SHORT)
        axes.grid()
    for axes in all_axes.flat[len(envs) :]:
        axes.set_visible(False)
    for axes in all_axes[-1]:
        axes.set_xlabel("environment steps")
    _title(figure, "Learning curves: mean return")
    shown = [name for name in _ALGORITHMS if any(name in env["algorithms"] for env in envs.values())]
    for at, name in enumerate(reversed(shown)):
        figure.text(
            0.98 - 0.085 * at, 1 - 0.12 / height, _ALGORITHMS[name],
            ha="right", va="top", color=_COLORS[name], fontsize=15, fontweight="bold",
        )  # fmt: skip
    seeds = max(line["seeds"] for env in envs.values() for line in env["algorithms"].values())
    _small_print(figure, f"mean, least and most of {seeds} seeds; dotted: where a run ends; {numbers['machine']}")
    return figure


def _choosing_numbers(results: Results) -> Numbers:
    content = results["choosing"]
    rows = []
    for row in content["rows"]:
        there = [run for run in row["runs"] if run["reached"]]
        taken = {what: [_rounded(run[what]) for run in there] for what in ("steps", "seconds")}
        rows.append({"env_id": row["env_id"], "return": row["return"], "algo": row["algo"], **taken})
    return {"machine": describe(content["machine"], "fastvec", "torch"), "rows": rows}


def _draw_choosing(numbers: Numbers) -> Figure:
    rows = [row for row in numbers["rows"] if row["steps"]]
    figure = Figure(figsize=(WIDTH, 1.6 + 0.44 * len(rows)))
    height = figure.get_size_inches()[1]
    both = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.29, right=0.97, top=1 - 0.95 / height, bottom=0.65 / height, wspace=0.08)
    for axes, what in zip(both, ("steps", "seconds"), strict=True):
        axes.set_title(what, loc="left")
        axes.set_xscale("log")
        for at, row in enumerate(rows):
            color = _COLORS[row["algo"]]
            axes.plot(row[what], [at] * len(row[what]), "o", color=color, markersize=9, alpha=0.65, mew=0)
            axes.annotate(
                short(statistics.median(row[what])), (max(row[what]), at),
                xytext=(11, 0), textcoords="offset points", va="center", color=color, fontweight="bold",
            )  # fmt: skip
        most, least = (pick(value for row in rows for value in row[what]) for pick in (max, min))
        axes.set_xlim(least / 2, most * 6)
        for at in range(1, len(rows)):
            if rows[at]["env_id"] != rows[at - 1]["env_id"]:
                axes.axhline(at - 0.5, color=_GREY, alpha=0.4, linewidth=0.8)
        _logarithmic(axes.xaxis)
        axes.xaxis.set_major_formatter(_SHORT)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
    both[0].set_yticks(range(len(rows)), [f"{row['env_id']}, {_ALGORITHMS[row['algo']]}" for row in rows])
    both[0].set_ylim(len(rows) - 0.5, -0.5)
    _title(figure, "Until a return is reached")
    note = "dots: seeds, of which the first compile; figures: medians; logarithmic"
    _small_print(figure, f"{note}; {numbers['machine']}")
    return figure


def _title(figure: Figure, text: str) -> None:
    height = figure.get_size_inches()[1]
    figure.suptitle(text, x=0.02, y=1 - 0.1 / height, ha="left", va="top", fontsize=16, fontweight="bold")


PICTURES = {
    "step": Picture("Env steps per second of fastvec and its peers", ["step"], _step_numbers, _draw_step),
    "scaling": Picture(
        "Env steps per second over the number of envs", ["step", "scale"], _scaling_numbers, _draw_scaling
    ),
    "training": Picture("Env steps per second of training PPO", ["train"], _training_numbers, _draw_training),
    "training_gpu": Picture("Env steps per second of training PPO on a GPU", ["gpu"], _gpu_numbers, _draw_gpu),
    "learning": Picture("Mean return over environment steps", ["choosing"], _learning_numbers, _draw_learning),
    "choosing": Picture("Steps and seconds to a return", ["choosing"], _choosing_numbers, _draw_choosing),
}
