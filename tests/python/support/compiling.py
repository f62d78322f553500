"""Compiling env libraries as a stranger does: against the installed fastvec, without Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import fastvec

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror")


def compiler() -> str:
    """The C++ compiler, or the test is skipped."""
    for name in (os.environ.get("CXX", "c++"), "c++", "g++", "clang++"):
        if shutil.which(name):
            return name
    pytest.skip("there is no C++ compiler")


def compile_library(source: Path, library: Path, *, cxx: str | None = None, flags: tuple[str, ...] = ()) -> Path:
    """Compile one source file to an env library."""
    command = [cxx or compiler(), "-std=c++20", "-O1", "-fPIC", "-shared", "-fvisibility=hidden"]
    command += [*flags, f"-I{fastvec.get_include()}", str(source), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return library


def run(*command: object, **arguments: object) -> str:
    """Run a command that has to succeed; its output."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **arguments)  # type: ignore
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return str(done.stdout)
