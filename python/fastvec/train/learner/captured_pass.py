"""One pass over a batch on a CUDA device, as a graph that is captured once and replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from fastvec.train.cuda_graph import CudaGraph, same_tensors


class CapturedPass:
    """One pass over a batch, all its minibatches, as one graph. With several ranks, that includes summing gradients.

    The batch has to lie where it lay when the graph was captured; another one is captured anew. One graph serves all
    passes of an update, so that its size does not grow with their number, and the host may stop after any of them.
    """

    def __init__(
        self, one_pass: Callable[[Any, Tensor], None], state: Sequence[Tensor], *, capture: bool = True
    ) -> None:
        self.one_pass = one_pass
        self.state = state
        self.capture = capture
        self._batch: Any | None = None

    def __call__(self, batch: Any, order: Tensor) -> None:
        """Do the pass over ``batch``, whose rows come in the given order (int64 ``[batch.num_rows]``)."""
        if self._batch is None or not same_tensors(self._batch, batch):
            self._batch, self._order = batch, order.clone()
            self.graph = CudaGraph(
                lambda: self.one_pass(batch, self._order), device=order.device, state=self.state, capture=self.capture
            )
        self._order.copy_(order)
        self.graph()
