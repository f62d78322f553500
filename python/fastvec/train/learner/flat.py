"""Tensors of many shapes as one flat tensor, so that an optimiser's step is one operation and not one for each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

ALIGNMENT = 32
"""Every tensor begins at a multiple of so many float32 numbers: 128 bytes, which is what matrix products and wide loads
want, and a cache line of a GPU."""


class FlatLayout:
    """Where tensors of the given shapes lie in a flat float32 tensor; what is between them is 0.

    Args:
        shapes: by name, in order.
        device: where the flat tensors are.
    """

    def __init__(self, shapes: Mapping[str, torch.Size], device: torch.device) -> None:
        self.shapes = dict(shapes)
        self.sizes = [math.prod(shape) for shape in self.shapes.values()]
        self.gaps = [-size % ALIGNMENT for size in self.sizes]
        self.device = device
        self._zeros = [torch.zeros(gap, device=device) if gap else None for gap in self.gaps]

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """The tensors, as views of ``flat``."""
        lengths = [n for size, gap in zip(self.sizes, self.gaps, strict=True) for n in (size, gap)]
        pieces = flat.split(lengths)[::2]
        return {name: piece.view(shape) for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)}

    def join(self, tensors: Sequence[Tensor], behind: Tensor | None = None) -> Tensor:
        """A new flat tensor that holds ``tensors``, and ``behind`` (1-D) behind them."""
        parts: list[Tensor | None] = []
        for tensor, zeros in zip(tensors, self._zeros, strict=True):
            parts += [tensor.reshape(-1), zeros]
        return torch.cat([part for part in (*parts, behind) if part is not None])

    def pack(self, flat: Tensor) -> Tensor:
        """What ``flat`` holds, side by side without gaps."""
        return torch.cat([view.reshape(-1) for view in self.split(flat).values()])

    def unpack(self, packed: Tensor) -> Tensor:
        """The reverse of :meth:`pack`, on this layout's device. ValueError where it holds more or fewer numbers."""
        if packed.numel() != sum(self.sizes):
            raise ValueError(f"expected {sum(self.sizes)} numbers side by side, got {packed.numel()}")
        return self.join(packed.to(self.device).split(self.sizes))
