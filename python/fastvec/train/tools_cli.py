"""``fastvec eval``, ``plot`` and ``export``: what one does with a run after training."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from fastvec.train.config import read_config


@dataclass(frozen=True, kw_only=True)
class EvalFlags:
    """Play whole episodes with a trained policy."""

    run: tyro.conf.Positional[Path]
    """Run directory or checkpoint."""
    episodes: int = 100
    """Episodes to play."""
    seed: int | None = None
    """Seed of the environments; by default one that training did not use."""
    stochastic: tyro.conf.FlagCreatePairsOff[bool] = False
    """Draw actions as in training instead of taking the likeliest."""
    video: Path | None = None
    """Also film one episode to this .gif or .mp4 file."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print one machine-readable line at the end."""


@dataclass(frozen=True, kw_only=True)
class PlotFlags:
    """Draw the learning curves of runs; runs of one environment with several seeds become a band."""

    runs: tyro.conf.Positional[list[Path]]
    """Run directories."""
    out: Path = Path("learning_curves.png")
    """The picture to write."""


@dataclass(frozen=True, kw_only=True)
class ExportFlags:
    """Write a trained policy, normaliser included, for use without fastvec."""

    run: tyro.conf.Positional[Path]
    """Run directory or checkpoint."""
    format: Literal["torch", "onnx"] = "torch"
    """torch.export's .pt2, or ONNX."""
    out: Path | None = None
    """The file to write; by default policy.pt2 or policy.onnx in the run directory."""


def eval_main(argv: list[str]) -> int:
    """``fastvec eval RUN [flags]``."""
    flags = tyro.cli(EvalFlags, args=argv, prog="fastvec eval")
    return _explain("eval", lambda: _evaluate(flags))


def plot_main(argv: list[str]) -> int:
    """``fastvec plot RUN... [flags]``."""
    flags = tyro.cli(PlotFlags, args=argv, prog="fastvec plot")
    return _explain("plot", lambda: _plot(flags))


def export_main(argv: list[str]) -> int:
    """``fastvec export RUN [flags]``."""
    flags = tyro.cli(ExportFlags, args=argv, prog="fastvec export")
    return _explain("export", lambda: _export(flags))


def _evaluate(flags: EvalFlags) -> None:
    print("loading PyTorch", file=sys.stderr, flush=True)
    from fastvec.train.ppo import PPO
    from fastvec.train.video import record_video

    ppo = PPO.load(flags.run)
    try:
        result = ppo.evaluate(flags.episodes, seed=flags.seed, deterministic=not flags.stochastic)
        if flags.video is not None:
            record_video(ppo, flags.video, seed=flags.seed)
    finally:
        ppo.close()
    summary = {
        "env_id": ppo.env_id,
        "episodes": len(result.returns),
        "mean_return": result.mean_return,
        "std_return": result.std_return,
        "mean_length": sum(result.lengths) / len(result.lengths),
        "deterministic": not flags.stochastic,
        "video": None if flags.video is None else str(flags.video),
    }
    if flags.json:
        print(json.dumps(summary))
    else:
        print(f"{ppo.env_id}: {result.mean_return:.2f} +- {result.std_return:.2f} over {flags.episodes} episodes")
        if flags.video is not None:
            print(f"video {flags.video}")


def _plot(flags: PlotFlags) -> None:
    from fastvec.train.plot import plot_curves, read_curve

    groups: dict[str, Any] = {}
    for run in flags.runs:
        groups.setdefault(read_config(run)["env_id"], []).append(read_curve(run))
    plot_curves(groups, flags.out)
    print(f"picture {flags.out}")


def _export(flags: ExportFlags) -> None:
    print("loading PyTorch", file=sys.stderr, flush=True)
    from fastvec.train.ppo import PPO

    suffix = {"torch": "pt2", "onnx": "onnx"}[flags.format]
    directory = flags.run if flags.run.is_dir() else flags.run.parent
    out = flags.out or directory / f"policy.{suffix}"
    ppo = PPO.load(flags.run)
    try:
        ppo.export(out, format=flags.format)
    finally:
        ppo.close()
    print(f"policy {out}")


def _explain(command: str, action: Any) -> int:
    """Run ``action``; what a user can put right becomes one line instead of a traceback."""
    try:
        action()
    except (ValueError, OSError, ImportError) as error:
        print(f"fastvec {command}: {error}", file=sys.stderr)
        return 2
    return 0
