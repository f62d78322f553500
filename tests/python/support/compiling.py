"""Compiling env libraries as an author does: against the installed fastvec, without Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import fastvec

NUMBERS = ("-ffp-contract=off", "-fno-builtin-pow")  # what fastvec_add_env_library passes, for Gymnasium's numbers
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror")


def compiler() -> str:
    """The C++ compiler: ``$CXX``, or the first of the usual ones. Skips the test where there is none."""
    for name in (os.environ.get("CXX", "c++"), "c++", "g++", "clang++"):
        if shutil.which(name):
            return name
    pytest.skip("there is no C++ compiler")


def compile_library(
    source: Path,
    library: Path,
    *,
    cxx: str | None = None,
    flags: tuple[str, ...] = (),
    objects: tuple[Path, ...] = (),
    include: Sequence[str | Path] | None = None,
) -> Path:
    """Compile one source file to an env library. Skips the test where there is no compiler.

    Args:
        source: the file.
        library: where the library goes.
        cxx: another compiler than :func:`compiler`.
        flags: they win over those that stand here.
        objects: linked as well.
        include: folders of headers, where they are others than the installed ones.

    Returns:
        ``library``.
    """
    command = [cxx or compiler(), "-std=c++20", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", *flags]
    command += [f"-I{folder}" for folder in ([fastvec.get_include()] if include is None else include)]
    run(*command, source, *objects, "-o", library)
    return library


def compile_object(source: Path, target: Path) -> Path:
    """Compile one source file to an object, to be linked into libraries. Returns ``target``."""
    run(compiler(), "-std=c++20", "-O0", "-fPIC", "-c", f"-I{fastvec.get_include()}", source, "-o", target)
    return target


def run(*command: object, **arguments: object) -> str:
    """Run a command that has to succeed; its output."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **arguments)  # type: ignore
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return str(done.stdout)
