"""Single observations of a worker's envs, written into its rows of a batch."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import create_empty_array

from fastvec.vector.layout import Leaf, assemble, leaves_of, pick

__all__ = ["ObservationWriter", "blank_observation"]

_WHOLE = {int, np.int64}


def blank_observation(space: spaces.Space[Any]) -> Any:
    """A single observation of zeros, for an env that has none to give."""
    return assemble(space, (_blank(leaf) for leaf in leaves_of(space)))


def _blank(leaf: Leaf) -> Any:
    batch: Any = create_empty_array(leaf.space, n=1)
    return None if batch is None else batch[0]


class ObservationWriter:
    """Writes observations as ``gymnasium.vector.utils.concatenate`` does: same casts, same errors.

    Args:
        space: the single observation space of the vector.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        leaves = leaves_of(space)
        self._arrays = [(leaf, _picker(leaf.path)) for leaf in leaves if leaf.is_array]
        self._others = [_picker(leaf.path) for leaf in leaves if not leaf.is_array]

    def write(self, observations: list[Any], views: list[np.ndarray]) -> list[list[Any]]:
        """Write one observation per row of ``views`` (one array per array leaf).

        Returns:
            the values of each leaf that is no array.

        Raises:
            whatever ``concatenate`` raises for an observation that does not fit.
        """
        for (leaf, picked), view in zip(self._arrays, views, strict=False):  # rewards and flags follow in views
            _write_leaf(list(map(picked, observations)) if leaf.path else observations, view, leaf.shape)
        return [list(map(picked, observations)) for picked in self._others]


def _picker(path: tuple[Any, ...]) -> Callable[[Any], Any]:
    """What takes the part of an observation that ``path`` leads to."""
    return operator.itemgetter(path[0]) if len(path) == 1 else lambda observation: pick(observation, path)


def _write_leaf(values: list[Any], view: np.ndarray, shape: tuple[int, ...]) -> None:
    # The short cuts give what np.stack gives, several times as fast for small rows.
    if shape:
        try:
            if {value.shape for value in values} == {shape}:
                np.concatenate(values, out=view.reshape(-1, *shape[1:]))
                return
        except AttributeError:  # no arrays
            pass
    elif view.dtype == np.int64 and _WHOLE.issuperset(map(type, values)):
        view[:] = values
        return
    np.stack(values, axis=0, out=view)
