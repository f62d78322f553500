"""``fastvec plot``: draw the learning curves of runs."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fastvec.cli.dataclass_flags import add_flags
from fastvec.cli.run_arguments import read_flags, status_of
from fastvec.train.run.plot import Over, group_runs, plot_curves, read_curve

__all__ = ["main", "make_parser"]


@dataclass(frozen=True, kw_only=True)
class PlotFlags:
    """Draw learning curves.

    Runs that differ in nothing but the seed become one line, their mean, with a band of one standard deviation.
    """

    runs: Annotated[list[Path], tyro.conf.Positional, tyro.conf.arg(metavar="RUN...")]
    """Run directories."""
    evaluations: tyro.conf.FlagCreatePairsOff[bool] = False
    """Draw the greedy evaluations that --eval-every made, in place of training episodes."""
    over: Over = "steps"
    """What the curves run along: environment "steps", or "time", the wall clock."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("learning_curves.png")
    """The PNG to write."""


def make_parser() -> argparse.ArgumentParser:
    """The arguments of ``fastvec plot``."""
    parser = argparse.ArgumentParser(prog="fastvec plot")
    add_flags(parser, PlotFlags)
    return parser


def main(argv: list[str]) -> int:
    """``fastvec plot RUN... [flags]``; returns the exit status."""
    flags = read_flags(PlotFlags, argv, command="plot")
    return status_of("plot", lambda: _plot(flags))


def _plot(flags: PlotFlags) -> None:
    if not flags.runs:
        raise ValueError("which runs? Name their directories, as in: fastvec plot runs/*")
    groups = {
        label: [read_curve(run, evaluations=flags.evaluations, over=flags.over) for run in runs]
        for label, runs in group_runs(flags.runs).items()
    }
    if not any(len(steps) for curves in groups.values() for steps, _ in curves):
        what = "evaluations (see --eval-every)" if flags.evaluations else "finished episodes"
        raise ValueError(f"nothing to draw: there are no {what} in {', '.join(map(str, flags.runs))}")
    what = "greedy evaluation" if flags.evaluations else "mean return of the last 100 episodes"
    plot_curves(groups, flags.out, ylabel=what, over=flags.over)
    print(f"picture {flags.out}")
