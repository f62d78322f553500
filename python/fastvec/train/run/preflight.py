"""What a training command settles before PyTorch is loaded, which takes seconds: directories and the process itself."""

from __future__ import annotations

import atexit
import gc
import os
from pathlib import Path


def run_dir_of(resume: Path) -> Path:
    """The run directory that is resumed: ``resume`` itself, or that of the checkpoint which it names."""
    return resume if resume.is_dir() or resume.suffix != ".pt" else resume.parent


def choose_run_dir(run_dir: Path | None, resume: Path | None) -> Path | None:
    """Where a run is to be kept.

    Args:
        run_dir: the directory that was asked for.
        resume: the run directory or checkpoint that the run goes on with.

    Returns:
        The first of them that is given; None where a new directory is to be made.

    Raises:
        ValueError: another run than the one that is resumed is there, whose checkpoint would be overwritten.
    """
    resumed = None if resume is None else run_dir_of(resume)
    if run_dir is None or run_dir == resumed:
        return resumed
    if (run_dir / "checkpoint.pt").exists():
        raise ValueError(
            f"{run_dir} already holds a run: go on with it by --resume {run_dir}, or name another directory"
        )
    return run_dir


def is_main_rank() -> bool:
    """Whether this process is the one of torchrun's that speaks to the user, as one that is alone does."""
    return int(os.environ.get("RANK", "0")) == 0


def limit_spinning() -> None:
    """Keep PyTorch's OpenMP threads from burning a core that another program wants; call before PyTorch is loaded.

    By default each waits in a loop for milliseconds after each operation, in case another follows. Where a second
    program wants the core, that loop is what keeps it, and the thread that all wait for, from running.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")


def leave_quickly() -> None:
    """Leave out the search for garbage at the end of the process.

    After compiling, there are millions of PyTorch's objects to look through: some seconds after Ctrl-C.
    """
    atexit.register(gc.freeze)
