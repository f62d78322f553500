"""The ``fastvec`` command. Each subcommand lives in a module of its own and is imported when it is called."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import select
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from fastvec import __version__
from fastvec.terminal import has_colors, say

__all__ = ["COMMANDS", "main", "run"]

# name: (module, function, what it does, the extra that it needs)
COMMANDS = {
    "list": ("fastvec.cli.list", "main", "list the native envs", None),
    "new": ("fastvec.cli.new", "main", "write a package with an env of your own in C++", None),
    "check": ("fastvec.cli.check", "main", "look for mistakes in an env", None),
    "doctor": ("fastvec.cli.doctor", "main", "say what works here, and what is missing", None),
    "bench": ("fastvec.cli.bench", "main", "measure steps per second beside peers", None),
    "train": ("fastvec.cli.train", "main", "train a policy on an env", "train"),
    "eval": ("fastvec.cli.eval", "main", "play episodes with what a run has learned", "train"),
    "plot": ("fastvec.cli.plot", "main", "draw the learning curves of runs", "train"),
    "export": ("fastvec.cli.export", "main", "write a run's policy for PyTorch or ONNX", "train"),
    "completion": ("fastvec.cli.completion", "main", "print what completes words in a shell", "completion"),
}


def run() -> NoReturn:
    """The process of the command."""
    # Imports make millions of objects that stay; looking for garbage among them was a sixth of the start.
    gc.set_threshold(100_000, 50, 100)
    sys.exit(main())


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="fastvec",
        description="C++-accelerated vector environments, and a trainer for them.",
        epilog="'fastvec COMMAND --help' describes a command.",
    )
    parser.add_argument("--version", action="version", version=f"fastvec {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, _, description, _) in COMMANDS.items():
        commands.add_parser(name, help=description, add_help=False)
    chosen, rest = parser.parse_known_args(arguments[:1])[0].command, arguments[1:]

    if not (has_colors(sys.stdout) and has_colors(sys.stderr)):
        os.environ.setdefault("PYTHON_TYRO_ANSI_CODES", "False")  # tyro looks at standard output, and not at NO_COLOR
    module, function, _, extra = COMMANDS[chosen]
    try:
        status = int(getattr(importlib.import_module(module), function)(rest) or 0)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        return 128 + signal.SIGPIPE
    except ImportError as error:
        if extra is None or (error.name or "").startswith("fastvec"):
            raise
        say(f"fastvec {chosen} needs the extra '{extra}' ({error}): pip install 'fastvec[{extra}]'", file=sys.stderr)
        return 1


def _nobody_reads() -> bool:
    """Whether standard output is a pipe that its reader (``head``, for instance) has closed; if so, it is let go of."""
    out = sys.stdout.fileno()
    poll = select.poll()
    poll.register(out, select.POLLOUT)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), out)
    return True
