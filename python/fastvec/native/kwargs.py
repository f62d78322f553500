"""Keyword arguments of native envs: checking them against what the env declares."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["ordered_kwargs"]


def ordered_kwargs(env_id: str, declared: Sequence[tuple[str, str, Any, str]], given: dict[str, Any]) -> list[Any]:
    """The value of every declared keyword argument, in order, as the type that was declared.

    Args:
        env_id: for messages.
        declared: ``(name, type, default, doc)`` of each argument.
        given: what the caller passed.

    Raises:
        TypeError: an unknown name, or a value of the wrong type.
    """
    names = [name for name, *_ in declared]
    shown = [name for name in names if not name.startswith("_")]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, shown, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            known = ", ".join(shown) if shown else "none"
            raise TypeError(f"{env_id}: unexpected keyword argument {name!r} (it takes: {known}){hint}")
    return [
        _typed(env_id, name, kind, given[name]) if name in given else default for name, kind, default, _ in declared
    ]


def _typed(env_id: str, name: str, kind: str, value: Any) -> Any:
    if kind == "bool" and isinstance(value, (bool, np.bool_)):
        return bool(value)
    if kind == "int" and isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    if kind == "float" and isinstance(value, (numbers.Real, np.floating)) and not isinstance(value, bool):
        return float(value)
    if kind == "str" and isinstance(value, str):
        return value
    if kind.startswith("list[") and isinstance(value, (list, tuple, np.ndarray)):
        element = kind.removeprefix("list[").removesuffix("]")
        return [_typed(env_id, f"{name}[{i}]", element, item) for i, item in enumerate(value)]
    raise TypeError(f"{env_id}: expected {name} to be {kind}, got {value!r} ({type(value).__name__})")
