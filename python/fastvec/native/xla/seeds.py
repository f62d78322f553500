"""Seeds as words for the native SeedSequence, for concrete and traced values alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fastvec.vector.seeding import seed_list, seed_words

__all__ = ["entropy"]

_KEY_WORDS = 4  # 128 bits for each env


def entropy(seed: Any, num_envs: int) -> jax.Array:
    """Words from which each env's generator is seeded: uint32 ``(num_envs, k)``, low word first.

    Args:
        seed: an int ``s``, or an integer array of shape ``()``: env ``i`` gets the seed ``s + i``, as ``make_vec``'s
            does; one int for each env, as a list or an integer array ``(num_envs,)``; or a key of ``jax.random``, with
            which each env gets 128 random bits. A uint32 array of shape ``(2,)`` is a key.
        num_envs: number of envs.

    Raises:
        TypeError, ValueError: anything else.
    """
    if isinstance(seed, (bool, np.bool_)) or seed is None or isinstance(seed, float):
        raise TypeError(f"expected an int, one int per env, or a key of jax.random, got {seed!r}")
    if isinstance(seed, (int, np.integer)):
        return _concrete(int(seed), num_envs)
    if isinstance(seed, Sequence):
        return _concrete([int(one) for one in seed], num_envs)
    array = jnp.asarray(seed) if isinstance(seed, np.ndarray) else seed
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key) and array.shape == ():
        return jax.random.bits(array, (num_envs, _KEY_WORDS), np.uint32)
    if array.dtype == np.uint32 and array.shape == (2,):
        return jax.random.bits(jax.random.wrap_key_data(array), (num_envs, _KEY_WORDS), np.uint32)
    if not jnp.issubdtype(array.dtype, jnp.integer) or array.shape not in ((), (num_envs,)):
        raise TypeError(
            f"expected a seed of shape (), seeds of shape ({num_envs},), or one key of jax.random, got {array.dtype} "
            f"of shape {array.shape}"
        )
    return _traced(array, num_envs)


def _concrete(seed: Any, num_envs: int) -> jax.Array:
    seeds = seed_list(seed, num_envs)
    assert seeds is not None
    return jnp.asarray(seed_words(seeds)[0])


def _traced(seed: jax.Array, num_envs: int) -> jax.Array:
    index = jnp.arange(num_envs, dtype=np.uint32) if seed.shape == () else jnp.zeros(num_envs, np.uint32)
    if seed.dtype.itemsize == 8:
        wide = seed.astype(np.uint64) + index.astype(np.uint64)
        return jnp.stack([wide.astype(np.uint32), (wide >> 32).astype(np.uint32)], axis=1)
    start = seed.astype(np.uint32)
    low = start + index
    return jnp.stack([low, (low < start).astype(np.uint32)], axis=1)
