"""``fastvec eval``: play episodes with what a run has learned."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from fastvec.cli.dataclass_flags import add_flags
from fastvec.cli.run_arguments import File, Plugins, Run, load_plugins, read_flags, status_of
from fastvec.terminal import say

__all__ = ["main", "make_parser"]


@dataclass(frozen=True, kw_only=True)
class EvalFlags:
    """Play whole episodes with a trained policy."""

    run: Run
    """Run directory, or a checkpoint in it (such as RUN/best.pt)."""
    plugin: Plugins = ()
    """Load this env library first; may be given several times."""
    episodes: int = 100
    """Episodes to play."""
    seed: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Seed of the environments; by default one that training did not use."""
    max_episode_steps: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Count an episode that goes on for so many steps as it stands; by default what the run was told (20,000)."""
    stochastic: tyro.conf.FlagCreatePairsOff[bool] = False
    """Draw actions as in training instead of taking the likeliest."""
    device: str = "auto"
    """Where the network runs, whatever the run was trained on: "cpu", "cuda" or "auto"."""
    trust: tyro.conf.FlagCreatePairsOff[bool] = False
    """Read a checkpoint of format 3, which runs what is in it."""
    video: File = None
    """Also film an episode to this .gif or .mp4 file (which needs imageio-ffmpeg)."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print one machine-readable line at the end."""


def make_parser() -> argparse.ArgumentParser:
    """The arguments of ``fastvec eval``."""
    parser = argparse.ArgumentParser(prog="fastvec eval")
    add_flags(parser, EvalFlags)
    return parser


def main(argv: list[str]) -> int:
    """``fastvec eval RUN [flags]``; returns the exit status."""
    flags = read_flags(EvalFlags, argv, command="eval")
    return status_of("eval", lambda: _evaluate(flags))


def _evaluate(flags: EvalFlags) -> None:
    print("loading PyTorch", file=sys.stderr, flush=True)
    from fastvec.train.run.trained import evaluate_trained

    load_plugins(flags.plugin)
    summary = evaluate_trained(
        flags.run,
        episodes=flags.episodes,
        device=flags.device,
        seed=flags.seed,
        deterministic=not flags.stochastic,
        video=flags.video,
        max_episode_steps=flags.max_episode_steps,
        trust=flags.trust,
    )
    if flags.json:
        print(json.dumps(summary))
        return
    mean, deviation = summary["mean_return"], summary["std_return"]
    say(f"{summary['env_id']}: {mean:.2f} +- {deviation:.2f} over {flags.episodes} episodes")
    if summary["cut"]:
        say(f"{summary['cut']} of them were cut short: they went on after --max-episode-steps")
    if flags.video is not None:
        say(f"video {flags.video}")
