"""In which order operations are done, which of them in one loop, and where what they make lies meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastvec.train.compiled.codegen.expressions import C_TYPES, EXPRESSIONS, base_name
from fastvec.train.compiled.codegen.unsupported import Unsupported
from fastvec.train.compiled.graph import Graph, Operation, View

__all__ = ["Group", "Memory", "broadcast_strides", "groups_of", "place_buffers", "without_unused"]

ALIGNMENT = 64
"""Bytes: of a cache line, and of the widest vectors."""


@dataclass(eq=False)
class Group:
    """Elementwise operations that are one loop over ``shape``; or, with a shape of None, any one operation."""

    shape: tuple[int, ...] | None
    operations: list[Operation] = field(default_factory=list)

    @property
    def reads(self) -> list[View]:
        """All that its operations read."""
        return [view for operation in self.operations for view in operation.reads]

    @property
    def writes(self) -> list[View]:
        """All that they write."""
        return [view for operation in self.operations for view in operation.writes]


@dataclass
class Memory:
    """Where the buffers that a graph makes itself lie.

    Attributes:
        offsets: in bytes, by the buffer's number.
        size: bytes.
    """

    offsets: dict[int, int]
    size: int


def broadcast_strides(view: View, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides with which ``view`` is read where the loop runs over ``shape``."""
    missing = len(shape) - len(view.shape)
    if missing < 0 or any(n not in (1, m) for n, m in zip(view.shape, shape[missing:], strict=True)):
        raise Unsupported(f"{view.shape} read as {shape}")
    own = [0 if n == 1 else stride for n, stride in zip(view.shape, view.strides, strict=True)]
    return (0,) * missing + tuple(own)


def without_unused(graph: Graph, wanted: set[int]) -> list[Operation]:
    """The operations that the buffers in ``wanted`` depend on."""
    wanted = set(wanted)
    kept = []
    for operation in reversed(graph.operations):
        if any(view.buffer in wanted for view in operation.writes):
            wanted.update(view.buffer for view in operation.reads)
            kept.append(operation)
    return kept[::-1]


def groups_of(operations: list[Operation]) -> list[Group]:
    """The operations in an order that gives the same, elementwise ones together where they can be."""
    groups: list[Group] = []
    for operation in operations:
        shape = operation.writes[0].shape if base_name(operation) in EXPRESSIONS else None
        first = 0  # the first group that it may be in
        for i, group in enumerate(groups):
            first = max(first, _first_place(operation, shape, group, i))
        place = len(groups)
        if shape is not None:
            place = next((i for i in range(first, len(groups)) if groups[i].shape == shape), place)
        if place == len(groups):
            groups.append(Group(shape))
        groups[place].operations.append(operation)
    return groups


def _first_place(operation: Operation, shape: tuple[int, ...] | None, group: Group, index: int) -> int:
    """The first place at which ``operation`` sees what ``group``, at ``index``, did; the group itself is one."""
    first = 0
    for mine, others in ((operation.reads, group.writes), (operation.writes, group.reads + group.writes)):
        for view in mine:
            for other in others:
                if other.buffer != view.buffer:
                    continue
                if shape is None or shape != group.shape:
                    return index + 1
                same = other.offset == view.offset and other.dtype == view.dtype
                if not same or broadcast_strides(other, shape) != broadcast_strides(view, shape):
                    return index + 1
                first = index
    return first


def place_buffers(graph: Graph, groups: list[Group], needed: set[int]) -> Memory:
    """Find memory for the buffers in ``needed``: what is not in use at the same time may lie at the same place."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for i, group in enumerate(groups):
        for view in (*group.reads, *group.writes):
            if view.buffer in needed:
                first.setdefault(view.buffer, i)
                last[view.buffer] = i
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first use, last use
    offsets: dict[int, int] = {}
    total = 0
    for buffer in sorted(first, key=lambda b: -graph.sizes[b][0]):
        count, dtype = graph.sizes[buffer]
        if dtype not in C_TYPES:
            raise Unsupported(str(dtype))
        size = -(-count * dtype.itemsize // ALIGNMENT) * ALIGNMENT
        begin, end = first[buffer], last[buffer]
        offset = 0
        for low, high, since, until in sorted(placed):
            if since <= end and begin <= until and low < offset + size and offset < high:
                offset = high
        placed.append((offset, offset + size, begin, end))
        offsets[buffer] = offset
        total = max(total, offset + size)
    return Memory(offsets, total)
