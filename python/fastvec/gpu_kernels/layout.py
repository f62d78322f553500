"""How large the rows of a kernel's arrays are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Layout"]

# By number: FV_BOOL and so on, in abi.h.
DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


@dataclass(frozen=True)
class Layout:
    """What has to be known to allocate the arrays that the kernels work on.

    Attributes:
        state_bytes: bytes of one env's state.
        shared_bytes: bytes of what all envs share.
        rng_bytes: bytes of one env's generator.
        observation_dtype, observation_width: elements of one row of observations.
        action_dtype, action_width: elements of one row of actions.
        num_options: how many numbers ``reset(options=...)`` may carry.
    """

    state_bytes: int
    shared_bytes: int
    rng_bytes: int
    observation_dtype: np.dtype
    observation_width: int
    action_dtype: np.dtype
    action_width: int
    num_options: int

    @classmethod
    def from_numbers(cls, numbers: Sequence[int]) -> Layout:
        """From ``fastvec_layout``, the numbers that every kernel source carries."""
        if len(numbers) != 8:
            raise ValueError(f"expected the 8 numbers of fastvec_layout, got {len(numbers)}")
        state, shared, rng, observation, observation_width, action, action_width, options = numbers
        return cls(
            state_bytes=state,
            shared_bytes=shared,
            rng_bytes=rng,
            observation_dtype=np.dtype(DTYPES[observation]),
            observation_width=observation_width,
            action_dtype=np.dtype(DTYPES[action]),
            action_width=action_width,
            num_options=options,
        )
