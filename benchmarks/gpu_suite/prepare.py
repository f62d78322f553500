"""What comes before the rows: packages from a folder of wheels, fastvec from this checkout, the tests on the device."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gpu_suite.children import Child

ROOT = Path(__file__).resolve().parents[2]
PIP = [
    sys.executable,
    "-m",
    "pip",
    "--disable-pip-version-check",
    "--no-cache-dir",
    "install",
    "--no-index",
    "--no-deps",
]
OUTCOME = re.compile(r"^(\S+::.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b", re.MULTILINE)


class PreparationFailed(RuntimeError):
    """A step without which nothing can be measured has failed."""


def environment(folder: Path) -> dict[str, str]:
    """The environment of all processes: what was built and installed in ``folder`` comes first, and PyTorch's compile
    caches are inside it, so that a warm-up does not depend on what was compiled on the machine before."""
    site = [str(folder / "fastvec"), str(folder / "packages")]
    before = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*site, *([before] if before else [])]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        "MPLBACKEND": "Agg",
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        "TRITON_CACHE_DIR": str(folder / "triton"),
    }


def install_wheels(wheels: Path, folder: Path, env: Mapping[str, str], *, limit: float) -> dict[str, Any]:
    """Unpack all of a folder of wheels into ``folder/packages``, asking no index."""
    files = sorted(str(path) for path in wheels.glob("*.whl"))
    if not files:
        raise PreparationFailed(f"there is no wheel in {wheels}")
    return _install("wheels", ["--no-compile", "--target", str(folder / "packages"), *files], folder, env, limit)


def build_fastvec(folder: Path, env: Mapping[str, str], *, limit: float) -> dict[str, Any]:
    """Build fastvec from this checkout into ``folder/fastvec``, with the build tools that are installed."""
    options = ["--no-build-isolation", f"--config-settings=build-dir={folder / 'build'}"]
    return _install("build", [*options, "--target", str(folder / "fastvec"), str(ROOT)], folder, env, limit)


def _install(name: str, arguments: list[str], folder: Path, env: Mapping[str, str], limit: float) -> dict[str, Any]:
    outcome = Child([*PIP, *arguments], name=name, folder=folder, env=env).finish(limit)
    if not outcome.ok:
        why = "took too long" if outcome.timed_out else f"failed with {outcome.returncode}"
        last = [*outcome.stdout.splitlines()[-30:], *outcome.tail()]
        raise PreparationFailed("\n".join([f"pip install of {name} {why}", *last]))
    return {"seconds": outcome.seconds}


def run_tests(folder: Path, env: Mapping[str, str], *, limit: float) -> tuple[dict[str, Any], str]:
    """``pytest tests/gpu -m gpu``: counts, the names of those that failed, and the whole output."""
    command = [sys.executable, "-m", "pytest", "tests/gpu", "-m", "gpu", "-v", "--tb=short", "-p", "no:cacheprovider"]
    if find_spec("pytest_timeout") is not None:
        command += ["--timeout=90"]  # one test that hangs, in Python at least, costs no more
    outcome = Child(command, name="tests", folder=folder, env=env, cwd=ROOT).finish(limit)
    found = OUTCOME.findall(outcome.stdout)
    counts = Counter(word.lower() for _, word in found)
    return {
        "status": "timed out" if outcome.timed_out else "passed" if outcome.returncode == 0 else "failed",
        "counts": dict(counts),
        "not_passed": sorted({name for name, word in found if word in ("FAILED", "ERROR")}),
        "seconds": outcome.seconds,
        "returncode": outcome.returncode,
        "last_lines": [line[:400] for line in (outcome.stdout + outcome.stderr).rstrip().splitlines()[-25:]],
    }, outcome.stdout + outcome.stderr
