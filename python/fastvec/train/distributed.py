"""Training on several processes at once, as ``torchrun`` starts them.

Each rank has environments of its own. What must be the same everywhere (parameters, statistics, decisions) goes
through one :class:`World`, whose operations do nothing in a process that is alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class World:
    """The processes that train together. Every method but ``is_main`` must be called by all ranks alike."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this rank writes files and speaks to the user."""
        return self.rank == 0

    def sum_(self, tensor: Tensor) -> Tensor:
        """Add ``tensor`` up over the ranks, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def max_(self, tensor: Tensor) -> Tensor:
        """The largest values of ``tensor`` over the ranks, in place."""
        if self.size > 1:
            dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return tensor

    def any(self, *flags: bool) -> list[bool]:
        """For each flag, whether any rank raised it."""
        if self.size == 1:
            return list(flags)
        raised = torch.tensor([float(flag) for flag in flags])
        dist.all_reduce(raised, op=dist.ReduceOp.MAX)
        return [bool(value > 0) for value in raised.tolist()]

    def broadcast_(self, tensor: Tensor) -> Tensor:
        """Make ``tensor`` what it is on the first rank, in place."""
        if self.size > 1:
            dist.broadcast(tensor, src=0)
        return tensor

    def gather(self, value: Any) -> list[Any] | None:
        """Every rank's ``value`` on the first rank, None on the others."""
        if self.size == 1:
            return [value]
        values: list[Any] | None = [None] * self.size if self.is_main else None
        dist.gather_object(value, values, dst=0)
        return values


ALONE = World()


def join_world(environment: Mapping[str, str] = os.environ) -> World:
    """The world that ``torchrun`` describes in the environment; joins its process group where there is one.

    Tensors on a CPU travel through gloo, those on CUDA devices through NCCL.
    """
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in environment]
    if missing:
        raise ValueError(f"WORLD_SIZE is {size}, but {', '.join(missing)} is not set; start with torchrun")
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    return World(
        rank=dist.get_rank(),
        size=dist.get_world_size(),
        local_rank=int(environment.get("LOCAL_RANK", "0")),
        local_size=int(environment.get("LOCAL_WORLD_SIZE", "1")),
    )


def leave_world(world: World) -> None:
    """Leave the process group; the others need not be there any more."""
    if world.size > 1 and dist.is_initialized():
        dist.destroy_process_group()
