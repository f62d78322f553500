"""Tables, machine descriptions and plots of benchmark results."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastvec.bench.measure import Result
from fastvec.vector.cores import usable_cores

__all__ = ["describe_machine", "plot", "short", "table"]


def describe_machine() -> dict[str, Any]:
    """The machine and the versions that results belong to."""
    versions = {}
    for package in ("fastvec", "gymnasium", "numpy", "envpool", "stable-baselines3", "torch"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(results: Sequence[Result], width: int | None = None) -> str:
    """Steps per second of each peer and fastvec's ratio to it: a row per env and number of envs.

    Args:
        results: of :func:`fastvec.bench.measure.measure`.
        width: where the rows are wider than this, peers stand below each other in place of beside.
    """
    names = list(dict.fromkeys(result.peer for result in results))
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for result in results:
        rows.setdefault((result.env_id, result.num_envs), {})[result.peer] = result.steps_per_second
    lines = [["env", "num_envs", *names]]
    for (env_id, num_envs), rates in rows.items():
        cells = [" ".join(filter(None, _cells(rates, name))) if name in rates else "-" for name in names]
        lines.append([env_id, str(num_envs), *cells])
    beside = _aligned(lines, left=1)
    if width is None or max(map(len, beside)) <= width:
        return "\n".join(beside)
    blocks = []
    for (env_id, num_envs), rates in rows.items():
        below = _aligned([["  " + name, *_cells(rates, name)] for name in rates], left=1)
        blocks += [f"{env_id}, {num_envs} env{'s' if num_envs > 1 else ''}", *below]
    return "\n".join(blocks)


def _cells(rates: dict[str, float], name: str) -> tuple[str, str]:
    """A peer's steps per second, and in brackets how many times as many fastvec makes."""
    own, rate = rates.get("fastvec"), rates[name]
    if name == "fastvec" or own is None:
        return short(rate), ""
    ratio = own / rate
    return short(rate), f"({ratio:.2f}x)" if ratio < 10 else f"({ratio:.0f}x)"


def _aligned(lines: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """Lines of cells as columns, the first ``left`` of which begin at the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def short(rate: float) -> str:
    """Three digits or so, and k, M or G."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rate >= 0.9995 * size:  # else three digits would be rounded to four
            scaled = rate / size
            return f"{scaled:.0f}{suffix}" if scaled >= 99.95 else f"{scaled:.1f}{suffix}"
    return f"{rate:.0f}"


def plot(results: Sequence[Result], path: str) -> None:
    """Steps per second over the number of envs, one panel per env, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    env_ids = list(dict.fromkeys(result.env_id for result in results))
    figure, axes = pyplot.subplots(1, len(env_ids), figsize=(5 * len(env_ids), 4), squeeze=False)
    for axis, env_id in zip(axes[0], env_ids, strict=True):
        for name in dict.fromkeys(result.peer for result in results):
            points = [(r.num_envs, r.steps_per_second) for r in results if r.env_id == env_id and r.peer == name]
            if points:
                style = {"linestyle": "--", "color": "grey"} if name == "bare C++ loop" else {"marker": "o"}
                axis.plot(*zip(*points, strict=True), label=name, **style)
        axis.set(title=env_id, xlabel="envs", ylabel="env steps per second", xscale="log", yscale="log")
        axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
