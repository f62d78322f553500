"""The spaces of a vector, from those of its envs."""

from __future__ import annotations

from typing import Any

from gymnasium import Space
from gymnasium.spaces.utils import is_space_dtype_shape_equiv
from gymnasium.vector.utils import batch_differing_spaces, batch_space

__all__ = ["check_observation_mode", "observation_spaces"]


def check_observation_mode(mode: Any) -> None:
    """Raise TypeError or ValueError unless ``mode`` is one that ``SyncVectorEnv`` knows."""
    if isinstance(mode, tuple) and len(mode) == 2:
        if not all(isinstance(space, Space) for space in mode):
            raise TypeError(
                f"expected both elements of observation_mode to be spaces, got {type(mode[0])} and {type(mode[1])}"
            )
    elif mode not in ("same", "different"):
        raise ValueError(  # Gymnasium's words, which callers match; the order in the tuple is added
            f"Invalid `observation_mode`, expected: 'same' or 'different' or tuple of single and batch observation "
            f"space, actual got {mode} (the tuple is (batched, single))"
        )


def observation_spaces(
    mode: str | tuple[Space[Any], Space[Any]], singles: list[Space[Any]]
) -> tuple[Space[Any], Space[Any]]:
    """``(batched, single)`` observation space of envs with these spaces.

    Raises:
        ValueError, TypeError, RuntimeError: mode ``"different"``, and they differ in more than their bounds: what
            SyncVectorEnv raises.
    """
    if isinstance(mode, tuple):
        return mode
    if mode == "same":
        return batch_space(singles[0], len(singles)), singles[0]
    batched = batch_differing_spaces(singles)
    for i, space in enumerate(singles):
        if not is_space_dtype_shape_equiv(space, singles[0]):
            raise RuntimeError(
                f"expected observation spaces that share a shape and dtype: that of env {i} is {space}, "
                f"that of env 0 is {singles[0]}"
            )
    return batched, singles[0]
