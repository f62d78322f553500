"""The arrays of an ``out=`` argument."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastvec.errors import OutTypeError, OutValueError
from fastvec.vector.layout import Leaf

__all__ = ["OutArrays"]

_NAMES = ("observations", "rewards", "terminations", "truncations")


class OutArrays:
    """The caller's own arrays, checked.

    Args:
        out: ``(observations, rewards, terminations, truncations)``, a shorter tuple, or a dict with those keys.
        leaves: of the single observation space.
        num_envs: rows.

    Attributes:
        observations: the caller's object, or None.

    Raises:
        TypeError, ValueError: an array has the wrong type, dtype, shape or layout.
    """

    def __init__(self, out: Any, leaves: list[Leaf], num_envs: int) -> None:
        given = _by_position(out)
        self.observations = given[0]
        self._leaves: list[np.ndarray] = []
        if self.observations is not None:
            for leaf in leaves:
                if not leaf.is_array:
                    raise OutTypeError(f"out: observations of {leaf.space} are no arrays and cannot be written to one")
                where = "out observations" + "".join(f"[{key!r}]" for key in leaf.path)
                value = self.observations
                try:
                    for key in leaf.path:
                        value = value[key]
                except (TypeError, KeyError, IndexError):
                    raise OutTypeError(
                        f"{where}: expected one array per leaf of the observation space, got none"
                    ) from None
                self._leaves.append(_writable(value, leaf.dtype, (num_envs, *leaf.shape), where))
        self._objects = given[1:]
        dtypes = (np.dtype(np.float64), np.dtype(bool), np.dtype(bool))
        self._rest = [
            None if value is None else _writable(value, dtype, (num_envs,), f"out {name}")
            for value, dtype, name in zip(self._objects, dtypes, _NAMES[1:], strict=True)
        ]

    def fill_observations(self, arrays: list[np.ndarray]) -> None:
        """Copy a batch's observations."""
        for own, array in zip(self._leaves, arrays, strict=False):  # rewards and flags follow in arrays
            np.copyto(own, array)

    def fill(self, rest: list[np.ndarray]) -> list[Any]:
        """Copy rewards and flags; returns the caller's objects, and the arrays where there were none."""
        for own, array in zip(self._rest, rest, strict=True):
            if own is not None:
                np.copyto(own, array)
        return [array if given is None else given for given, array in zip(self._objects, rest, strict=True)]


def _by_position(out: Any) -> list[Any]:
    if isinstance(out, dict):
        unknown = [key for key in out if key not in _NAMES]
        if unknown:
            raise OutValueError(
                f"out: expected the keys observations, rewards, terminations and truncations, got {unknown[0]!r}"
            )
        return [out.get(name) for name in _NAMES]
    if isinstance(out, (tuple, list)):
        if not 1 <= len(out) <= len(_NAMES):
            raise OutValueError(
                f"out: expected (observations, rewards, terminations, truncations), got {len(out)} items"
            )
        return [*out, *[None] * (len(_NAMES) - len(out))]
    raise OutTypeError(
        f"out: expected a tuple (observations, rewards, terminations, truncations) or a dict with these keys, "
        f"got {type(out)}"
    )


def _writable(value: Any, dtype: np.dtype, shape: tuple[int, ...], where: str) -> np.ndarray:
    expected = f"{where}: expected a writable, C-contiguous array or CPU tensor of {dtype} and shape {shape}"
    array = value
    if not isinstance(array, np.ndarray):
        if not hasattr(value, "numpy"):
            raise OutTypeError(f"{expected}, got {type(value)}")
        try:
            array = value.numpy()
        except Exception as error:
            raise OutTypeError(f"{expected}; {error}") from error
    if array.dtype != dtype:
        raise OutTypeError(f"{expected}, got dtype {array.dtype}")
    if array.shape != shape:
        raise OutValueError(f"{expected}, got shape {array.shape}")
    if not array.flags.c_contiguous or not array.flags.aligned:
        raise OutValueError(f"{expected}, got one that is not contiguous")
    if not array.flags.writeable:
        raise OutValueError(f"{expected}, got a read-only one")
    return array
