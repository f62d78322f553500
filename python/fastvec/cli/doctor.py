"""``fastvec doctor``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastvec.cli import diagnosis
from fastvec.cli.diagnosis import Finding
from fastvec.terminal import say

__all__ = ["main", "make_parser"]

_MARKS = {"ok": "ok", "missing": "-", "broken": "BROKEN"}


def main(argv: Sequence[str]) -> int:
    """Print what works here, what is missing and what brings it; 1 if something is installed and does not work."""
    arguments = make_parser().parse_args(argv)
    with ThreadPoolExecutor(max(1, diagnosis.usable_cores())) as pool:  # each waits for a process of its own
        trainer = pool.submit(diagnosis.try_trainer)
        envs = list(pool.map(diagnosis.try_env, diagnosis.ENVS))
    extras = [diagnosis.look_at_extra(extra) for extra in diagnosis.extras()]
    compiler = diagnosis.look_for_compiler()
    versions = diagnosis.versions()
    groups: dict[str, list[Finding]] = {
        "envs": envs,
        "extras": extras,
        "trainers": trainer.result(),
        "C++ envs": compiler,
    }
    broken = any(finding.state == "broken" for group in groups.values() for finding in group)
    if arguments.json:
        as_rows = {name: [finding._asdict() for finding in group] for name, group in groups.items()}
        print(json.dumps({**versions, **as_rows, "works": not broken}))
    else:
        _print(versions, groups)
    return int(broken)


def make_parser() -> argparse.ArgumentParser:
    """The arguments of ``fastvec doctor``."""
    parser = argparse.ArgumentParser(
        prog="fastvec doctor",
        description="Say what works on this machine: versions, cores, families of envs, extras, trainers, and what it "
        "takes to build envs in C++; and what brings what is missing.",
        epilog="Exit status: 0, or 1 if something that is installed does not work. What is missing is no fault.",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead")
    return parser


def _print(versions: dict[str, Any], groups: dict[str, list[Finding]]) -> None:
    width = max(len(name) for name in versions)
    for name, value in versions.items():
        say(f"{name:<{width}}", str(value))
    for title, findings in groups.items():
        print(f"\n{title}")
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            say(f"  {_MARKS[finding.state]:<6} {finding.name:<{width}}", finding.text)
