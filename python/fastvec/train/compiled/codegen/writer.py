"""C++, line by line, and how elements of tensors are called in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fastvec.train.compiled.codegen.expressions import C_TYPES
from fastvec.train.compiled.codegen.unsupported import Unsupported
from fastvec.train.compiled.graph import Operation, View

__all__ = ["Kernel", "Writer", "at", "axis_of", "c_type", "element", "nested"]


class Writer:
    """Lines of C++.

    Attributes:
        lines: so far.
        checked: indices that were found to be within a size.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 1
        self._names = 0
        self.checked: set[tuple[View, int]] = set()

    def line(self, text: str) -> None:
        """One more."""
        self.lines.append("  " * self._depth + text)

    def new_name(self) -> str:
        """A name for an index that no other has."""
        self._names += 1
        return f"i{self._names}"

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Lines between ``head``, which ends with a brace, and its counterpart."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1
        self.line("}")

    @contextmanager
    def loop(self, size: int, *, pragma: str | None = None) -> Iterator[str]:
        """A loop that counts to ``size``; the index's name."""
        name = self.new_name()
        if pragma is not None:
            self.line(f"#pragma {pragma}")
        with self.block(f"for (long {name} = 0; {name} < {size}; ++{name}) {{"):
            yield name


@contextmanager
def nested(writer: Writer, sizes: Sequence[int], *, independent: bool = True) -> Iterator[list[str]]:
    """Loops in one another, the last one innermost; the names of their indices.

    ``independent``: no turn of the innermost loop reads what another one writes.
    """
    if not sizes:
        yield []
        return
    pragma = "GCC ivdep" if independent and len(sizes) == 1 else None
    with writer.loop(sizes[0], pragma=pragma) as name, nested(writer, sizes[1:], independent=independent) as inner:
        yield [name, *inner]


def element(view: View, strides: Sequence[int], names: Sequence[str]) -> str:
    """The element of a tensor at these indices; a name may be any expression."""
    terms = [
        name if stride == 1 else f"{name} * {stride}" for name, stride in zip(names, strides, strict=True) if stride
    ]
    return f"b{view.buffer}[{' + '.join([str(view.offset), *terms])}]"


def at(view: View, names: Sequence[str]) -> str:
    """The element of a tensor at an index for each of its dimensions."""
    return element(view, view.strides, names)


def c_type(view: View) -> str:
    """The type of its elements."""
    kind = C_TYPES.get(view.dtype)
    if kind is None:
        raise Unsupported(str(view.dtype))
    return kind


def axis_of(dim: int, view: View) -> int:
    """A dimension counted from the front."""
    return dim + len(view.shape) if dim < 0 else dim


Kernel = Callable[[Writer, Operation], None]
"""Writes what does an operation."""
