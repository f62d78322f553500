"""PyTorch's own part of a program, which is the same in all: what it is loaded and called through."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import weakref
from functools import lru_cache
from pathlib import Path

import torch

TORCH = Path(torch.__file__).parent
INTERFACE = TORCH / "_inductor" / "codegen" / "aoti_runtime" / "interface.cpp"
"""Inductor writes this file's text into every program: more than a quarter of what there is to compile."""

STAND_INS = Path(__file__).parent / "stand_ins"
"""Headers that compile in less time than those whose names they have."""

IN_ITS_PLACE = """
#include <iostream>
#include <torch/csrc/inductor/aoti_runtime/model.h>
"""
"""What the rest of a program needs of that file."""


class Runtime:
    """The object file of the interface, which is being compiled: one for all programs of a process.

    It takes no longer than it does to load inductor, so that programs seldom wait for it.

    Args:
        compiler: the path of the compiler.
        optimisation: its effort.
    """

    def __init__(self, compiler: str, optimisation: str) -> None:
        folder = Path(tempfile.mkdtemp(prefix="fastvec-compile-"))
        self.object = folder / "interface.o"
        words = [compiler, f"-{optimisation}", "-std=c++20", "-fPIC", "-DNDEBUG", "-w", "-c"]
        words += [f"-I{x}" for x in (STAND_INS, TORCH / "include", TORCH / "include/torch/csrc/api/include")]
        self._process = subprocess.Popen(
            [*words, str(INTERFACE), "-o", str(self.object)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
        self._discard = weakref.finalize(self, discard, self._process, folder)

    def without(self, source: Path) -> Path | None:
        """A copy of a program that leaves the interface to :attr:`object`, which is there now.

        None where that cannot be: another PyTorch may write its programs otherwise.
        """
        program, interface = source.read_text(), INTERFACE.read_text()
        if self._process.wait() or program.count(interface) != 1:
            return None
        lean = source.with_name("lean.cpp")
        lean.write_text(program.replace(interface, IN_ITS_PLACE))
        return lean


def discard(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End the process, and remove the directory that it wrote into."""
    process.kill()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@lru_cache
def runtime(compiler: str, optimisation: str) -> Runtime:
    """The one of this process."""
    return Runtime(compiler, optimisation)
