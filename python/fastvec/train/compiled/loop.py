"""Many calls of compiled functions as one native call: for row after row of tensors, on several threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastvec import _core
from fastvec.train.compiled.function import CompiledFunction, Program
from fastvec.train.compiled.library import error_of, find_gemm
from fastvec.train.compiled.recording import layout_of, rebuild, tensors_in


@dataclass(frozen=True)
class Phase:
    """Calls of a function that may be made side by side: none writes what another one reads or writes.

    Attributes:
        function: what is called.
        fixed: for each call, its first arguments, which are the same tensors for all rows.
        into: for each call, the tensors that what it returns is to lie in. They belong to the loop.
    """

    function: CompiledFunction
    fixed: Sequence[tuple[Any, ...]]
    into: Sequence[tuple[Tensor, ...]]


RowArguments = Sequence[Sequence[tuple[Any, ...]]]
"""For each phase and each of its calls, its other arguments: tensors with an axis of rows in front, in tuples."""


class CompiledLoop:
    """For each row: all phases, one after the other.

    Python is asked for nothing in between, and its lock is let go of. Where a function could only be built otherwise
    than by our own code generator, or not at all, the same calls are made in the same order from Python.

    Args:
        phases: what is done for a row. The tensors in them have to stay where they are.
        num_threads: that share the calls of a phase.
    """

    def __init__(self, phases: Sequence[Phase], *, num_threads: int = 1) -> None:
        self.phases = phases
        self.num_threads = num_threads
        self._native: dict[Any, _NativeLoop | None] = {}

    def prepare(self, arguments: RowArguments) -> list[Program]:
        """Begin to build what :meth:`run` needs for such arguments; nothing is computed, no compiler waited for."""
        programs = []
        for phase, calls in zip(self.phases, arguments, strict=True):
            for fixed, rows in zip(phase.fixed, calls, strict=True):
                program = phase.function.prepare(*fixed, *at_row(rows, 0))
                if program not in programs:
                    programs.append(program)
        return programs

    def run(self, arguments: RowArguments, count: int) -> None:
        """Make the calls for ``count`` rows.

        Raises:
            IndexError, MemoryError: a call broke off; those before it have been made.
            KeyboardInterrupt: and what else a signal handler raises, between two rows.
        """
        leaves = [[leaves_of(rows) for rows in calls] for calls in arguments]
        key = tuple(layout_of(x[0]) for calls in leaves for call in calls for x in call)
        if key not in self._native:
            self._native[key] = self._made(arguments, leaves)
        native = self._native[key]
        if native is not None:
            native.run(leaves, count)
            return
        for row in range(count):
            for phase, calls in zip(self.phases, arguments, strict=True):
                for fixed, into, rows in zip(phase.fixed, phase.into, calls, strict=True):
                    made = phase.function(*fixed, *at_row(rows, row))
                    for there, x in zip(into, leaves_of(made), strict=True):
                        there.copy_(x)

    def _made(self, arguments: RowArguments, leaves: list[list[list[Tensor]]]) -> _NativeLoop | None:
        self.prepare(arguments)
        made: list[tuple[int, Any, Any]] = []
        kept: list[Any] = []
        for phase, calls, own_leaves in zip(self.phases, arguments, leaves, strict=True):
            places: list[tuple[list[int], list[int]]] = []
            for fixed, into, rows, call in zip(phase.fixed, phase.into, calls, own_leaves, strict=True):
                library = phase.function.prepare(*fixed, *at_row(rows, 0)).generated
                place = None if library is None else library.addresses(leaves_of(fixed), call, into)
                if library is None or place is None:
                    return None
                kept.append(library)
                places.append(place)
            addresses, strides = (np.array(column, dtype=np.int64) for column in zip(*places, strict=True))
            made.append((kept[-1].entry, addresses, strides))
        firsts = [len(leaves_of(phase.fixed[0])) for phase in self.phases]
        return _NativeLoop(made, firsts, self.num_threads, kept)


class _NativeLoop:
    """A loop for row arguments of some layout.

    Args:
        phases: the address of each one's program, and addresses and strides of its calls, int64 ``[calls, buffers]``.
        firsts: for each phase, where among a call's buffers the tensors with rows begin.
        num_threads: that share the calls of a phase.
        kept: what the addresses are of.
    """

    def __init__(
        self, phases: list[tuple[int, Any, Any]], firsts: Sequence[int], num_threads: int, kept: Sequence[Any]
    ) -> None:
        self._phases = phases
        self._firsts = firsts
        self._kept = kept
        gemm = find_gemm()
        assert gemm is not None
        assert gemm.value is not None
        self._loop = _core.ProgramLoop(gemm.value, phases, num_threads, _calls_one_thread)

    def run(self, leaves: list[list[list[Tensor]]], count: int) -> None:
        for (_, addresses, strides), first, calls in zip(self._phases, self._firsts, leaves, strict=True):
            for i, call in enumerate(calls):
                last = first + len(call)
                addresses[i, first:last] = [x.data_ptr() for x in call]
                strides[i, first:last] = [x.stride(0) * x.element_size() for x in call]
        status = self._loop.run(count)
        if status:
            raise error_of(status)


def _calls_one_thread() -> None:
    """Products of matrices in this thread use no others: those have parts of their own."""
    torch.set_num_threads(1)


def leaves_of(arguments: Any) -> list[Tensor]:
    """The tensors in nested tuples and dicts."""
    return [x for x in tensors_in(arguments) if x is not None]


def at_row(arguments: tuple[Any, ...], row: int) -> tuple[Any, ...]:
    """Arguments with an axis of rows in front, for one of them."""
    return tuple(rebuild(x, (leaf[row] for leaf in leaves_of(x))) for x in arguments)
