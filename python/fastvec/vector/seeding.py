"""Seeds for a vector: what ``reset(seed=...)`` accepts, as words for the native SeedSequence."""

from __future__ import annotations

import os
from collections.abc import Sequence

import gymnasium.error
import numpy as np

__all__ = ["random_words", "seed_list", "seed_words"]

_MAX_WORDS = 4  # 32-bit words: seeds below 2**128, the pool size of numpy.random.SeedSequence


def seed_list(seed: int | Sequence[int | None] | None, num_envs: int) -> Sequence[int | None] | None:
    """One seed per env, as SyncVectorEnv derives them; None if no env is to be seeded.

    Raises:
        ValueError: a list of the wrong length.
    """
    if seed is None:
        return None
    if isinstance(seed, int):
        check_seed(seed)
        check_seed(seed + num_envs - 1)
        return range(seed, seed + num_envs)
    if len(seed) != num_envs:
        raise ValueError(
            f"If seeds are passed as a list the length must match num_envs={num_envs} but got length={len(seed)}."
        )
    for one in seed:
        if one is not None:
            check_seed(one)
    return seed


def check_seed(seed: object) -> None:
    """Raise ``gymnasium.error.Error``, as Gymnasium does, unless ``seed`` is an int in [0, 2**128)."""
    if not isinstance(seed, int):
        raise gymnasium.error.Error(f"Seed must be a python integer, actual type: {type(seed)}")
    if seed < 0:
        raise gymnasium.error.Error(f"Seed must be greater or equal to zero, actual value: {seed}")
    if seed >= 1 << (32 * _MAX_WORDS):
        raise gymnasium.error.Error(f"Seed must be less than 2**{32 * _MAX_WORDS}, actual value: {seed}")


def seed_words(seeds: Sequence[int | None]) -> tuple[np.ndarray, np.ndarray | None]:
    """The seeds as uint32 words of shape ``(num_envs, words)``, low first, and a bool mask of who has one.

    The mask is None if every env has a seed.
    """
    if isinstance(seeds, range) and seeds.stop <= 1 << 63:
        return np.arange(seeds.start, seeds.stop, dtype="<u8").view("<u4").reshape(-1, 2), None
    mask = np.array([seed is not None for seed in seeds], dtype=np.bool_)
    return _split([0 if seed is None else seed for seed in seeds]), None if mask.all() else mask


def random_words(num_envs: int) -> np.ndarray:
    """Words from the operating system, 128 bits per env: what SeedSequence takes when no seed is given."""
    return np.frombuffer(os.urandom(4 * _MAX_WORDS * num_envs), dtype="<u4").reshape(num_envs, _MAX_WORDS)


def _split(seeds: Sequence[int]) -> np.ndarray:
    data = b"".join(seed.to_bytes(4 * _MAX_WORDS, "little") for seed in seeds)
    return np.frombuffer(data, dtype="<u4").reshape(-1, _MAX_WORDS)
