"""What a function did in one call, as operations on places in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

__all__ = ["Graph", "Operation", "View", "views_in"]


class View(NamedTuple):
    """A tensor: where its elements lie.

    Attributes:
        buffer: the number of its memory.
        offset: of its first element there, in elements.
        shape: as a tensor's.
        strides: in elements.
        dtype: of its elements.
    """

    buffer: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    @property
    def end(self) -> int:
        """Behind its last element there."""
        return self.offset + 1 + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))

    @property
    def is_dense(self) -> bool:
        """Whether its elements lie side by side in order."""
        expected = 1
        for n, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if n != 1 and stride != expected:
                return False
            expected *= n
        return True


@dataclass(eq=False)
class Operation:
    """One operation of PyTorch's.

    Attributes:
        name: as ``aten`` has it, with its overload: "add.Tensor".
        arguments: its arguments by name, with a :class:`View` for each tensor; those left out have their defaults.
        reads: the tensors that it reads.
        writes: the tensors that it writes: those that it changes, then those that it makes.
    """

    name: str
    arguments: dict[str, Any]
    reads: list[View]
    writes: list[View]


@dataclass
class Graph:
    """What a function does.

    Attributes:
        operations: in order; views, which do nothing, are left out.
        inputs: the buffers of its arguments.
        captured: the tensors that it found elsewhere.
        results: what it returns.
        sizes: elements of each buffer that it makes itself, and their dtype, by number.
        looks_at_values: whether it turned an element into a number of Python's, and may do other things for others.
    """

    operations: list[Operation] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    captured: list[View] = field(default_factory=list)
    results: list[View] = field(default_factory=list)
    sizes: dict[int, tuple[int, torch.dtype]] = field(default_factory=dict)
    looks_at_values: bool = False


def views_in(value: Any) -> Iterator[View]:
    """The views in nested lists."""
    if isinstance(value, View):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from views_in(item)
