"""Values of spaces: whether rows lie in one, and its corners."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from fastvec.testing.rollout import leaves

__all__ = ["corners", "flat_spaces", "leaf_spaces", "repeat", "space_fault"]


def flat_spaces(space: spaces.Space[Any]) -> list[Any]:
    """The leaves of a space in dicts and tuples, in order."""
    return [leaf for _, leaf in leaves(leaf_spaces(space), "")]


def leaf_spaces(space: spaces.Space[Any]) -> Any:
    """The leaves of a space in dicts and tuples, as its observations come."""
    if isinstance(space, spaces.Dict):
        return {key: leaf_spaces(child) for key, child in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(leaf_spaces(child) for child in space.spaces)
    return space


def space_fault(space: spaces.Space[Any], rows: np.ndarray) -> tuple[int, str, str] | None:
    """``(env, what is wrong, how to fix it)`` for the first row that is not in the space."""
    if rows.dtype.kind == "f" and not np.isfinite(rows).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(rows))[0])
        hint = "observe() has to write every element, and step() must not divide by zero or overflow"
        return at[0], f"has {rows[at]} at {_place(at[1:])}", hint
    low, high = _bounds(space)
    outside = np.argwhere((rows < low) | (rows > high))
    if not outside.size:
        return None
    at = tuple(int(i) for i in outside[0])
    shape = rows.shape[1:]
    bounds = f"{np.broadcast_to(low, shape)[at[1:]]} to {np.broadcast_to(high, shape)[at[1:]]}"
    hint = "give the space wider bounds, or clip in observe()"
    return at[0], f"has {rows[at]} at {_place(at[1:])}, outside the space: expected {bounds}", hint


def _place(index: tuple[int, ...]) -> str:
    return f"index {index[0] if len(index) == 1 else index}" if index else "its one element"


def _bounds(space: Any) -> tuple[Any, Any]:
    if isinstance(space, spaces.Discrete):
        return space.start, space.start + space.n - 1
    if isinstance(space, spaces.MultiDiscrete):
        return space.start, space.start + space.nvec - 1
    if isinstance(space, spaces.MultiBinary):
        return 0, 1
    return space.low, space.high


def corners(space: spaces.Space[Any]) -> list[tuple[str, Any]]:
    """The lowest and the highest action, as single actions."""
    return [("lowest corner", _corner(space, 0)), ("highest corner", _corner(space, 1))]


def _corner(space: Any, which: int) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _corner(child, which) for key, child in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_corner(child, which) for child in space.spaces)
    bound = np.asarray(_bounds(space)[which])
    if bound.dtype.kind == "f":
        bound = np.clip(bound, -1e6, 1e6)
    return np.broadcast_to(bound, space.shape).astype(space.dtype)


def repeat(action: Any, times: int) -> Any:
    """A batch of equal actions."""
    if isinstance(action, dict):
        return {key: repeat(part, times) for key, part in action.items()}
    if isinstance(action, tuple):
        return tuple(repeat(part, times) for part in action)
    return np.stack([action] * times)
