"""Choosing actions on a CUDA device: a stream and a captured graph for each group of environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fastvec.train.cuda_graph import CudaGraph

if TYPE_CHECKING:
    from fastvec.train.rollout.collector import Collector
    from fastvec.train.rollout.sampler import Act


class CudaSampler:
    """Chooses the actions of one group of environments on a CUDA device.

    A graph takes their observations up, chooses actions and brings them down, and writes both into the rollout's next
    row, which a counter on the device names. So a step costs the host one launch. The host waits for an event, and only
    when it needs the actions. Rows in host memory are pinned, and the same for every step: the environments write the
    next observations only after the actions for these ones have come down.
    """

    def __init__(self, collector: Collector, columns: slice, act: Act, *, capture: bool) -> None:
        it = collector
        device = it.device
        size = columns.stop - columns.start
        self.noise = torch.zeros(len(it.actions), size, it.head.num_noise, device=device)
        self.t = torch.zeros(1, dtype=torch.int64, device=device)
        chosen = it.actions[0, columns]
        self.host = torch.zeros(chosen.shape, dtype=chosen.dtype, pin_memory=True)
        self.columns = columns
        # From a row on the host to rows on the device: observations, and what a mask or a memory needs beside them.
        pairs = ((it.obs, it.obs_device), (it.masks, it.masks_device), (it.episode_starts, it.episode_starts_device))
        rows = [
            None if here is None or there is None else (here[0, columns], there[:, columns]) for here, there in pairs
        ]
        memory = None if it.memory is None else it.memory[columns]
        actions = it.actions[:, columns]

        def work() -> None:
            taken = [None if row is None else row[0].to(device, non_blocking=True) for row in rows]
            obs, mask, episode_starts = taken
            assert obs is not None
            chosen = act(obs, self.noise.index_select(0, self.t)[0], mask, memory, episode_starts)
            self.host.copy_(chosen, non_blocking=True)
            actions.index_copy_(0, self.t, chosen.unsqueeze(0))
            for row, new in zip(rows, taken, strict=True):
                if row is not None and new is not None:
                    row[1].index_copy_(0, self.t, new.unsqueeze(0))
            self.t.add_(1).remainder_(len(self.noise))

        state = [self.t] if memory is None else [self.t, memory]
        self.graph = CudaGraph(work, device=device, state=state, capture=capture)
        self.chosen_on_host = torch.cuda.Event()

    def launch(self, t: int, noise: Tensor) -> None:
        """See :class:`fastvec.train.rollout.sampler.ActionSampler`."""
        stream = self.graph.stream
        if t == 0:  # the noise was drawn, and the last update made, on the main stream
            stream.wait_stream(torch.cuda.current_stream(self.graph.device))
        with torch.cuda.stream(stream):
            if t == 0:
                self.t.zero_()
                self.noise.copy_(noise[:, self.columns])
            self.graph.launch()
            self.chosen_on_host.record(stream)

    def actions(self) -> np.ndarray[Any, Any]:
        """See :class:`fastvec.train.rollout.sampler.ActionSampler`."""
        self.chosen_on_host.synchronize()
        return self.host.numpy()

    def finish(self) -> None:
        """See :class:`fastvec.train.rollout.sampler.ActionSampler`."""
        torch.cuda.current_stream(self.graph.device).wait_stream(self.graph.stream)
