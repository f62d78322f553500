"""The files of results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = {
    "fastvec": "fastvec",
    "gymnasium vector": "Gymnasium vector",
    "envpool": "EnvPool",
    "gymnasium sync": "Gymnasium Sync",
    "gymnasium async": "Gymnasium Async",
    "bare C++ loop": "bare C++ loop",
}
"""Peers as people call them, in the order in which they are shown."""

_PACKAGES = {
    "fastvec": "fastvec",
    "gymnasium": "Gymnasium",
    "envpool": "EnvPool",
    "stable-baselines3": "Stable-Baselines3",
    "torch": "PyTorch",
}


@dataclass(frozen=True)
class Results:
    """The files in a folder, by name."""

    folder: Path

    def __contains__(self, name: str) -> bool:
        return (self.folder / f"{name}.json").exists()

    def __getitem__(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text())


def processor(machine: Mapping[str, Any]) -> tuple[str, int]:
    """Which machine it is, as far as a file says: the processor, and how many cores were used."""
    name = machine["processor"] if "processor" in machine else machine["cpu"]
    return name.replace("(R)", ""), machine["cores"]


def describe(machine: Mapping[str, Any], *packages: str) -> str:
    """The machine and versions of packages, as small print."""
    name, cores = processor(machine)
    versions = machine.get("versions", machine)
    parts = [f"{name}, {cores} cores"]
    if machine.get("gpu"):
        parts.insert(0, machine["gpu"]["name"])
    known = [
        f"{_PACKAGES[package]} {versions[package].partition('+')[0]}" for package in packages if package in versions
    ]
    return "; ".join([*parts, ", ".join([*known, f"Python {machine['python']}"])])
