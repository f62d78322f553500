"""From what the workers wrote and said to what ``reset``, ``step`` and ``recv`` return."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium import Space
from gymnasium.vector.utils import concatenate, create_empty_array

from fastvec import _core
from fastvec.process.wire.infos import decode, merge, merge_rows
from fastvec.process.wire.protocol import Failure
from fastvec.process.wire.shared_memory import ASYNC_BUFFER, BufferRing
from fastvec.vector.layout import BatchLayout, assemble, leaves_of
from fastvec.vector.out import OutArrays

__all__ = ["BatchAssembler", "BatchBuffer"]


_SMALL = 1 << 16  # bytes of a batch


class BatchBuffer:
    """The memory of a batch that is being made.

    Attributes:
        index: the workers' number for it.
        arrays: on that memory: the leaves of the observations that are arrays, rewards, terminations, truncations.
        must_copy: others may use the memory again: what is given away must be copied.
    """

    __slots__ = ("arrays", "index", "must_copy")

    def __init__(self, index: int, arrays: list[np.ndarray], must_copy: bool) -> None:
        self.index = index
        self.arrays = arrays
        self.must_copy = must_copy


class BatchAssembler:
    """The batches of a vector.

    Args:
        space: the single observation space.
        shares: the envs of each worker.
        copy: whether arrays that were returned are never overwritten.

    Attributes:
        buffer_size: bytes of memory that a batch takes.
        is_one_array: whether its observations are.
    """

    def __init__(self, space: Space[Any], shares: list[range], *, copy: bool) -> None:
        self._space = space
        self._shares = shares
        self._copy = copy
        self._num_envs = shares[-1].stop
        self._leaves = leaves_of(space)
        self.is_one_array = len(self._leaves) == 1 and self._leaves[0].is_array and not self._leaves[0].path
        # The latest values of leaves that are no arrays, one per env.
        self._items: list[list[Any]] = [[None] * self._num_envs for leaf in self._leaves if not leaf.is_array]
        self._layout = BatchLayout(self._leaves, self._num_envs)
        self.buffer_size = self._layout.size

    def use(self, memory: _core.SharedMemory, offset: int, buffers: int) -> None:
        """Make batches in ``buffers`` buffers of the memory, from ``offset`` on."""
        self._ring = BufferRing(memory, offset, self.buffer_size, buffers, reuse_one=not self._copy)
        self._async_arrays = self._layout.arrays(self._ring.block(ASYNC_BUFFER))

    def begin(self) -> BatchBuffer:
        """Memory for a batch, on which no array is left."""
        index, block, must_copy = self._ring.acquire()
        return BatchBuffer(index, self._layout.arrays(block), must_copy)

    @property
    def is_small(self) -> bool:
        """Whether a batch takes so little memory that to take new one costs less than to look for old one."""
        return self.buffer_size <= _SMALL

    def begin_small(self) -> BatchBuffer:
        """A buffer that is no buffer: arrays with memory of their own, for who needs no shared one."""
        return BatchBuffer(-1, self._layout.new_arrays(), False)

    def out_arrays(self, out: Any) -> OutArrays | None:
        """The caller's ``out=`` argument, checked."""
        return None if out is None else OutArrays(out, self._leaves, self._num_envs)

    def read(self, messages: list[Any]) -> tuple[list[Failure], dict[str, Any]]:
        """Failures and infos of a batch, from one message (or None) per worker."""
        failures: list[Failure] = []
        parts = []
        for share, message in zip(self._shares, messages, strict=True):
            if message is None:
                continue
            failed, infos, others = message
            failures += failed
            parts.append((share.start, len(share), infos))
            for items, values in zip(self._items, others or (), strict=False):
                items[share.start : share.stop] = values
        return failures, merge(parts, self._num_envs)

    def observations(self, buffer: BatchBuffer, given: OutArrays | None, *, fresh: bool = True) -> Any:
        """The batch of observations as SyncVectorEnv returns it. ``fresh``: those of all envs are new."""
        if given is not None and given.observations is not None:
            given.fill_observations(buffer.arrays)
            return given.observations
        if self.is_one_array:
            return buffer.arrays[0].copy() if buffer.must_copy else buffer.arrays[0]
        values: list[Any] = []
        array, items = iter(buffer.arrays), iter(self._items)
        for leaf in self._leaves:
            if leaf.is_array:
                values.append(next(array).copy() if buffer.must_copy else next(array))
            else:
                # Rows that were not reset are still those that the caller has.
                own = next(items) if fresh or not self._copy else deepcopy(next(items))
                values.append(_batched_objects(leaf.space, own))
        return assemble(self._space, iter(values))

    def rest(self, buffer: BatchBuffer, given: OutArrays | None) -> list[Any]:
        """Rewards, terminations and truncations."""
        arrays = buffer.arrays[-3:]
        if buffer.must_copy or not self._copy:
            arrays = [array.copy() for array in arrays]
        return arrays if given is None else given.fill(arrays)

    def gather(self, arrived: list[tuple[int, Any]]) -> tuple[tuple[Any, ...], list[Failure]]:
        """What ``recv`` returns for envs in asynchronous use, from ``(env, message or None)`` of each, and failures."""
        envs = np.array([env for env, _ in arrived], dtype=np.int64)
        arrays = [array[envs] for array in self._async_arrays]
        failures: list[Failure] = []
        rows: list[tuple[int, dict[str, Any]]] = []
        for place, (env, message) in enumerate(arrived):
            if message is None:
                continue
            failed, infos, others = message
            failures += failed
            rows += [(place, info) for _, info in (decode(infos, 1) if infos else ())]
            for items, values in zip(self._items, others or (), strict=False):
                items[env] = values[0]
        values = []
        array, items_of = iter(arrays), iter(self._items)
        for leaf in self._leaves:
            if leaf.is_array:
                values.append(next(array))
            else:
                items = next(items_of)
                values.append(_batched_objects(leaf.space, [items[env] for env in envs.tolist()]))
        infos = merge_rows(rows, len(envs))
        infos["env_id"] = envs
        return (assemble(self._space, iter(values)), *arrays[-3:], infos), failures


def _batched_objects(space: Space[Any], items: list[Any]) -> Any:
    """A batch of observations that are no arrays, as Gymnasium (or whoever registered the space) makes it."""
    empty: Any = create_empty_array(space, n=len(items))
    return concatenate(space, items, empty)
