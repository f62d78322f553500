"""What ``fastvec eval``, ``plot`` and ``export`` share: the flags that name runs, and how mistakes are reported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import tyro
from gymnasium.error import DependencyNotInstalled
from tyro import MISSING_NONPROP as MISSING

from fastvec.cli import arguments
from fastvec.terminal import fitted_output, say

__all__ = ["File", "Plugins", "Run", "load_plugins", "read_flags", "status_of"]

F = TypeVar("F")
Run = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
Plugins = Annotated[tuple[Path, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="PATH")]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]


def read_flags(flags: type[F], argv: Sequence[str], *, command: str, default: F | None = None) -> F:
    """The flags of a command, as a dataclass; ``--help`` and mistakes end the process, in lines that fit the window.

    Args:
        flags: the dataclass.
        argv: the words after the command.
        command: its name.
        default: the flags that are not given; by default those of the class.

    Raises:
        SystemExit: after ``--help``, or where the flags cannot be read.
    """
    with fitted_output():
        return tyro.cli(flags, args=argv, prog=f"fastvec {command}", default=MISSING if default is None else default)


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
        say(f"fastvec {command}: {error} (or: pip install 'fastvec[render]')", file=sys.stderr)
        return 2
    except (ValueError, OSError, ImportError) as error:
        say(f"fastvec {command}: {error}", file=sys.stderr)
        return 2
    return 0
