"""Arguments that several of the commands take."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterable
from typing import Any

from fastvec.plugins import load_plugin

__all__ = ["add_env_kwargs", "add_plugins", "env_kwargs", "literal", "load_plugins"]


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """``--plugin PATH``, for an env library that is not installed; see :func:`load_plugins`."""
    parser.add_argument("--plugin", action="append", default=[], metavar="PATH", help="load this env library first")


def load_plugins(paths: Iterable[Any]) -> None:
    """Load the env libraries that ``--plugin`` names.

    Raises:
        ImportError, ValueError: as :func:`fastvec.load_plugin`.
    """
    for path in paths:
        load_plugin(path)


def add_env_kwargs(parser: argparse.ArgumentParser) -> None:
    """``--env-kwargs NAME=VALUE ...``; see :func:`env_kwargs`."""
    parser.add_argument("--env-kwargs", nargs="*", default=[], metavar="NAME=VALUE", help="the env's own arguments")


def env_kwargs(words: Iterable[str]) -> dict[str, Any]:
    """The keyword arguments that ``--env-kwargs`` gives.

    Raises:
        ValueError: a word without ``=``.
    """
    return dict(_pair(word) for word in words)


def _pair(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"expected --env-kwargs NAME=VALUE, got {word!r}")
    return name, literal(value)


def literal(text: str) -> Any:
    """A Python literal, or the text itself where it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
