"""How the work is spread over a CPU's threads and cut to fit its caches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from fastvec.train.config import PPOConfig


def threads_for(network: nn.Module, config: PPOConfig) -> int:
    """CPU threads that pay for themselves.

    A minibatch of a small network is many operations of some microseconds each. A second thread gains little
    on them, and where another program wants the core too, waiting for it at each operation costs more than it
    gains (measured on 2 cores, minibatch 512, two 64-64 networks: 17% gained alone, three times slower under
    load).
    """
    multiplications = config.minibatch_size * sum(p.numel() for p in network.parameters())
    return 1 if multiplications < 12_000_000 else torch.get_num_threads()


def pieces_for(config: PPOConfig, shards: int) -> int:
    """Into how many equal pieces a rollout is cut to be looked at by ``shards`` threads: few, but no more than 1 MB is
    to lie between two layers. At most as many as the update cuts it into."""
    most = shards * config.num_minibatches
    enough = config.rollout_size * max(config.hidden_sizes, default=1) // (1 << 18)
    return next(n for n in range(shards, most + 1, shards) if n >= min(enough, most) and config.rollout_size % n == 0)


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """PyTorch's number of CPU threads for a while; the process's own setting comes back."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
