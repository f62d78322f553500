"""What runs on a simulated device leave, held against each other."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def differ(some: Iterable[Tensor], others: Iterable[Tensor]) -> bool:
    """Whether any bit is another; NaN is like NaN."""
    return any(not torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)) for a, b in zip(some, others, strict=True))


def assert_same(some: Iterable[Tensor], others: Iterable[Tensor]) -> None:
    """Equal but for the order of sums."""
    for a, b in zip(some, others, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)
