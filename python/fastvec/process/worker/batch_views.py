"""A worker's rows of the batches in shared memory."""

from __future__ import annotations

import numpy as np

from fastvec import _core
from fastvec.process.wire.protocol import Attachment
from fastvec.process.wire.shared_memory import ASYNC_BUFFER
from fastvec.vector.layout import BatchLayout, leaves_of

__all__ = ["BatchViews"]


class BatchViews:
    """Arrays on the rows of a worker's envs: array leaves of observations, rewards, terminations and truncations.

    Args:
        attachment: spaces, and where the batches are.
        memory: the vector's.
        envs: indices of the worker's envs.
    """

    def __init__(self, attachment: Attachment, memory: _core.SharedMemory, envs: range) -> None:
        self._memory = memory
        self._offset = attachment.buffers_offset
        self._layout = BatchLayout(leaves_of(attachment.single_observation_space), attachment.num_envs)
        self._envs = envs
        self._views: dict[int, list[np.ndarray]] = {}
        self._of_single_envs: list[list[np.ndarray]] = []

    def of_all(self, buffer: int) -> list[np.ndarray]:
        """Arrays of shape ``(number of the worker's envs, ...)``, on their rows of a batch buffer."""
        views = self._views.get(buffer)
        if views is None:
            block = self._memory.block(self._offset + buffer * self._layout.size, self._layout.size)
            rows = slice(self._envs.start, self._envs.stop)
            views = [array[rows] for array in self._layout.arrays(block)]
            self._views[buffer] = views
        return views

    def of_one(self, row: int) -> list[np.ndarray]:
        """Arrays of shape ``(1, ...)``, on one env's row of the buffer for asynchronous use."""
        if not self._of_single_envs:
            whole = self.of_all(ASYNC_BUFFER)
            self._of_single_envs = [[view[i : i + 1] for view in whole] for i in range(len(self._envs))]
        return self._of_single_envs[row]
