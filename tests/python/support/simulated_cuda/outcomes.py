"""What runs on a simulated device leave, held against each other."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from fastvec.train.report import Report


def on_cpu(tensors: Iterable[Tensor], report: Report) -> list[Tensor]:
    """The tensors that a run leaves, and the numbers of its last report, on the CPU."""
    metrics = [report.metrics[name] for name in sorted(report.metrics)]
    counted = [report.episodes, report.global_step, report.mean_length, report.mean_return]
    return [*(x.detach().cpu() for x in tensors), torch.tensor(metrics), torch.tensor(counted)]


def differ(some: Iterable[Tensor], others: Iterable[Tensor]) -> bool:
    """Whether any bit is another; NaN is like NaN."""
    return any(not torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)) for a, b in zip(some, others, strict=True))


def assert_same(some: Iterable[Tensor], others: Iterable[Tensor]) -> None:
    """Equal but for the order of sums."""
    for a, b in zip(some, others, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)
