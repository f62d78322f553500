"""Arguments of a vector's methods, checked: what every backend asks of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

__all__ = [
    "as_env_ids",
    "checked_batch_size",
    "checked_env_ids",
    "checked_timeout",
    "split_reset_mask",
    "values_per_env",
]


class HasBatchSize(Protocol):
    """What :func:`checked_batch_size` reads of a vector."""

    num_envs: int
    batch_size: int


def split_reset_mask(options: dict[str, Any] | None, num_envs: int) -> tuple[np.ndarray | None, dict[str, Any] | None]:
    """``options["reset_mask"]``, checked as SyncVectorEnv checks it, and the other options.

    Unlike SyncVectorEnv this leaves the caller's dict alone.
    """
    if options is None or "reset_mask" not in options:
        return None, options
    rest = {key: value for key, value in options.items() if key != "reset_mask"}
    mask = options["reset_mask"]
    if not isinstance(mask, np.ndarray):
        raise TypeError(f"`options['reset_mask']` must be a numpy array, got {type(mask)}")
    if mask.shape != (num_envs,):
        raise ValueError(f"`options['reset_mask']` must have shape `({num_envs},)`, got {mask.shape}")
    if mask.dtype != np.bool_:
        raise TypeError(f"`options['reset_mask']` must have `dtype=np.bool_`, got {mask.dtype}")
    if not mask.any():
        raise ValueError(
            f"`options['reset_mask']` must contain a boolean array with at least one True value, got reset_mask={mask}"
        )
    return np.ascontiguousarray(mask), rest


def checked_batch_size(batch_size: int | None, vector: HasBatchSize) -> int:
    """The number of envs that a ``recv`` of this vector waits for; ValueError or TypeError if it cannot be."""
    if batch_size is None:
        return vector.batch_size
    if isinstance(batch_size, (bool, np.bool_)) or not isinstance(batch_size, (int, np.integer)):
        raise TypeError(f"recv: expected batch_size to be an int, got {batch_size!r}")
    if not 1 <= batch_size <= vector.num_envs:
        raise ValueError(f"recv: expected a batch_size from 1 to {vector.num_envs}, got {batch_size}")
    return int(batch_size)


def checked_timeout(timeout: Any) -> float | None:
    """Seconds to wait at most, or None; TypeError or ValueError if it is no number."""
    if timeout is None:
        return None
    seconds = float(timeout)
    if math.isnan(seconds):
        raise ValueError("expected a timeout in seconds, got NaN")
    return seconds


def as_env_ids(env_ids: Any) -> np.ndarray:
    """Env ids as a contiguous int64 array of shape ``(k,)``; TypeError if they are no integers."""
    ids = np.asarray(env_ids)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise TypeError(f"expected env_ids to be a one-dimensional array of integers, got {env_ids!r}")
    return np.ascontiguousarray(ids, dtype=np.int64)


def checked_env_ids(env_ids: Any, num_envs: int, what: str) -> np.ndarray:
    """Ids of different envs of a vector of ``num_envs``, as :func:`as_env_ids` gives them.

    Raises:
        TypeError: no integers.
        ValueError: there is no such env, or one is named twice; ``what`` begins the message.
    """
    ids = as_env_ids(env_ids)
    outside = ids[(ids < 0) | (ids >= num_envs)]
    if outside.size:
        raise ValueError(f"{what}: expected env ids from 0 to {num_envs - 1}, got {outside[0]}")
    twice = np.flatnonzero(np.bincount(ids) > 1)
    if twice.size:
        raise ValueError(f"{what}: expected each env id once, got {twice[0]} twice")
    return ids


def values_per_env(values: list[Any] | tuple[Any, ...] | Any, num_envs: int) -> Sequence[Any]:
    """What ``set_attr`` is given, as one value per env: a list or tuple holds them, all else is for every env.

    Raises:
        ValueError: a list or tuple of another length than ``num_envs``.
    """
    if not isinstance(values, (list, tuple)):
        return [values] * num_envs
    if len(values) != num_envs:
        raise ValueError(
            "Values must be a list or tuple with length equal to the number of environments. "
            f"Got `{len(values)}` values for {num_envs} environments."
        )
    return values
