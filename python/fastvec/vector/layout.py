"""Where the numbers of a vector lie in shared memory: batches of observations, and actions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import concatenate

__all__ = ["ActionLayout", "BatchLayout", "Leaf", "assemble", "has_empty_part", "leaves_of", "pick"]

_ALIGN = 64
_PAGE = 4096
_WIDEST = 16  # bytes of the widest dtype that an action may have
_BATCHED = concatenate.dispatch(spaces.Box)
_TUPLE = concatenate.dispatch(spaces.Tuple)
_DICT = concatenate.dispatch(spaces.Dict)


@dataclass(frozen=True)
class Leaf:
    """A part of a space that is batched on its own.

    Attributes:
        path: the keys and indices that lead to it.
        space: a space that is neither Tuple nor Dict.
        is_array: batched into one array; else its values travel as they are.
    """

    path: tuple[Any, ...]
    space: spaces.Space[Any]
    is_array: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one value."""
        return self.space.shape or ()

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the batch."""
        return np.dtype(self.space.dtype)


def leaves_of(space: Any, path: tuple[Any, ...] = ()) -> list[Leaf]:
    """The leaves of a single (Gymnasium) space, as ``gymnasium.vector.utils.concatenate`` batches them."""
    rule = concatenate.dispatch(type(space))
    if rule is _TUPLE:
        return [leaf for i, part in enumerate(space.spaces) for leaf in leaves_of(part, (*path, i))]
    if rule is _DICT:
        return [leaf for key, part in space.spaces.items() for leaf in leaves_of(part, (*path, key))]
    return [Leaf(path, space, rule is _BATCHED)]


def has_empty_part(space: Any) -> bool:
    """Whether a space is, or holds, a Tuple or Dict without parts: its batch does not tell how many it is of."""
    rule = concatenate.dispatch(type(space))
    if rule is not _TUPLE and rule is not _DICT:
        return False
    parts = list(space.spaces.values() if rule is _DICT else space.spaces)
    return not parts or any(map(has_empty_part, parts))


def assemble(space: Any, values: Iterator[Any]) -> Any:
    """Values of the leaves, put together as ``space`` nests them."""
    rule = concatenate.dispatch(type(space))
    if rule is _TUPLE:
        return tuple(assemble(part, values) for part in space.spaces)
    if rule is _DICT:
        return {key: assemble(part, values) for key, part in space.spaces.items()}
    return next(values)


def pick(value: Any, path: tuple[Any, ...]) -> Any:
    """The part of a nested value that ``path`` leads to."""
    for key in path:
        value = value[key]
    return value


class BatchLayout:
    """One batch in a block of memory: an array per array leaf, rewards, terminations, truncations.

    Attributes:
        size: bytes of a block, a multiple of the page size.
    """

    def __init__(self, leaves: list[Leaf], num_envs: int) -> None:
        self._fields: list[tuple[tuple[int, ...], np.dtype, int]] = []
        end = 0
        row_types = [(leaf.shape, leaf.dtype) for leaf in leaves if leaf.is_array]
        for shape, dtype in [*row_types, ((), np.dtype(np.float64)), ((), np.dtype(bool)), ((), np.dtype(bool))]:
            self._fields.append(((num_envs, *shape), dtype, end))
            end = _padded(end + num_envs * math.prod(shape) * dtype.itemsize, _ALIGN)
        self.size = _padded(max(end, 1), _PAGE)

    def arrays(self, block: Any) -> list[np.ndarray]:
        """Fresh arrays on a block: the leaves, then rewards, terminations and truncations.

        Each keeps the block alive, and so does every view of it: the block's reference count tells.
        """
        return [np.ndarray(shape, dtype, block, offset) for shape, dtype, offset in self._fields]

    def new_arrays(self) -> list[np.ndarray]:
        """As :meth:`arrays`, each on memory of its own."""
        return [np.empty(shape, dtype) for shape, dtype, _ in self._fields]


class ActionLayout:
    """One row of actions per env, in whatever numeric dtype the caller has them: SyncVectorEnv casts nothing.

    Attributes:
        leaves: the leaves of the single action space, or None if some are no arrays and all must be pickled.
        size: bytes of the block.
    """

    def __init__(self, space: spaces.Space[Any], num_envs: int) -> None:
        leaves = leaves_of(space)
        self.leaves = leaves if all(leaf.is_array for leaf in leaves) else None
        self._num_envs = num_envs
        self._offsets: list[int] = []
        end = 0
        for leaf in self.leaves or ():
            self._offsets.append(end)
            end = _padded(end + num_envs * _WIDEST * max(1, math.prod(leaf.shape)), _ALIGN)
        self.size = _padded(max(end, 1), _PAGE)

    @staticmethod
    def fits(dtype: np.dtype) -> bool:
        """Whether values of this dtype can lie in the block."""
        return dtype.kind in "biufc" and dtype.itemsize <= _WIDEST

    def arrays(self, block: Any, dtypes: tuple[str, ...]) -> list[np.ndarray]:
        """An array of shape ``(num_envs, ...)`` per leaf, on the same memory for every dtype."""
        arrays = []
        for leaf, offset, dtype in zip(self.leaves or (), self._offsets, dtypes, strict=True):
            size = np.dtype(dtype).itemsize
            strides = [size * math.prod(leaf.shape[axis + 1 :]) for axis in range(len(leaf.shape))]
            row = _WIDEST * max(1, math.prod(leaf.shape))
            arrays.append(np.ndarray((self._num_envs, *leaf.shape), dtype, block, offset, (row, *strides)))
        return arrays


def _padded(size: int, align: int) -> int:
    return (size + align - 1) // align * align
