"""Running on a CUDA device: captured graphs, pinned memory, a stream for each group of environments.

Nothing here computes anything of its own. Work that :mod:`rollout` and :mod:`update` do is recorded once as a CUDA
graph and replayed, so that a step costs the host one launch. What is captured reads and writes memory that never moves,
and asks the device for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from fastvec.train.loss import Batch
    from fastvec.train.rollout import Act, Collector
    from fastvec.train.update import LearnerState

WARM_UP = 3
"""Runs before a capture: compiling, and libraries that set themselves up, must not be recorded."""


class Captured:
    """``work()``, which takes and gives nothing, as one CUDA graph.

    ``state`` are the tensors that ``work`` changes: what the warm-up did to them is undone.
    """

    def __init__(self, work: Callable[[], None], *, state: list[Tensor]) -> None:
        saved = [tensor.clone() for tensor in state]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                work()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            work()
        for tensor, value in zip(state, saved, strict=True):
            tensor.copy_(value)

    def replay(self) -> None:
        """Do it again, on the current stream."""
        self.graph.replay()


class CapturedPasses:
    """All minibatches of all passes over a rollout as one graph."""

    def __init__(self, one_pass: Callable[[Batch, Tensor], None], state: LearnerState) -> None:
        self.one_pass = one_pass
        self.state = state
        self.batch: Batch | None = None
        self.orders: list[Tensor] = []
        self.captured: Captured | None = None

    def __call__(self, batch: Batch, orders: list[Tensor]) -> None:
        """Do the passes over ``batch``, whose rows come in the given orders."""
        if self.batch is None or self.captured is None:
            copies = [None if x is None else x.clone() for x in batch]
            fixed = self.batch = type(batch)(*copies)  # type: ignore[arg-type]
            self.orders = [order.clone() for order in orders]

            def work() -> None:
                for order in self.orders:
                    self.one_pass(fixed, order)

            self.captured = Captured(work, state=list(self.state))
        for mine, new in zip(self.batch, batch, strict=True):
            if mine is not None and new is not None:
                mine.copy_(new)
        for order, fresh in zip(self.orders, orders, strict=True):
            order.copy_(fresh)
        self.captured.replay()


class CudaLane:
    """One group of environments: its observations go up, a graph chooses actions, they come back down, all on a stream
    of its own. The host waits for an event, and only when it needs the actions."""

    def __init__(self, collector: Collector, columns: slice, act: Act) -> None:
        it = self.collector = collector
        self.columns = columns
        self.stream = torch.cuda.Stream()
        self.event = torch.cuda.Event()
        size = columns.stop - columns.start
        self.obs = torch.zeros_like(it.obs_device[0, columns])
        self.noise = torch.zeros(size, it.head.num_noise, device=it.device)
        self.mask = None if it.masks is None else torch.ones_like(it.masks[0, columns], device=it.device)
        self.memory = None if it.memory is None else it.memory[columns]
        self.starts = None if it.starts is None else torch.zeros(size, device=it.device)
        self.chosen = torch.zeros_like(it.actions[0, columns])
        self.host = torch.zeros(self.chosen.shape, dtype=self.chosen.dtype, pin_memory=True)

        def work() -> None:
            self.chosen.copy_(act(self.obs, self.noise, self.mask, self.memory, self.starts))

        self.captured = Captured(work, state=[] if self.memory is None else [self.memory])
        self.stream.wait_stream(torch.cuda.current_stream())

    def launch(self, t: int, noise: Tensor) -> None:
        """See :class:`fastvec.train.rollout.Lane`."""
        it, columns = self.collector, self.columns
        if t == 0:  # the noise was drawn, and the last update made, on the main stream
            self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self.obs.copy_(it.obs[t, columns] if t else it.obs_device[0, columns], non_blocking=True)
            self.noise.copy_(noise[t, columns], non_blocking=True)
            if self.mask is not None and it.masks is not None:
                self.mask.copy_(it.masks[t, columns], non_blocking=True)
            if self.starts is not None and it.starts is not None:
                self.starts.copy_(it.starts[t, columns], non_blocking=True)
            self.captured.replay()
            self.host.copy_(self.chosen, non_blocking=True)
            self.event.record()
            # Not on the way of the actions: the rollout as the update will read it.
            it.obs_device[t, columns].copy_(self.obs)
            it.actions[t, columns].copy_(self.chosen)

    def actions(self) -> Tensor:
        """See :class:`fastvec.train.rollout.Lane`."""
        self.event.synchronize()
        return self.host

    def finish(self) -> None:
        """See :class:`fastvec.train.rollout.Lane`."""
        torch.cuda.current_stream().wait_stream(self.stream)
