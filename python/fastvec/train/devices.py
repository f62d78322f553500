"""Where the work is done: the device, and a CPU's threads and caches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

from fastvec.train.config import OnPolicyConfig, SACConfig
from fastvec.train.distributed import ALONE, World
from fastvec.vector.cores import usable_cores


def pick_device(name: str, world: World = ALONE) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one. "cuda" is the process's own of its host's.

    Raises:
        ValueError: no such device, or one that this PyTorch or this machine does not have.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}") from error
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise ValueError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}")
    index = (world.local_rank if world.size > 1 else 0) if device.index is None else device.index
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        raise ValueError(f"device is {name!r}, but PyTorch {torch.__version__} finds {count} CUDA devices here")
    return torch.device("cuda", index)


def current_device(device: torch.device) -> AbstractContextManager[object]:
    """``device`` as PyTorch's current one for a while: the streams, events and graphs that are made in between are its.

    The process's own choice comes back, so that trainers on several devices can take turns.
    """
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@contextmanager
def matmul_precision(precision: str, device: torch.device) -> Iterator[None]:
    """How exact float32 products on a CUDA device are for a while, in convolutions too.

    The process's own setting comes back. On a CPU nothing changes.
    """
    if device.type == "cpu":
        yield
        return
    before, cudnn_before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = precision != "highest"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        torch.backends.cudnn.allow_tf32 = cudnn_before


LEAST_WORK = 12_000_000
"""Multiplications of a minibatch's forward pass below which a part of it is not worth a thread of its own.

That is about a millisecond of a part's gradient. On 2 cores, the second thread gained nothing to a fifth with 9 million
each, and a third with 19 million.
"""


def threads_for(network: nn.Module, config: OnPolicyConfig) -> int:
    """CPU threads that pay for themselves: each has ``LEAST_WORK`` of a minibatch to do."""
    return _threads_with_work(network, config.minibatch_size, LEAST_WORK)


LEAST_SOFT_WORK = 1_000_000
"""The same for a gradient step of SAC, whose threads meet in native code.

On 2 cores, the second thread made steps of two 128-unit layers 1.25 (batches of 64) to 1.55 times (128) as fast, those
of the paper's two 256-unit layers 1.8 times (256). Of two trainings beside each other, none was slower for it.
"""


def soft_threads_for(network: nn.Module, config: SACConfig) -> int:
    """The same for a batch of SAC, of which each has ``LEAST_SOFT_WORK`` to do."""
    return _threads_with_work(network, config.batch_size, LEAST_SOFT_WORK)


def _threads_with_work(network: nn.Module, rows: int, least: int) -> int:
    multiplications = rows * sum(p.numel() for p in network.parameters())
    return max(1, min(torch.get_num_threads(), usable_cores(), multiplications // least))


def pieces_for(config: OnPolicyConfig, shards: int) -> int:
    """Into how many equal pieces a rollout is cut to be looked at by ``shards`` threads.

    Few, but no more than 1 MB is to lie between two layers. At most as many as the update cuts it into.
    """
    most = shards * config.num_minibatches
    enough = config.rollout_size * max(config.hidden_sizes, default=1) // (1 << 18)
    return next(n for n in range(shards, most + 1, shards) if n >= min(enough, most) and config.rollout_size % n == 0)


def assesses_while_acting(config: OnPolicyConfig, *, compiles: bool, groups: int, shards: int) -> bool:
    """Whether choosing actions also gives log-probabilities and values, in place of a second look at the rollout.

    For two towers on a CPU. As one compiled call, the critic and the logarithms cost about 6 us and 0.1 us for each
    environment, and the second look 1 us for each (64-64 networks); with threads to share the second look, it is the
    better way again.
    """
    return compiles and shards == 1 and config.num_envs // groups >= 16


@contextmanager
def fork_rng_from(generator: torch.Generator) -> Iterator[None]:
    """PyTorch's own generator of the same device, seeded from ``generator`` for a while; its own state comes back."""
    device = generator.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(torch.randint(1 << 62, (), generator=generator, device=device)))
        yield


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """PyTorch's number of CPU threads for a while; the process's own setting comes back."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
