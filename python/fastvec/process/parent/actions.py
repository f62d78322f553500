"""Actions of a batch on their way to the workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import Space
from gymnasium.vector.utils import iterate

from fastvec.errors import ActionTypeError, InvalidActionError
from fastvec.vector.layout import ActionLayout, has_empty_part, pick

__all__ = ["ActionWriter"]


class ActionWriter:
    """Writes batches of actions into shared memory, in whatever numeric dtypes the caller has them.

    Args:
        layout: of the actions.
        block: the memory.
        action_space: the batched space.
        announce: tells the workers of a format: its number and the dtypes of its leaves.
    """

    def __init__(
        self,
        layout: ActionLayout,
        block: Any,
        action_space: Space[Any],
        announce: Callable[[int, tuple[str, ...]], None],
    ) -> None:
        self._layout = layout
        self._block = block
        self._space = action_space
        self._announce = announce
        self._can_be_split = not has_empty_part(action_space)
        self._formats: dict[tuple[str, ...], tuple[int, list[np.ndarray]]] = {}
        leaves = layout.leaves or []
        self._is_array = len(leaves) == 1 and not leaves[0].path
        self._shape = leaves[0].shape if self._is_array else ()

    def write(self, actions: Any, rows: int, envs: np.ndarray | None = None) -> int | list[Any]:
        """Write ``rows`` actions to the rows ``envs`` (None: all) and return the number of their format.

        Returns:
            a list with an action per row instead, to be pickled, if they are no arrays.

        Raises:
            fastvec.errors.InvalidActionError: not as many as that, or of the wrong shape; or the action space is, or
                holds, a Dict or Tuple without parts.
        """
        if not self._can_be_split:  # the ValueError of SyncVectorEnv, which steps no env either
            raise InvalidActionError(f"expected an action space with parts in each Dict and Tuple, got {self._space}")
        if self._layout.leaves is not None:
            arrays = [actions] if self.are_one_array(actions, rows) else self._arrays(actions, rows)
            if arrays is not None:
                number, views = self._format(tuple([array.dtype.str for array in arrays]))
                for view, array in zip(views, arrays, strict=True):
                    view[... if envs is None else envs] = array
                return number
        try:
            given = list(iterate(self._space, actions))
        except (TypeError, ValueError, KeyError, IndexError) as error:
            kind = ActionTypeError if isinstance(error, TypeError) else InvalidActionError
            raise kind(f"expected a batch of {rows} actions: {error}") from error
        if len(given) != rows:
            raise InvalidActionError(f"expected {rows} actions, got {len(given)}")
        return given

    def are_one_array(self, actions: Any, rows: int) -> bool:
        """Whether the actions are as they mostly are: one array that needs no conversion."""
        return (
            self._is_array
            and type(actions) is np.ndarray
            and actions.shape == (rows, *self._shape)
            and self._layout.fits(actions.dtype)
        )

    def _arrays(self, actions: Any, rows: int) -> list[np.ndarray] | None:
        """One array per leaf, or None if some are no arrays."""
        arrays = []
        for leaf in self._layout.leaves or ():
            try:
                value = pick(actions, leaf.path)
            except (TypeError, KeyError, IndexError) as error:
                where = "".join(f"[{key!r}]" for key in leaf.path)
                kind = ActionTypeError if isinstance(error, TypeError) else InvalidActionError
                raise kind(f"expected actions{where} to be there: {error!r}") from error
            if type(value) is not np.ndarray:
                if isinstance(value, (list, tuple)) or not hasattr(value, "__array__"):
                    return None
                value = np.asarray(value)
            if not self._layout.fits(value.dtype):
                return None
            if value.shape != (rows, *leaf.shape):
                where = "".join(f"[{key!r}]" for key in leaf.path)
                kind = ActionTypeError if value.ndim == 0 else InvalidActionError  # one action is no batch
                raise kind(f"expected actions{where} of shape {(rows, *leaf.shape)}, got shape {value.shape}")
            arrays.append(value)
        return arrays

    def _format(self, dtypes: tuple[str, ...]) -> tuple[int, list[np.ndarray]]:
        found = self._formats.get(dtypes)
        if found is None:
            found = len(self._formats), self._layout.arrays(self._block, dtypes)
            self._announce(found[0], dtypes)
            self._formats[dtypes] = found
        return found
