"""Programs that are loaded, and called."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastvec.train.compiled.codegen.emit import given_buffers, outputs_of
from fastvec.train.compiled.graph import Graph, View
from fastvec.train.compiled.recording import Recording
from fastvec.vector.cores import usable_cores

__all__ = ["GeneratedLibrary", "InductorLibrary", "find_gemm"]


@lru_cache
def find_gemm() -> ctypes.c_void_p | None:
    """BLAS's ``sgemm``, as PyTorch was linked with it; None where it is not to be seen."""
    folder = Path(torch.__file__).parent / "lib"
    for path in sorted(folder.glob("libtorch_cpu*")):
        try:
            return ctypes.cast(ctypes.CDLL(str(path)).sgemm_, ctypes.c_void_p)
        except (OSError, AttributeError):
            continue
    return None


class GeneratedLibrary:
    """A program by our own code generator. Several threads may call it at once.

    Args:
        path: the shared library.
        recording: what it was made from, or another one with the same text.

    Raises:
        RuntimeError: it cannot be loaded.
    """

    def __init__(self, path: str, recording: Recording) -> None:
        try:
            self._run = ctypes.CDLL(path).run
        except (OSError, AttributeError) as error:
            raise RuntimeError(str(error)) from error
        graph = recording.graph
        buffers = given_buffers(graph)
        count = len(graph.inputs)
        # A buffer begins where the first tensor on it would, had it no offset.
        self._found: list[tuple[Tensor, int]] = []
        for buffer in buffers[count:]:
            i = next(i for i, view in enumerate(graph.captured) if view.buffer == buffer)
            tensor = recording.captured[i]
            self._found.append((tensor, int(tensor.storage_offset()) * tensor.element_size()))
        outputs = outputs_of(graph)
        self._outputs = [graph.sizes[buffer] for buffer in outputs]
        self._results = [_Result(view, graph, buffers, outputs) for view in graph.results]
        self._arguments = ctypes.c_void_p * (len(buffers) + len(outputs))
        self._gemm = find_gemm()

    def __call__(self, leaves: list[Tensor]) -> list[Tensor]:
        """What the function returns for arguments with these tensors in them."""
        pointers = [x.data_ptr() for x in leaves]
        pointers += [x.data_ptr() - offset for x, offset in self._found]
        made = [torch.empty(size, dtype=dtype) for size, dtype in self._outputs]
        pointers += [x.data_ptr() for x in made]
        status = self._run(self._arguments(*pointers), self._gemm)
        if status == 1:
            raise IndexError("an index is out of bounds")
        if status:
            raise MemoryError("there is no memory for what lies between the operations")
        return [result.of(leaves, self._found, made) for result in self._results]


class _Result:
    """A tensor that a program returns: it lies in an argument, in a tensor found elsewhere, or in memory of its own."""

    def __init__(self, view: View, graph: Graph, buffers: list[int], outputs: list[int]) -> None:
        self.view = view
        self.is_argument = view.buffer in graph.inputs
        self.is_made = view.buffer in outputs
        self.is_whole = self.is_made and view.is_dense and view.size == graph.sizes[view.buffer][0]
        self.index = outputs.index(view.buffer) if self.is_made else buffers.index(view.buffer)
        if not (self.is_made or self.is_argument):
            self.index -= len(graph.inputs)

    def of(self, leaves: list[Tensor], found: list[tuple[Tensor, int]], made: list[Tensor]) -> Tensor:
        """That tensor, of one call."""
        view = self.view
        if self.is_whole:
            return made[self.index].view(view.shape)
        if self.is_made:
            return made[self.index].as_strided(view.shape, view.strides, view.offset)
        if self.is_argument:
            leaf = leaves[self.index]
            return leaf.as_strided(view.shape, view.strides, leaf.storage_offset() + view.offset)
        return found[self.index][0].as_strided(view.shape, view.strides, view.offset)


class InductorLibrary:
    """A program by PyTorch's inductor, in as many threads at once as there are cores.

    Args:
        path: the shared library.
        recording: of what it was made from.

    Raises:
        RuntimeError: it cannot be loaded.
    """

    def __init__(self, path: str, recording: Recording) -> None:
        self._runner: Any = torch._C._aoti.AOTIModelContainerRunnerCpu(path, usable_cores())
        self._captured = recording.captured

    def __call__(self, leaves: list[Tensor]) -> list[Tensor]:
        """What the function returns for arguments with these tensors in them."""
        outputs: list[Tensor] = self._runner.run(leaves + self._captured)
        return outputs
