"""From the native description of a space to ``gymnasium.spaces``."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from typing import Any

import numpy as np
from gymnasium import spaces

__all__ = ["build_space", "ordered_dict", "unbatched"]


def build_space(description: tuple[Any, ...]) -> spaces.Space[Any]:
    """The gymnasium space that ``fastvec._core`` describes (see cpp/bindings/describe.hpp)."""
    kind, *rest = description
    if kind == "box":
        low, high = rest
        return spaces.Box(low, high, dtype=low.dtype.type)
    if kind == "discrete":
        n, start = rest
        return spaces.Discrete(n, start=start)
    if kind == "multi_discrete":
        return spaces.MultiDiscrete(rest[0])
    if kind == "multi_binary":
        return spaces.MultiBinary(rest[0])
    if kind == "tuple":
        return spaces.Tuple([build_space(child) for child in rest[0]])
    if kind == "dict":
        return ordered_dict({key: build_space(child) for key, child in rest[0]})
    raise ValueError(f"expected a space description, got {kind!r}")


def ordered_dict(children: dict[str, spaces.Space[Any]]) -> spaces.Dict:
    """A Dict space of these, in the order given, on every Gymnasium: before 1.4 there is no ``sort_keys``."""
    if "sort_keys" in inspect.signature(spaces.Dict).parameters:
        return spaces.Dict(children, sort_keys=False)
    return spaces.Dict(OrderedDict(children))


def unbatched(space: spaces.Space[Any], batch: Any, rows: np.ndarray) -> list[Any]:
    """The single observations of ``rows`` (int64 indices) in a batch, as an unbatched env returns them: copies."""
    if isinstance(space, spaces.Tuple):
        columns = [unbatched(child, part, rows) for child, part in zip(space.spaces, batch, strict=True)]
        return list(zip(*columns, strict=True))
    if isinstance(space, spaces.Dict):
        named = {key: unbatched(child, batch[key], rows) for key, child in space.spaces.items()}
        return [{key: values[i] for key, values in named.items()} for i in range(len(rows))]
    chosen = batch[rows]
    return chosen.tolist() if isinstance(space, spaces.Discrete) else list(chosen)
