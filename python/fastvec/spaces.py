"""From the native description of a space to ``gymnasium.spaces``."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

__all__ = ["build_space", "final_rows"]


def build_space(description: tuple) -> spaces.Space:
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
        return spaces.Dict({key: build_space(child) for key, child in rest[0]}, sort_keys=False)
    raise ValueError(f"expected a space description, got {kind!r}")


def final_rows(space: spaces.Space, batch: Any, envs: np.ndarray) -> list[Any]:
    """The single observations of ``envs`` in a batch, as an unbatched env returns them.

    Args:
        space: the single observation space.
        batch: observations of all envs, shape ``(num_envs, ...)`` per leaf.
        envs: int64 indices.

    Returns:
        One observation per index: an array (a copy), a Python int for Discrete, or a tuple or dict of them.
    """
    if isinstance(space, spaces.Tuple):
        columns = [final_rows(child, part, envs) for child, part in zip(space.spaces, batch, strict=True)]
        return list(zip(*columns, strict=True))
    if isinstance(space, spaces.Dict):
        named = {key: final_rows(child, batch[key], envs) for key, child in space.spaces.items()}
        return [{key: rows[i] for key, rows in named.items()} for i in range(len(envs))]
    rows = batch[envs]
    return rows.tolist() if isinstance(space, spaces.Discrete) else list(rows)
