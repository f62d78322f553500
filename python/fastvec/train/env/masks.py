"""Action masks of a vector: the newest one of each environment."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from fastvec.train.env.encode import Array
from fastvec.vector.action_masks import choices_without_action, mask_rows, mask_width

__all__ = ["mask_rows", "mask_width", "newest_mask"]


def newest_mask(
    before: Array | None, info: dict[str, Any], space: gym.Space[Any], num_envs: int, *, ended: Array | None = None
) -> Array | None:
    """The newest action mask of each environment after a step or a reset.

    Environments that say nothing keep what they had, since a partial reset brings the masks of the reset ones only;
    where they had nothing, everything is allowed.

    Args:
        before: the masks before it; None for none.
        info: the infos of the step or reset.
        space: the action space of one environment.
        num_envs: the number of environments.
        ended: bool ``[num_envs]``: whose episode has ended, and whose next action is therefore none. There a mask may
            be empty, and allows everything.

    Returns:
        bool ``[num_envs, mask_width(space)]``; None where no environment ever said anything, or where actions are no
        choices.

    Raises:
        ValueError: a mask of the wrong width, or one that rules out every action.
    """
    mask, width = info.get("action_mask"), mask_width(space)
    if mask is None or not width:
        return before
    given = info.get("_action_mask")
    fresh = np.ones(num_envs, dtype=bool) if given is None else np.asarray(given, dtype=bool)
    newest = np.ones((num_envs, width), dtype=bool) if before is None else before.copy()
    if fresh.any():
        newest[fresh] = mask_rows(np.asarray(mask)[fresh], space, int(fresh.sum()))
        empty = choices_without_action(newest, space)
        if ended is not None:
            newest[empty & ended] = True
            empty &= ~ended
        if empty.any():
            raise ValueError(
                f"info['action_mask'] of environment {np.flatnonzero(empty)[0]} allows no action: expected at least "
                f"one that is not 0 for each choice of {space}, unless the episode has ended"
            )
    return newest
