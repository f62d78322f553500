"""``fastvec export``: write a run's policy for use without fastvec."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

import tyro

from fastvec.cli.run_arguments import File, Plugins, Run, load_plugins, status_of

__all__ = ["main"]

SUFFIXES = {"torch": "pt2", "onnx": "onnx"}


@dataclass(frozen=True, kw_only=True)
class ExportFlags:
    """Write a trained policy, normaliser included, for use without fastvec."""

    run: Run
    """Run directory, or a checkpoint in it (such as RUN/best.pt)."""
    plugin: Plugins = ()
    """Load this env library first; may be given several times."""
    format: Literal["torch", "onnx"] = "torch"
    """torch.export's .pt2, or ONNX (which needs onnx, onnxscript and onnxruntime)."""
    trust: tyro.conf.FlagCreatePairsOff[bool] = False
    """Read a checkpoint of format 3, which runs what is in it."""
    out: File = None
    """The file to write; by default policy.pt2 or policy.onnx in the run directory."""


def main(argv: list[str]) -> int:
    """``fastvec export RUN [flags]``; returns the exit status."""
    flags = tyro.cli(ExportFlags, args=argv, prog="fastvec export")
    return status_of("export", lambda: _export(flags))


def _export(flags: ExportFlags) -> None:
    print("loading PyTorch", file=sys.stderr, flush=True)
    from fastvec.train.run.trained import export_trained

    load_plugins(flags.plugin)
    directory = flags.run if flags.run.is_dir() else flags.run.parent
    out = flags.out or directory / f"policy.{SUFFIXES[flags.format]}"
    export_trained(flags.run, out, format=flags.format, trust=flags.trust)
    print(f"policy {out}, checked against the original")
