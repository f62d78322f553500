"""Where pictures lie among the numbers that an observation becomes."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A picture in a row of numbers.

    Attributes:
        start: the place of its first number.
        shape: ``(H, W, C)`` or ``(C, H, W)``, whose channels are where it is shorter.
    """

    start: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Its numbers."""
        return math.prod(self.shape)

    @property
    def channels_first(self) -> bool:
        """Whether the first axis is that of the channels."""
        return self.shape[0] <= self.shape[-1]

    @property
    def channels_height_width(self) -> tuple[int, int, int]:
        """The lengths of its axes in this order."""
        first, middle, last = self.shape
        return (first, middle, last) if self.channels_first else (last, first, middle)
