"""Docstrings as Markdown, for mkdocstrings.

Roles such as ``:class:`PPO``` become links where the reference has a place for them, doctests become code blocks, and a
default that is ``DEFAULTS.name`` in a signature becomes its value.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import griffe

OPTIONS = Path(__file__).parents[2] / "python" / "fastvec" / "vector" / "options.py"

_ROLE = re.compile(r":(?:class|func|meth|attr|mod|data|exc):`(~?)([^`]+)`")
# Lines that begin with >>>, and what stands below them up to the next empty line.
_DOCTEST = re.compile(r"(?:^(?P<indent> *)>>> .*\n?(?:^ *\S.*\n?)*)", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites each docstring before it is parsed, and the defaults of each function."""

    def __init__(self) -> None:
        super().__init__()
        self._defaults = _option_defaults()

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called by griffe for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = _doctests_fenced(_roles_linked(obj.docstring.value))

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """Called by griffe for each function."""
        for parameter in func.parameters:
            name = str(parameter.default).removeprefix("DEFAULTS.")
            if str(parameter.default).startswith("DEFAULTS."):
                parameter.default = self._defaults[name]


def _option_defaults() -> dict[str, str]:
    """The source of the default of each field of VectorOptions."""
    tree = ast.parse(OPTIONS.read_text(encoding="utf-8"))
    (options,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "VectorOptions")
    return {
        node.target.id: ast.unparse(keyword.value)
        for node in options.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Call)
        for keyword in node.value.keywords
        if keyword.arg == "default"
    }


def _roles_linked(text: str) -> str:
    def linked(match: re.Match[str]) -> str:
        short, name = match.groups()
        shown = f"<code>{name.rpartition('.')[2] if short else name}</code>"
        return f'<autoref identifier="{name}" optional>{shown}</autoref>' if "." in name else shown

    return _ROLE.sub(linked, text)


def _doctests_fenced(text: str) -> str:
    def fenced(match: re.Match[str]) -> str:
        indent = match.group("indent")
        return f"{indent}```python\n{match.group().rstrip()}\n{indent}```\n"

    return _DOCTEST.sub(fenced, text)
