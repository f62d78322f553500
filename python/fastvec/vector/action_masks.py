"""Action masks: what ``info["action_mask"]`` has to be for an action space."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

__all__ = ["choices_without_action", "mask_rows", "mask_width"]


def mask_width(space: gym.Space[Any]) -> int:
    """Entries in a mask of one environment's actions: one for each choice; 0 where actions are no choices."""
    if isinstance(space, gym.spaces.Discrete):
        return int(space.n)
    return int(np.sum(space.nvec)) if isinstance(space, gym.spaces.MultiDiscrete) else 0


def mask_rows(mask: Any, space: gym.Space[Any], num_rows: int) -> np.ndarray[Any, Any]:
    """``mask`` as bool ``[num_rows, mask_width(space)]``.

    Args:
        mask: an array of ``num_rows`` masks of whatever shape; or, for MultiDiscrete, a sequence of masks that are
            tuples with an array for each choice, as ``space.sample(mask)`` takes them.

    Raises:
        ValueError: there are more or fewer entries than choices.
    """
    wanted = (num_rows, mask_width(space))
    try:
        if not isinstance(mask, np.ndarray) or mask.dtype == object:
            mask = np.stack([np.concatenate([np.ravel(part) for part in _leaves(row)]) for row in mask])
        return np.asarray(mask).reshape(wanted).astype(bool)
    except ValueError as error:
        shape = getattr(mask, "shape", None) or f"{type(mask).__name__} of {len(mask)}"
        message = f"an action mask for {space} has {wanted[1]} entries, expected {wanted}, got {shape}"
        raise ValueError(message) from error


def choices_without_action(rows: np.ndarray[Any, Any], space: gym.Space[Any]) -> np.ndarray[Any, Any]:
    """Which of ``rows`` (as :func:`mask_rows` gives them) rule out every action of some choice.

    Returns:
        bool ``[num_rows]``.
    """
    if isinstance(space, gym.spaces.MultiDiscrete):
        ends = np.cumsum(np.ravel(space.nvec))
        parts = np.split(rows, ends[:-1], axis=1)
    else:
        parts = [rows]
    return np.logical_or.reduce([~part.any(axis=1) for part in parts])


def _leaves(mask: Any) -> list[Any]:
    """The arrays of a mask, which may be one, or tuples of them inside one another."""
    if isinstance(mask, tuple | list) or (isinstance(mask, np.ndarray) and mask.dtype == object):
        return [leaf for part in mask for leaf in _leaves(part)]
    return [np.asarray(mask)]
