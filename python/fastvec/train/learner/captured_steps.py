"""Gradient steps that come with their batches, on a CUDA device: as graphs that are captured once and replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from fastvec.train.cuda_graph import CudaGraph

STEPS_PER_GRAPH = 32
"""Gradient steps in a graph at most: more would make it larger, and save next to nothing."""


class CapturedSteps:
    """K gradient steps as one graph, or a few where K is large; each of its sizes is captured when it is first met.

    Args:
        steps: takes as many gradient steps as its tensors have rows, and waits for nothing.
        state: all that it changes.
        capture: False takes the steps one by one, in the same order.
    """

    def __init__(
        self, steps: Callable[[Sequence[Tensor]], None], state: Sequence[Tensor], *, capture: bool = True
    ) -> None:
        self.steps = steps
        self.state = state
        self.capture = capture
        self._graphs: dict[int, tuple[list[Tensor], CudaGraph]] = {}

    def __call__(self, inputs: Sequence[Tensor]) -> None:
        """Take K gradient steps on ``inputs``: tensors ``[K, ...]``, always alike but for K."""
        for parts in zip(*(x.split(STEPS_PER_GRAPH) for x in inputs), strict=True):
            size = len(parts[0])
            if size not in self._graphs:
                self._graphs[size] = self.capture_steps(parts)
            held, graph = self._graphs[size]
            for here, part in zip(held, parts, strict=True):
                here.copy_(part)
            graph()

    def capture_steps(self, parts: Sequence[Tensor]) -> tuple[list[Tensor], CudaGraph]:
        """A graph, and the tensors that it reads."""
        held = [x.clone() for x in parts]
        device = held[0].device
        return held, CudaGraph(lambda: self.steps(held), device=device, state=self.state, capture=self.capture)
