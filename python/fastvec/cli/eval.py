"""``fastvec eval``: play episodes with what a run has learned."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated

import tyro

from fastvec.cli.run_arguments import File, Plugins, Run, load_plugins, status_of

__all__ = ["main"]


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
    stochastic: tyro.conf.FlagCreatePairsOff[bool] = False
    """Draw actions as in training instead of taking the likeliest."""
    device: str = "auto"
    """Where the network runs, whatever the run was trained on: "cpu", "cuda" or "auto"."""
    video: File = None
    """Also film an episode to this .gif or .mp4 file (which needs imageio-ffmpeg)."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print one machine-readable line at the end."""


def main(argv: list[str]) -> int:
    """``fastvec eval RUN [flags]``; returns the exit status."""
    flags = tyro.cli(EvalFlags, args=argv, prog="fastvec eval")
    return status_of("eval", lambda: _evaluate(flags))


def _evaluate(flags: EvalFlags) -> None:
    print("loading PyTorch", file=sys.stderr, flush=True)
    from fastvec.train.run.trained import load_trained
    from fastvec.train.run.video import check_video, record_video

    load_plugins(flags.plugin)
    if flags.episodes < 1:
        raise ValueError(f"expected --episodes to be at least 1, got {flags.episodes}")
    if flags.video is not None:
        check_video(flags.video)
    trainer = load_trained(flags.run, device=flags.device)
    deterministic = not flags.stochastic
    try:
        result = trainer.evaluate(flags.episodes, seed=flags.seed, deterministic=deterministic)
        if flags.video is not None:
            with closing(trainer.make_evaluation_envs(1, render_mode="rgb_array")) as envs:
                record_video(trainer.evaluate, envs, flags.video, seed=flags.seed, deterministic=deterministic)
    finally:
        trainer.close()
    summary = {
        "env_id": trainer.env_id,
        "episodes": len(result.returns),
        "mean_return": result.mean_return,
        "std_return": result.std_return,
        "mean_length": sum(result.lengths) / len(result.lengths),
        "deterministic": deterministic,
        "video": None if flags.video is None else str(flags.video),
    }
    if flags.json:
        print(json.dumps(summary))
    else:
        print(f"{trainer.env_id}: {result.mean_return:.2f} +- {result.std_return:.2f} over {flags.episodes} episodes")
        if flags.video is not None:
            print(f"video {flags.video}")
