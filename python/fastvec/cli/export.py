"""``fastvec export``: write a run's policy for use without fastvec."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Literal

import tyro

from fastvec.cli.dataclass_flags import add_flags
from fastvec.cli.run_arguments import File, Plugins, Run, load_plugins, read_flags, status_of
from fastvec.terminal import say

__all__ = ["main", "make_parser"]

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


def make_parser() -> argparse.ArgumentParser:
    """The arguments of ``fastvec export``."""
    parser = argparse.ArgumentParser(prog="fastvec export")
    add_flags(parser, ExportFlags)
    return parser


def main(argv: list[str]) -> int:
    """``fastvec export RUN [flags]``; returns the exit status."""
    flags = read_flags(ExportFlags, argv, command="export")
    return status_of("export", lambda: _export(flags))


def _export(flags: ExportFlags) -> None:
    print("loading PyTorch", file=sys.stderr, flush=True)
    from fastvec.train.run.trained import export_trained

    load_plugins(flags.plugin)
    directory = flags.run if flags.run.is_dir() else flags.run.parent
    out = flags.out or directory / f"policy.{SUFFIXES[flags.format]}"
    export_trained(flags.run, out, format=flags.format, trust=flags.trust)
    say(f"policy {out}, checked against the original")
