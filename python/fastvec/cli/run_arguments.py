"""What ``fastvec eval``, ``plot`` and ``export`` share: the flags that name runs, and how mistakes are reported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import tyro
from gymnasium.error import DependencyNotInstalled

from fastvec.cli import arguments

__all__ = ["File", "Plugins", "Run", "load_plugins", "status_of"]

Run = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
Plugins = Annotated[tuple[Path, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="PATH")]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]


def load_plugins(paths: Sequence[Path]) -> None:
    """Load the env libraries that ``--plugin`` names.

    Raises:
        ValueError: one of them cannot be loaded.
    """
    try:
        arguments.load_plugins(paths)
    except ImportError as error:
        raise ValueError(str(error)) from error


def status_of(command: str, action: Callable[[], None]) -> int:
    """Run ``action``, and print what a user can put right as one line on stderr.

    Args:
        command: the subcommand that the line names.
        action: what the command does.

    Returns:
        The exit status: 0, or 2 after such a mistake.
    """
    try:
        action()
    except DependencyNotInstalled as error:  # what a renderer of Gymnasium raises
        print(f"fastvec {command}: {error} (or: pip install 'fastvec[render]')", file=sys.stderr)
        return 2
    except (ValueError, OSError, ImportError) as error:
        print(f"fastvec {command}: {error}", file=sys.stderr)
        return 2
    return 0
