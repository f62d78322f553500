"""From an environment's observations to what networks take.

uint8 images, with two axes or three, stay as they are. Everything else becomes one float32 row per environment, in
which pictures (of floats, or parts of a Tuple or Dict) have their places: numbers as they are, but bytes (uint8) as
shares of the largest one that their space allows; choices (Discrete, MultiDiscrete) one-hot; and the parts of a Tuple
or Dict side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector.utils import concatenate, create_empty_array

from fastvec.train.pictures import Picture

Array = np.ndarray[Any, Any]
MAX_CHOICES = 1 << 16
"""Choices that an observation may be among."""

MIN_PICTURE = 8
"""The least height and width of what is taken for a picture."""

Writer = Callable[[Any, Array], None]


class ObservationEncoder:
    """Writes batches of one space's observations into rows of shape ``shape`` and dtype ``dtype``.

    Attributes:
        pictures: those that are parts of a row; none where the whole observation is an image.
    """

    def __init__(self, space: gym.Space[Any]) -> None:
        self.space = space
        self.is_image = isinstance(space, gym.spaces.Box) and space.dtype == np.uint8 and len(space.shape) in (2, 3)
        self.largest = 1.0
        """The brightest that a pixel of an image may be."""
        self.shape: tuple[int, ...]
        if isinstance(space, gym.spaces.Box) and self.is_image:
            # A picture without an axis for colours has one of length 1 in front.
            self.shape, self.dtype = ((1, *space.shape) if len(space.shape) == 2 else space.shape), torch.uint8
            self.largest = float(max(space.high.max(initial=0), 1))
            self._write: Writer = _write_as_is
        else:
            width, self._write = _writer(space)
            self.shape, self.dtype = (width,), torch.float32
        self.pictures: tuple[Picture, ...] = () if self.is_image else tuple(pictures_in(space))

    def encode(self, observations: Any, out: Array) -> None:
        """Write a batch, as a VectorEnv returns it, into ``out`` ``[N, *shape]``."""
        self._write(observations, out)

    def encode_one(self, observation: Any) -> Array:
        """A single observation as rows ``[1, *shape]``."""
        return self.encode_batch(_batch_of_one(observation), 1)

    def encode_list(self, observations: list[Any]) -> Array:
        """A list of single observations as rows ``[len(observations), *shape]``."""
        empty: Any = create_empty_array(self.space, n=len(observations))
        return self.encode_batch(concatenate(self.space, observations, empty), len(observations))

    def encode_batch(self, observations: Any, num_rows: int) -> Array:
        """A batch, as a VectorEnv returns it, as new rows ``[num_rows, *shape]``."""
        rows = np.empty((num_rows, *self.shape), dtype=np.uint8 if self.is_image else np.float32)
        self._write(observations, rows)
        return rows


def take_rows(observations: Any, rows: Array) -> Any:
    """The given rows of a batch of observations, of any structure."""
    if isinstance(observations, dict):
        return {key: take_rows(value, rows) for key, value in observations.items()}
    if isinstance(observations, tuple):
        return tuple(take_rows(value, rows) for value in observations)
    return observations[rows]


def is_single(space: gym.Space[Any], observation: Any) -> bool:
    """Whether ``observation`` is one of ``space``, and not a batch of them. Only shapes are looked at.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(space, gym.spaces.Dict | gym.spaces.Tuple):
        key: Any = next(iter(space.spaces)) if isinstance(space, gym.spaces.Dict) else 0
        return is_single(space[key], observation[key])
    wanted, shape = space.shape or (), np.shape(observation)
    if shape == wanted:
        return True
    if shape[1:] == wanted and len(shape) == len(wanted) + 1:
        return False
    raise ValueError(f"expected an observation of shape {wanted}, or a batch {('N', *wanted)} of them, got {shape}")


def _batch_of_one(observation: Any) -> Any:
    """The same with an axis of length 1 in front."""
    if isinstance(observation, dict):
        return {key: _batch_of_one(value) for key, value in observation.items()}
    if isinstance(observation, tuple):
        return tuple(_batch_of_one(value) for value in observation)
    return np.asarray(observation)[None]


