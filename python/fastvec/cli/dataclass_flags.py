"""The flags that tyro makes of a dataclass, as an argparse parser: for those who want to know what there is."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import re
import textwrap
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro

__all__ = ["add_flags"]


def add_flags(parser: argparse.ArgumentParser, flags: type, *, choices: dict[str, list[str]] | None = None) -> None:
    """Add what ``tyro.cli(flags)`` takes, and is not there yet.

    Args:
        parser: gets the arguments; it parses none.
        flags: a dataclass of keyword-only fields.
        choices: what a field may be whose type does not say it.
    """
    known = {name for action in parser._actions for name in (*action.option_strings, action.dest)}
    docs, hints = _docs(flags), get_type_hints(flags, include_extras=True)
    for field in dataclasses.fields(flags):
        kind, markers = _without_markers(hints[field.name])
        option = f"--{field.name.replace('_', '-')}"
        arguments: dict[str, Any] = {"help": docs.get(field.name)}
        if tyro.conf.Positional in markers:
            option, arguments["nargs"] = field.name, "*" if get_origin(kind) is list else "?"
        elif kind is bool:
            arguments["action"] = "store_true"
            if tyro.conf.FlagCreatePairsOff not in markers and f"--no-{option[2:]}" not in known:
                parser.add_argument(f"--no-{option[2:]}", action="store_true", help=f"the opposite of {option}")
        elif get_origin(kind) is dict:
            arguments["nargs"] = "*"
        elif (choices or {}).get(field.name) or _choices(kind):
            arguments["choices"] = (choices or {}).get(field.name) or _choices(kind)
        if option not in known:
            parser.add_argument(option, **arguments)


def _without_markers(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return (get_args(hint)[0], hint.__metadata__) if get_origin(hint) is Annotated else (hint, ())


def _choices(kind: Any) -> list[str]:
    """The words that stand for a value of this type, where they can be counted."""
    if get_origin(kind) in (Union, UnionType):
        return [word for part in get_args(kind) for word in _choices(part)] if bool in get_args(kind) else []
    if kind is NoneType:
        return ["None"]
    if kind is bool:
        return ["True", "False"]
    return [str(value) for value in get_args(kind)] if get_origin(kind) is Literal else []


def _docs(flags: type) -> dict[str, str]:
    """The first sentence of the string below each field, in the class or those that it is made from."""
    found: dict[str, str] = {}
    for base in reversed(flags.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        except (OSError, TypeError):  # a class that was put together while the program runs
            continue
        assert isinstance(body, ast.ClassDef)
        for field, doc in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant):
                words = " ".join(str(doc.value.value).split())
                found[ast.unparse(field.target)] = re.split(r"(?<!\.)\. ", words)[0].rstrip(".")
    return found
