"""Finding where tests reach for names that begin with an underscore."""

from __future__ import annotations

import ast
from collections.abc import Iterator

__all__ = ["private_names"]

BY_NAME = {"getattr", "setattr", "hasattr"}


def private_names(source: str) -> Iterator[str]:
    """Attributes with one leading underscore of anything but ``self`` and ``cls``, and such names imported of fastvec.

    Counts names as text, too, in ``getattr``, ``setattr``, ``hasattr`` and ``monkeypatch.setattr``.
    """
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            of_its_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            names = [] if of_its_own else [node.attr]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastvec"):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in BY_NAME:
            words = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            names = [word.rpartition(".")[2] for word in words if isinstance(word, str)]
        yield from (name for name in names if name.startswith("_") and not name.startswith("__"))
