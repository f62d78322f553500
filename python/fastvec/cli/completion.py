"""``fastvec completion``: a script by which a shell completes commands, flags and env ids."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

import gymnasium
import shtab
from gymnasium.envs.registration import find_highest_version, parse_env_id

from fastvec.cli.descriptions import Listing, all_listings
from fastvec.cli.main import COMMANDS

__all__ = ["main", "make_parser"]

_ENV_IDS = {"env_id", "env_ids"}
_FILES = {"folder", "out", "output", "plot", "plugin", "resume", "run", "run_dir", "runs", "video"}
"""Arguments by the names that the commands have for them: envs, and what lies on the disk."""


def main(argv: Sequence[str]) -> int:
    """Print the script."""
    shell = make_parser().parse_args(argv).shell
    print(shtab.complete(whole_command(), shell=shell))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The arguments of ``fastvec completion``."""
    parser = argparse.ArgumentParser(
        prog="fastvec completion",
        description="Print a script by which a shell completes commands, flags and env ids.",
        epilog="Its first lines say where it belongs. It knows the ids that are registered when it is printed.",
    )
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="for which shell")
    return parser


def whole_command() -> argparse.ArgumentParser:
    """``fastvec`` with the arguments of all its commands, but of those whose packages are not installed."""
    ids = sorted(listing.id for listing in all_listings(with_process=True) if _is_of_use(listing))
    parser = argparse.ArgumentParser(prog="fastvec")
    parser.add_argument("--version", action="version", version="", help="print the version")
    commands = parser.add_subparsers(dest="command")
    for name, (module, _, description, extra) in COMMANDS.items():
        try:
            arguments = importlib.import_module(module).make_parser()
        except ImportError:
            if extra is None:
                raise
            arguments = argparse.ArgumentParser()
        for action in arguments._actions:
            if action.dest in _ENV_IDS:
                action.choices = ids
            elif action.dest in _FILES:
                action.complete = shtab.FILE  # where shtab looks for it
        commands.add_parser(name, help=description, parents=[arguments], add_help=False)
    return parser


def _is_of_use(listing: Listing) -> bool:
    """Whether somebody may mean this id: of what is not fastvec's own, the newest version, and games by one name."""
    if listing.backend != "process":
        return True
    namespace, name, version = parse_env_id(listing.id)
    is_newest = version == find_highest_version(namespace, name)
    return is_newest and not str(gymnasium.spec(listing.id).entry_point).startswith("ale_py")
