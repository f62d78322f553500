"""Sources of small env libraries, and packages that bring one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["TINY", "install", "with_packages"]

TINY = (Path(__file__).parents[1] / "sdk" / "fixtures" / "tiny.cpp").read_text()
TINY = TINY[TINY.index("struct Tiny") : TINY.index("extern const char")]
TINY = f'#include <fastvec/env.hpp>\n{TINY}FASTVEC_PLUGIN("tiny", fastvec::env<Tiny>("ID"))\n'
"""A library of one env, whose id is to be put in the place of ``ID``."""


def install(site: Path, name: str, value: str, code: str) -> None:
    """A package with one entry point, as pip leaves it."""
    (site / f"{name}.py").write_text(code)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[fastvec.plugins]\n{name} = {value}\n")


def with_packages(site: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process that finds the packages of ``site``."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run([sys.executable, *options, "-c", code], env=environment, capture_output=True, text=True)
