"""What all pictures are drawn with: sizes, colours, parts, and the SVG of a figure.

A picture is drawn from its numbers alone, which are also written into it. Grey text on a transparent ground can be
read on light and dark pages; text is drawn as shapes, so that it looks the same everywhere.
"""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from fastvec.bench.report import short
from figures.results import Results

Numbers = dict[str, Any]

WIDTH = 8.65
"""Inches: as wide as a README is shown."""

GREY = "#7d828b"  # as far from white as from a dark page
COLORS = {
    "fastvec": "#4f6bed",
    "gymnasium vector": "#a267c9",
    "envpool": "#159a8c",
    "gymnasium sync": "#d9822b",
    "gymnasium async": "#c2567a",
    "bare C++ loop": GREY,
    "stable-baselines3": "#d9822b",
    "ppo": "#4f6bed",
    "pqn": "#159a8c",
    "sac": "#d9822b",
}
_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "axes.titlecolor": GREY,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "svg.fonttype": "path",
    "svg.hashsalt": "fastvec",
}
_SMALL = 9
SHORT = FuncFormatter(lambda value, _: short(value).replace(".0", ""))


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


def rounded(value: float) -> float:
    """Six digits: more than a picture shows."""
    return float(f"{value:.6g}")


def bars(axes: Axes, rates: Mapping[str, float | None], names: Mapping[str, str], colors: Mapping[str, str]) -> None:
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
            fontweight="bold" if colors[name] == COLORS["fastvec"] else None,
            color=colors[name],
        )
    axes.set_yticks(range(len(rates)), [names[name] for name in rates])
    axes.set_ylim(len(rates) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(SHORT)


def logarithmic(axis: Any, *, every: int = 1) -> None:
    """A tick for each power of ten, or for each ``every``-th."""
    axis.set_major_locator(LogLocator(10.0**every))
    axis.set_minor_formatter(NullFormatter())


def small_print(figure: Figure, text: str) -> None:
    """What is to be known beside the picture, at its lower right."""
    figure.text(0.995, 0.006, text, ha="right", va="bottom", fontsize=_SMALL)


def heading(figure: Figure, text: str) -> None:
    """The figure's title, at its upper left."""
    height = figure.get_size_inches()[1]
    figure.suptitle(text, x=0.02, y=1 - 0.1 / height, ha="left", va="top", fontsize=16, fontweight="bold")
