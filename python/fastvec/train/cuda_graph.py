"""Work on a CUDA device, recorded once as a CUDA graph and replayed with one launch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

WARM_UP = 2
"""Runs before a capture: compiling, and libraries that set themselves up, must not be recorded."""


class CudaGraph:
    """``work()``, which takes and gives nothing, as one CUDA graph on a stream of its own.

    It is warmed up, captured and replayed on that one stream. Libraries keep a workspace for each stream, and a graph
    holds on to the workspace's address: two graphs that shared one and ran at the same time would overwrite each
    other's intermediate results, and a workspace that was first made while capturing would be freed with that graph.

    What ``work`` reads and writes must not move, and it must not ask the device for anything. Tensors that it makes
    belong to the graph: they stay where they are, and every replay overwrites them.

    Args:
        work: the operations. Its Python code runs ``WARM_UP`` + 1 times, now.
        device: a CUDA device.
        state: tensors that ``work`` changes. They are as they were before when this returns.
        capture: False runs ``work`` itself at every call, in the same order on the same stream.
    """

    def __init__(
        self, work: Callable[[], None], *, device: torch.device, state: Sequence[Tensor] = (), capture: bool = True
    ) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self._work = work  # holds on to all that it reads
        self._launch = work
        if not capture:
            return
        current = torch.cuda.current_stream(device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            saved = [tensor.clone() for tensor in state]
            for _ in range(WARM_UP):
                work()
            graph = torch.cuda.CUDAGraph()
            # Of this thread alone: another trainer's, or NCCL's own, may use the device meanwhile.
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                work()
            for tensor, value in zip(state, saved, strict=True):
                tensor.copy_(value)
        current.wait_stream(self.stream)
        self._launch = graph.replay

    def launch(self) -> None:
        """Do the work, behind what :attr:`stream` has to do already; :attr:`stream` must be the current one."""
        self._launch()

    def __call__(self) -> None:
        """Do the work after what the current stream has to do, and before what it is given next."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            self._launch()
        current.wait_stream(self.stream)


def same_tensors(some: Sequence[Tensor | None], others: Sequence[Tensor | None]) -> bool:
    """Whether both have the same tensors: the same memory, seen in the same way."""

    def place(x: Tensor | None) -> object:
        return None if x is None else (x.data_ptr(), x.shape, x.stride(), x.dtype)

    return len(some) == len(others) and all(place(a) == place(b) for a, b in zip(some, others, strict=True))
