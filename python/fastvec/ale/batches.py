"""What goes into ale-py's vector env, checked, and what comes out, as a ``fastvec.VectorEnv`` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

from fastvec.errors import ActionTypeError, InvalidActionError
from fastvec.vector.out import OutArrays
from fastvec.vector.seeding import seed_list
from fastvec.vector.vector_env import StepReturn

__all__ = ["UNSEEDED", "checked_actions", "checked_seeds", "first_into", "into", "without_leftovers"]

UNSEEDED = -1  # what ale-py takes for "go on with the generator"
_MOST = 2**31 - 1  # it keeps seeds as 32-bit integers


def checked_seeds(seed: int | Sequence[int | None] | None, num_envs: int) -> list[int]:
    """One seed per env, ``UNSEEDED`` where there is none; ValueError where ale-py cannot have one."""
    seeds = [UNSEEDED if one is None else one for one in seed_list(seed, num_envs) or [None] * num_envs]
    if max(seeds) > _MOST:
        raise ValueError(f"expected seeds up to {_MOST} for ale-py, got {max(seeds)}")
    return seeds


def checked_actions(actions: Any, space: Any, batch_size: int) -> np.ndarray:
    """A batch of actions as ale-py takes it: one that does not fit would stop it for good.

    Args:
        actions: what was passed.
        space: of one game: Discrete or Box.
        batch_size: rows of the batch.

    Returns:
        int64 ``(batch_size,)`` of Discrete; of a Box, its dtype and shape.

    Raises:
        fastvec.errors.InvalidActionError: another shape, or outside the space. ActionTypeError: another dtype.
    """
    try:
        given = np.asarray(actions)
    except (TypeError, ValueError) as error:
        raise InvalidActionError(f"expected a batch of {batch_size} actions: {error}") from error
    shape = (batch_size, *(space.shape or ()))
    kinds = "iu" if isinstance(space, Discrete) else "iuf"
    if given.ndim == 0:
        raise ActionTypeError(f"expected a batch of {batch_size} actions, got {actions!r}, which has no rows")
    if given.dtype.kind not in kinds:
        wanted = "integers" if isinstance(space, Discrete) else "numbers"
        raise ActionTypeError(f"expected actions that are {wanted}, got dtype {given.dtype}")
    if given.shape != shape:
        raise InvalidActionError(f"expected actions of shape {shape}, got shape {given.shape}")
    if not isinstance(space, Discrete):
        return given.astype(space.dtype, copy=False)
    wrong = np.flatnonzero((given < 0) | (given >= space.n))
    if wrong.size:
        raise InvalidActionError(f"expected actions from 0 to {space.n - 1}, got {given[wrong[0]]} in row {wrong[0]}")
    return given.astype(np.int64, copy=False)


def first_into(given: OutArrays | None, observations: Any) -> Any:
    """The observations, in the caller's own arrays if there are some."""
    if given is None or given.observations is None:
        return observations
    given.fill_observations([observations])
    return given.observations


def into(given: OutArrays | None, batch: StepReturn) -> StepReturn:
    """The batch, in the caller's own arrays as far as there are some."""
    if given is None:
        return batch
    observations, rewards, terminations, truncations, infos = batch
    rewards, terminations, truncations = given.fill([rewards, terminations, truncations])
    return first_into(given, observations), rewards, terminations, truncations, infos


def without_leftovers(batch: StepReturn) -> StepReturn:
    """Zero the rows of ``final_obs`` whose game goes on: ale-py leaves there what the memory held before."""
    final = batch[4].get("final_obs")
    if final is not None:
        final[~(batch[2] | batch[3])] = 0
    return batch
