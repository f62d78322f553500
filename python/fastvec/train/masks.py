"""Action masks: which actions an environment allows, from ``info["action_mask"]`` to rows of booleans."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from fastvec.train.spaces import Array


def mask_width(space: gym.Space[Any]) -> int:
    """Entries in a mask of one environment's actions: one for each choice; 0 where actions are no choices."""
    if isinstance(space, gym.spaces.Discrete):
        return int(space.n)
    return int(np.sum(space.nvec)) if isinstance(space, gym.spaces.MultiDiscrete) else 0


def mask_rows(mask: Any, space: gym.Space[Any], num_rows: int) -> Array:
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


def _leaves(mask: Any) -> list[Any]:
    """The arrays of a mask, which may be one, or tuples of them inside one another."""
    if isinstance(mask, tuple | list) or (isinstance(mask, np.ndarray) and mask.dtype == object):
        return [leaf for part in mask for leaf in _leaves(part)]
    return [np.asarray(mask)]


def newest_mask(before: Array | None, info: dict[str, Any], space: gym.Space[Any], num_envs: int) -> Array | None:
    """The masks bool ``[num_envs, mask_width(space)]`` after a step or a reset whose infos are ``info``.

    Environments that say nothing keep what they had in ``before``, since a partial reset brings those of the reset
    ones only; where they had nothing, everything is allowed. None where no environment ever said anything, or where
    actions are no choices.
    """
    mask, width = info.get("action_mask"), mask_width(space)
    if mask is None or not width:
        return before
    given = info.get("_action_mask")
    fresh = np.ones(num_envs, dtype=bool) if given is None else np.asarray(given, dtype=bool)
    newest = np.ones((num_envs, width), dtype=bool) if before is None else before.copy()
    if fresh.any():
        newest[fresh] = mask_rows(np.asarray(mask)[fresh], space, int(fresh.sum()))
    return newest
