"""A rollout's way from the environments to a CUDA device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from fastvec.train.env.encode import Array

if TYPE_CHECKING:
    from fastvec.train.rollout.collector import Collector


class Uploads:
    """Sends what the environments wrote in a rollout to the device, and converts it there into the collector's tensors.

    Observations and actions are there already: the samplers sent them.
    """

    def __init__(self, collector: Collector) -> None:
        it = self.collector = collector
        steps, envs = it.rewards.shape
        dtypes = (torch.float64, torch.bool, torch.bool)
        self.host = [torch.zeros(steps, envs, dtype=dtype, pin_memory=True) for dtype in dtypes]
        self.device = [torch.zeros_like(x, device=it.device) for x in self.host]
        self.reset_rows = torch.zeros(envs, dtype=torch.bool, device=it.device)

    @property
    def host_arrays(self) -> list[Array]:
        """Rewards float64 ``[T, N]``, terminated and truncated bool ``[T, N]``, in pinned memory.

        For the environments to write, but not between :meth:`send` and a wait for what was sent.
        """
        return [tensor.numpy() for tensor in self.host]

    def forget(self, reset_rows: Array) -> None:
        """Begin anew, with ``reset_rows`` (bool ``[N]``) as the environments that will only reset in the next step."""
        self.reset_rows.copy_(torch.from_numpy(np.array(reset_rows)))

    def send(self) -> None:
        """Send the rollout, on the current stream. The host does not wait."""
        it = self.collector
        for there, here in zip(self.device, self.host, strict=True):
            there.copy_(here, non_blocking=True)
        rewards, terminated, truncated = self.device
        done = terminated | truncated
        it.rewards.copy_(rewards)
        it.terminated.copy_(terminated)
        it.done.copy_(done)
        if it.has_reset_rows:
            it.valid[0].copy_(~self.reset_rows)
            it.valid[1:].copy_(~done[:-1])
            self.reset_rows.copy_(done[-1])
        it.obs_device[-1].copy_(it.obs[-1], non_blocking=True)
        if it.episode_starts is not None and it.episode_starts_device is not None:
            it.episode_starts_device[-1].copy_(it.episode_starts[-1], non_blocking=True)
