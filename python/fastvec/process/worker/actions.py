"""Actions of a batch, as the parent wrote them into shared memory, for the envs of one worker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import iterate

from fastvec import _core
from fastvec.process.wire.protocol import Attachment
from fastvec.vector.layout import ActionLayout, assemble

__all__ = ["ActionReader"]

_ITERATES_ROWS = iterate.dispatch(spaces.Box)


class ActionReader:
    """Reads actions, in whatever formats the parent has announced.

    Args:
        attachment: spaces, and where the actions are.
        memory: the vector's.
        envs: indices of the worker's envs.

    Attributes:
        are_one_array: whether the actions of a batch are one array whose rows are the actions.
    """

    def __init__(self, attachment: Attachment, memory: _core.SharedMemory, envs: range) -> None:
        self._action_space = attachment.action_space
        self._single_action_space = attachment.single_action_space
        self._envs = envs
        self._layout = ActionLayout(attachment.single_action_space, attachment.num_envs)
        parts = self._layout.leaves or []
        # Whether `iterate` gives the rows of an array: it takes long to find out anew at each step.
        self.are_one_array = (
            len(parts) == 1 and not parts[0].path and iterate.dispatch(type(self._action_space)) is _ITERATES_ROWS
        )
        self._block = memory.block(attachment.actions_offset, self._layout.size)
        self._formats: dict[int, list[np.ndarray]] = {}

    def add_format(self, number: int, dtypes: tuple[str, ...]) -> None:
        """Learn that actions of format ``number`` have these dtypes, one for each leaf."""
        self._formats[number] = self._layout.arrays(self._block, dtypes)

    def of_all(self, action_format: int) -> Iterable[Any]:
        """Copies of the actions of all the worker's envs, as ``gymnasium.vector.utils.iterate`` gives them."""
        first, last = self._envs.start, self._envs.stop
        arrays = self._formats[action_format]
        if self.are_one_array:
            return arrays[0][first:last].copy()
        return self._iterate(array[first:last].copy() for array in arrays)

    def of_one(self, row: int, action_format: int) -> Any:
        """A copy of the action of one env: ``row`` counts the worker's."""
        env = self._envs.start + row
        return next(iter(self._iterate(array[env : env + 1].copy() for array in self._formats[action_format])))

    def _iterate(self, arrays: Iterable[np.ndarray]) -> Iterable[Any]:
        return iterate(self._action_space, assemble(self._single_action_space, iter(arrays)))
