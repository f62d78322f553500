"""``fastvec eval``, ``plot`` and ``export``: what one does with a run after training."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from gymnasium.error import DependencyNotInstalled

Run = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
Plugins = Annotated[tuple[Path, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="PATH")]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]


FEW: dict[str, Any] = {"num_envs": 1, "num_steps": 1, "num_minibatches": 1, "env_groups": None, "compile": False}
"""Settings for a policy that is only used: training's environments, of which there may be thousands, are not made."""


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


@dataclass(frozen=True, kw_only=True)
class PlotFlags:
    """Draw learning curves. Runs that differ in nothing but the seed become one line, their mean, with a band of one
    standard deviation."""

    runs: Annotated[list[Path], tyro.conf.Positional, tyro.conf.arg(metavar="RUN...")]
    """Run directories."""
    evaluations: tyro.conf.FlagCreatePairsOff[bool] = False
    """Draw the greedy evaluations that --eval-every made, in place of training episodes."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("learning_curves.png")
    """The PNG to write."""


@dataclass(frozen=True, kw_only=True)
class ExportFlags:
    """Write a trained policy, normaliser included, for use without fastvec."""

    run: Run
    """Run directory, or a checkpoint in it (such as RUN/best.pt)."""
    plugin: Plugins = ()
    """Load this env library first; may be given several times."""
    format: Literal["torch", "onnx"] = "torch"
    """torch.export's .pt2, or ONNX (which needs onnx, onnxscript and onnxruntime)."""
    out: File = None
    """The file to write; by default policy.pt2 or policy.onnx in the run directory."""


def load_plugins(paths: Sequence[Path]) -> None:
    """Load the env libraries that ``--plugin`` names.

    Raises:
        ValueError: one of them cannot be loaded.
    """
    if not paths:
        return
    from fastvec.cli import arguments as cli_arguments

    try:
        cli_arguments.load_plugins(paths)
    except ImportError as error:
        raise ValueError(str(error)) from error


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
    from fastvec.train.run.video import check_video, record_video

    load_plugins(flags.plugin)
    if flags.episodes < 1:
        raise ValueError(f"expected --episodes to be at least 1, got {flags.episodes}")
    if flags.video is not None:
        check_video(flags.video)
    ppo = PPO.load(flags.run, device=flags.device, **FEW)
    try:
        result = ppo.evaluate(flags.episodes, seed=flags.seed, deterministic=not flags.stochastic)
        if flags.video is not None:
            record_video(ppo, flags.video, seed=flags.seed, deterministic=not flags.stochastic)
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
    from fastvec.train.run.plot import group_runs, plot_curves, read_curve

    if not flags.runs:
        raise ValueError("which runs? Name their directories, as in: fastvec plot runs/*")
    groups = {
        label: [read_curve(run, evaluations=flags.evaluations) for run in runs]
        for label, runs in group_runs(flags.runs).items()
    }
    if not any(len(steps) for curves in groups.values() for steps, _ in curves):
        what = "evaluations (see --eval-every)" if flags.evaluations else "finished episodes"
        raise ValueError(f"nothing to draw: there are no {what} in {', '.join(map(str, flags.runs))}")
    what = "greedy evaluation" if flags.evaluations else "mean return of the last 100 episodes"
    plot_curves(groups, flags.out, ylabel=what)
    print(f"picture {flags.out}")


def _export(flags: ExportFlags) -> None:
    print("loading PyTorch", file=sys.stderr, flush=True)
    from fastvec.train.ppo import PPO

    load_plugins(flags.plugin)
    suffix = {"torch": "pt2", "onnx": "onnx"}[flags.format]
    directory = flags.run if flags.run.is_dir() else flags.run.parent
    out = flags.out or directory / f"policy.{suffix}"
    ppo = PPO.load(flags.run, device="cpu", **FEW)
    try:
        ppo.export(out, format=flags.format)
    finally:
        ppo.close()
    print(f"policy {out}, checked against the original")


def _explain(command: str, action: Any) -> int:
    """Run ``action``; what a user can put right becomes one line instead of a traceback."""
    try:
        action()
    except DependencyNotInstalled as error:  # what a renderer of Gymnasium raises
        print(f"fastvec {command}: {error} (or: pip install 'fastvec[render]')", file=sys.stderr)
        return 2
    except (ValueError, OSError, ImportError) as error:
        print(f"fastvec {command}: {error}", file=sys.stderr)
        return 2
    return 0
