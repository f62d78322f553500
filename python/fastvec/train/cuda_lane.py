"""Choosing actions on a CUDA device: a stream and a captured graph for each group of environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fastvec.train.cuda_graph import CudaGraph

if TYPE_CHECKING:
    from fastvec.train.rollout import Act, Collector


class CudaLane:
    """One group of environments: its observations go up, a graph chooses actions, they come back down, all on the
    graph's own stream. The host waits for an event, and only when it needs the actions.

    Buffers in host memory are pinned, and written again only after a later event of the same stream was waited for.
    """

    def __init__(self, collector: Collector, columns: slice, act: Act, *, capture: bool) -> None:
        it = self.collector = collector
        self.columns = columns
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

        state = [] if self.memory is None else [self.memory]
        self.graph = CudaGraph(work, device=it.device, state=state, capture=capture)
        self.chosen_on_host = torch.cuda.Event()

    def launch(self, t: int, noise: Tensor) -> None:
        """See :class:`fastvec.train.rollout.Lane`."""
        it, columns, stream = self.collector, self.columns, self.graph.stream
        if t == 0:  # the noise was drawn, and the last update made, on the main stream
            stream.wait_stream(torch.cuda.current_stream(it.device))
        with torch.cuda.stream(stream):
            self.obs.copy_(it.obs[t, columns] if t else it.obs_device[0, columns], non_blocking=True)
            self.noise.copy_(noise[t, columns], non_blocking=True)
            if self.mask is not None and it.masks is not None:
                self.mask.copy_(it.masks[t, columns], non_blocking=True)
            if self.starts is not None and it.starts is not None:
                self.starts.copy_(it.starts[t, columns], non_blocking=True)
            self.graph.launch()
            self.host.copy_(self.chosen, non_blocking=True)
            self.chosen_on_host.record(stream)
            # Not on the way of the actions: the rollout as the update will read it.
            it.actions[t, columns].copy_(self.chosen)
            if t:
                it.obs_device[t, columns].copy_(self.obs)
            for rows, row in ((it.masks_device, self.mask), (it.starts_device, self.starts)):
                if rows is not None and row is not None:
                    rows[t, columns].copy_(row)

    def actions(self) -> Tensor:
        """See :class:`fastvec.train.rollout.Lane`."""
        self.chosen_on_host.synchronize()
        return self.host

    def finish(self) -> None:
        """See :class:`fastvec.train.rollout.Lane`."""
        torch.cuda.current_stream(self.collector.device).wait_stream(self.graph.stream)
