"""The pictures of env steps per second: fastvec beside its peers, and over the number of envs."""

from __future__ import annotations

from matplotlib.figure import Figure

from figures.drawing import COLORS, SHORT, WIDTH, Numbers, Picture, bars, logarithmic, rounded, small_print
from figures.results import NAMES, Results, describe, processor

_STEP_ENVS = 64
_STEP_PEERS = ("fastvec", "gymnasium vector", "envpool", "gymnasium sync", "gymnasium async")


def _step_numbers(results: Results) -> Numbers:
    content = results["step"]
    rates: dict[str, dict[str, float | None]] = {}
    for row in content["results"]:
        if row["num_envs"] == _STEP_ENVS and row["peer"] in _STEP_PEERS:
            env = rates.setdefault(row["env_id"], dict.fromkeys(_STEP_PEERS))
            env[row["peer"]] = rounded(row["steps_per_second"])
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
        bars(axes, peers, NAMES, COLORS)
        logarithmic(axes.xaxis, every=2)
        axes.set_gid(f"axes {env_id}")
    figure.suptitle(
        f"Env steps per second, {numbers['num_envs']} envs", x=0.02, ha="left", fontsize=16, fontweight="bold"
    )
    small_print(figure, f"logarithmic scale; {numbers['machine']}")
    return figure


_SCALING_ENV = "CartPole-v1"
_SCALING_PEERS = ("fastvec", "bare C++ loop", *_STEP_PEERS[1:])


def _scaling_numbers(results: Results) -> Numbers:
    content = results["step"]
    lines: dict[str, list[list[float]]] = {peer: [] for peer in _SCALING_PEERS}
    for row in content["results"]:
        if row["env_id"] == _SCALING_ENV and row["peer"] in lines:
            lines[row["peer"]].append([row["num_envs"], rounded(row["steps_per_second"])])
    # One picture, one machine: what another one measured is left out.
    scale = results["scale"]
    if processor(scale["machine"]) == processor(content["machine"]):
        most = max(num_envs for num_envs, _ in lines["fastvec"])
        for row in scale["results"]:
            if row["num_envs"] > most:
                lines["fastvec"].append([row["num_envs"], rounded(1e9 / row["nanoseconds_per_env_step"])])
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
            color=COLORS[name],
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
            color=COLORS[name],
            fontweight="bold" if is_own else None,
        )
    axes.set(xscale="log", yscale="log", xlim=(0.8, 1.5e6), ylim=(2e3, 4e8), xlabel="envs in the vector")
    logarithmic(axes.xaxis)
    logarithmic(axes.yaxis)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(SHORT)
    axes.grid()
    figure.suptitle(f"Env steps per second, {numbers['env_id']}", x=0.02, ha="left", fontsize=16, fontweight="bold")
    small_print(figure, f"both scales logarithmic; {numbers['machine']}")
    return figure


STEP = Picture("Env steps per second of fastvec and its peers", ["step"], _step_numbers, _draw_step)
SCALING = Picture("Env steps per second over the number of envs", ["step", "scale"], _scaling_numbers, _draw_scaling)
