"""The pictures of env steps per second of training: on a CPU, and on a GPU."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from figures.drawing import COLORS, WIDTH, Numbers, Picture, bars, heading, logarithmic, rounded, small_print
from figures.results import Results, describe

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
    rates = {name: rounded(content["medians"][name]) for name in _TRAINING if name in content["medians"]}
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
        "steps_per_second": {name: rounded(rows[name]) for name in _GPU if name in rows},
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
    colors = {name: COLORS["fastvec" if names[name].startswith("fastvec") else "stable-baselines3"] for name in rates}
    bars(axes, rates, names, colors)
    if scale == "log":
        logarithmic(axes.xaxis)
    else:
        axes.locator_params(axis="x", nbins=5)
    heading(figure, title)
    small_print(figure, note)
    return figure


TRAINING = Picture("Env steps per second of training PPO", ["train"], _training_numbers, _draw_training)
TRAINING_GPU = Picture("Env steps per second of training PPO on a GPU", ["gpu"], _gpu_numbers, _draw_gpu)
