"""``fastvec new``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fastvec.cli import scaffold
from fastvec.terminal import say

__all__ = ["main", "make_parser"]


def make_parser() -> argparse.ArgumentParser:
    """The arguments of ``fastvec new``."""
    parser = argparse.ArgumentParser(
        prog="fastvec new",
        description="Write a package with one env in C++ that builds, tests and trains as it is.",
    )
    parser.add_argument("name", help="name of the package, such as my_envs")
    parser.add_argument("--folder", help="where to write it (default: ./NAME)")
    return parser


def main(argv: Sequence[str]) -> int:
    """Write a package and say what to do with it."""
    arguments = make_parser().parse_args(argv)
    try:
        written = scaffold.new_package(arguments.name, arguments.folder)
    except (ValueError, OSError) as error:
        say(f"fastvec new: {error}", file=sys.stderr)
        return 2
    for path in written:
        print(f"wrote {path}")
    folder = written[0].parent
    package = next(path for path in written if path.suffix == ".cpp").stem
    print(f"\nThe env is {folder}/cpp/{package}.cpp. Next:")
    print(f"  pip install ./{folder}" if not folder.is_absolute() else f"  pip install {folder}")
    for command in ("check", "bench", "train"):
        print(f"  fastvec {command} {package}/GridWalk-v0")
    return 0
