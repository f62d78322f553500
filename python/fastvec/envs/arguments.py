"""Keyword arguments as Gymnasium takes them, on their way to a native env."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

__all__ = ["flag", "is_int", "number", "preparer", "refuse_unknown"]


def refuse_unknown(env_id: str, kwargs: Iterable[str], known: Iterable[str]) -> None:
    """Raise the TypeError that Gymnasium's constructor raises for a name that it does not have."""
    names = list(known)
    for name in kwargs:
        if name not in names:
            takes = ", ".join(names) if names else "none"
            raise TypeError(f"{env_id}: unexpected keyword argument {name!r} (it takes: {takes})")


def flag(value: Any) -> bool:
    """What ``if value:`` decides."""
    return bool(value)


def number(value: Any) -> Any:
    """Any real number as a float; everything else as it is, to be refused with the env's own message."""
    return float(value) if isinstance(value, (numbers.Real, np.number, np.bool_)) else value


def is_int(value: Any) -> bool:
    """Whether ``info`` would hold this number as an int64."""
    return isinstance(value, (int, np.integer))


def preparer(
    env_id: str, conversions: Mapping[str, Callable[[Any], Any]]
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """``GymnasiumCounterpart.prepare_kwargs`` of an env whose arguments only need these conversions, one by one."""

    def prepare(kwargs: dict[str, Any]) -> dict[str, Any]:
        refuse_unknown(env_id, kwargs, conversions)
        return {name: conversions[name](value) for name, value in kwargs.items()}

    return prepare
