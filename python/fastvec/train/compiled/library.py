"""Programs that are loaded, and called."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
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
        self._run.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
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
        if status:
            raise error_of(status)
        return [result.of(leaves, self._found, made) for result in self._results]

    def over_rows(self, rows: Sequence[Tensor], into: Sequence[Tensor]) -> Callable[[int], None] | None:
        """See ``CompiledFunction.over_rows``; without the arguments that are None."""
        outputs = self._outputs_in(into)
        if outputs is None:
            return None
        steps = np.arange(len(into[0]))
        columns = [x.data_ptr() + steps * (x.stride(0) * x.element_size()) for x in rows]
        columns += [np.full(len(steps), x.data_ptr() - offset) for x, offset in self._found]
        columns += [x.data_ptr() + steps * (x.stride(0) * x.element_size()) for x in outputs]
        table = np.stack(columns, axis=1)
        assert table.dtype == np.int64
        return RowCalls(self._run, self._gemm, table, (self, *rows, *into))

    @property
    def entry(self) -> int:
        """The address of the program."""
        address = ctypes.cast(self._run, ctypes.c_void_p).value
        assert address is not None
        return address

    def addresses(
        self, fixed: Sequence[Tensor], rows: Sequence[Tensor], into: Sequence[Tensor]
    ) -> tuple[list[int], list[int]] | None:
        """What the program is given for the first row, and by how much it moves from row to row, in bytes.

        Args:
            fixed: the first tensors in the function's arguments.
            rows: those that come after, each with an axis of rows in front.
            into: what it returns lies there, for every row.

        Returns:
            None where it returns what cannot lie there.
        """
        outputs = self._outputs_in([x.unsqueeze(0) for x in into])
        if outputs is None:
            return None
        places = [x.data_ptr() for x in (*fixed, *rows)]
        places += [x.data_ptr() - offset for x, offset in self._found] + [x.data_ptr() for x in outputs]
        strides = [0] * len(places)
        strides[len(fixed) : len(fixed) + len(rows)] = [x.stride(0) * x.element_size() for x in rows]
        return places, strides

    def _outputs_in(self, into: Sequence[Tensor]) -> list[Tensor] | None:
        """``into``, each with an axis of rows in front, in the program's order; None where it cannot write there."""
        places = [result.index for result in self._results]
        whole = all(result.is_whole for result in self._results) and len(set(places)) == len(places)
        if not whole or not all(result.fits(x) for result, x in zip(self._results, into, strict=True)):
            return None
        return [into[places.index(i)] for i in range(len(places))]


class RowCalls:
    """Calls of a program for row after row of tensors.

    Args:
        run: the program.
        gemm: what it calls for products.
        table: the addresses that it is given, int64 ``[rows, addresses]``.
        kept: what lies there.
    """

    def __init__(self, run: Callable[..., int], gemm: ctypes.c_void_p | None, table: Any, kept: Any) -> None:
        self._run = run
        self._gemm = gemm
        self._table = table
        self._kept = kept
        self._start, self._stride, self._count = table.ctypes.data, table.strides[0], len(table)

    def __call__(self, row: int) -> None:
        """The call for this row."""
        if not 0 <= row < self._count:
            raise IndexError(f"expected a row below {self._count}, got {row}")
        status = self._run(self._start + row * self._stride, self._gemm)
        if status:
            raise error_of(status)


def error_of(status: int) -> Exception:
    """Why a program broke off that returned this."""
    if status == 1:
        return IndexError("an index is out of bounds")
    return MemoryError("there is no memory for what lies between the operations")


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

    def fits(self, rows: Tensor) -> bool:
        """Whether a row of ``rows`` lies as this tensor does, which has memory of its own."""
        shape, dtype = self.view.shape, self.view.dtype
        return tuple(rows.shape[1:]) == shape and rows.dtype is dtype and rows[0].is_contiguous()

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