def pictures_in(space: gym.Space[Any], start: int = 0) -> Iterator[Picture]:
    """The pictures among the numbers that an observation of ``space`` becomes.

    A Box with three axes, of which two are 8 long or more, is one; so is a part of uint8 with two such axes.

    Args:
        space: of one environment.
        start: the place of the first of those numbers.

    Yields:
        Each of them, in order.
    """
    if isinstance(space, gym.spaces.Tuple | gym.spaces.Dict):
        for part in space.spaces.values() if isinstance(space, gym.spaces.Dict) else space.spaces:
            yield from pictures_in(part, start)
            start += _writer(part)[0]
    elif isinstance(space, gym.spaces.Box):
        shape = (1, *space.shape) if space.dtype == np.uint8 and len(space.shape) == 2 else space.shape
        if len(shape) == 3 and sorted(shape)[1] >= MIN_PICTURE:
            yield Picture(start, tuple(shape))


def _writer(space: gym.Space[Any]) -> tuple[int, Writer]:
    """How many numbers an observation of ``space`` becomes, and the function that writes a batch of them."""
    if isinstance(space, gym.spaces.Discrete | gym.spaces.MultiDiscrete):
        _check_choices(space)
    if isinstance(space, gym.spaces.Discrete):
        return int(space.n), _one_hot_writer([int(space.n)], int(space.start))
    if isinstance(space, gym.spaces.MultiDiscrete):
        nvec = [int(n) for n in space.nvec.ravel()]
        return sum(nvec), _one_hot_writer(nvec, space.start)
    if isinstance(space, gym.spaces.Box) and space.dtype == np.uint8:
        return int(np.prod(space.shape)), _bytes_writer(space.high)
    if isinstance(space, gym.spaces.Box | gym.spaces.MultiBinary):
        return int(np.prod(space.shape)), _write_as_is
    if isinstance(space, gym.spaces.Tuple):
        return _join([(index, part) for index, part in enumerate(space.spaces)])
    if isinstance(space, gym.spaces.Dict):
        return _join(list(space.spaces.items()))
    raise TypeError(f"PPO cannot encode observations of {space}; wrap the environment to give numbers")


def _check_choices(space: gym.spaces.Discrete | gym.spaces.MultiDiscrete) -> None:
    """Hold observations to a number of choices whose one-hot rows have room.

    Raises:
        ValueError: there are more.
    """
    count = int(space.n) if isinstance(space, gym.spaces.Discrete) else int(np.sum(space.nvec, dtype=np.int64))
    if count > MAX_CHOICES:
        raise ValueError(
            f"expected observations of at most {MAX_CHOICES:,} choices, which are encoded one-hot, got {space} with "
            f"{count:,}: wrap the environment to give numbers"
        )


def _write_as_is(observations: Any, out: Array) -> None:
    np.copyto(out, np.asarray(observations).reshape(out.shape), casting="unsafe")


def _bytes_writer(high: Array) -> Writer:
    largest = np.maximum(high.ravel(), 1).astype(np.float32)

    def write(observations: Any, out: Array) -> None:
        np.divide(np.asarray(observations).reshape(out.shape), largest, out=out)

    return write


def _one_hot_writer(nvec: list[int], start: Any) -> Writer:
    offsets, sizes = np.cumsum([0, *nvec[:-1]]), np.array(nvec)

    def write(observations: Any, out: Array) -> None:
        choices = (np.asarray(observations) - start).reshape(len(out), len(nvec))
        if ((choices < 0) | (choices >= sizes)).any():
            raise ValueError(f"an observation is outside its space: expected choices below {nvec}, got {choices}")
        out[...] = 0.0
        np.put_along_axis(out, choices + offsets, 1.0, axis=1)

    return write


def _join(parts: list[tuple[Any, gym.Space[Any]]]) -> tuple[int, Writer]:
    pieces = []
    width = 0
    for key, space in parts:
        size, write = _writer(space)
        pieces.append((key, slice(width, width + size), write))
        width += size

    def write_all(observations: Any, out: Array) -> None:
        for key, columns, write in pieces:
            write(observations[key], out[:, columns])

    return width, write_all
