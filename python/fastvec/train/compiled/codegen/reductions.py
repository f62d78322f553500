"""One number of many: sums, means, norms, extremes, and where those are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fastvec.train.compiled.codegen.unsupported import Unsupported
from fastvec.train.compiled.codegen.writer import Kernel, Writer, at, axis_of, c_type, element, nested
from fastvec.train.compiled.graph import Operation


def reduction(start: str, step: str, finish: str = "{0}") -> Kernel:
    """What makes one number of all along some dimensions.

    Args:
        start: the first value, of the result's type.
        step: ``{0}`` so far, and the element ``{1}``.
        finish: what becomes of the last value, ``{0}`` of ``{count}`` elements.
    """

    def write(writer: Writer, operation: Operation) -> None:
        source, result = operation.arguments["self"], operation.writes[0]
        kind = c_type(result)
        if operation.arguments.get("ord", 2) != 2 or operation.arguments.get("dtype") not in (None, result.dtype):
            raise Unsupported(operation.name)
        if kind != "float" and "INFINITY_" in start:
            raise Unsupported("the extreme of whole numbers")
        dims = operation.arguments.get("dim")
        if isinstance(dims, int):
            dims = [dims]
        axes = {axis_of(d, source) for d in dims} if dims else set(range(len(source.shape)))
        kept = [d for d in range(len(source.shape)) if d not in axes]
        places = result.strides if len(result.strides) == len(kept) else [result.strides[d] for d in kept]
        count = 1
        for d in axes:
            count *= source.shape[d]

        def total(names: dict[int, str]) -> str:
            return element(result, places, [names[d] for d in kept])

        real = [d for d in range(len(source.shape)) if source.shape[d] != 1]
        if not real or real[-1] in axes or not kept:
            with nested(writer, [source.shape[d] for d in kept], independent=False) as outer:
                names = dict(zip(kept, outer, strict=True))
                writer.line(f"{kind} total = {start};")
                order = sorted(axes)
                sizes = [source.shape[d] for d in order]
                with nested_sum(writer, sizes, step, kind) as inner:
                    names.update(zip(order, inner, strict=True))
                    value = f"({kind}){at(source, [names[d] for d in range(len(source.shape))])}"
                    writer.line(f"total = {step.format('total', value)};")
                writer.line(f"{total(names)} = {finish.format('total', count=count)};")
            return
        with nested(writer, [source.shape[d] for d in kept]) as outer:
            writer.line(f"{total(dict(zip(kept, outer, strict=True)))} = {start};")
        with nested(writer, source.shape) as every:
            names = dict(enumerate(every))
            writer.line(f"{total(names)} = {step.format(total(names), f'({kind}){at(source, every)}')};")
        if finish != "{0}":
            with nested(writer, [source.shape[d] for d in kept]) as outer:
                name = total(dict(zip(kept, outer, strict=True)))
                writer.line(f"{name} = {finish.format(name, count=count)};")

    return write


@contextmanager
def nested_sum(writer: Writer, sizes: Sequence[int], step: str, kind: str) -> Iterator[list[str]]:
    """Loops over what becomes one number, the innermost of which may take several elements at once."""
    adds = kind == "float" and "+" in step
    if not sizes:
        yield []
        return
    pragma = "omp simd reduction(+ : total)" if adds and len(sizes) == 1 else None
    with writer.loop(sizes[0], pragma=pragma) as name, nested_sum(writer, sizes[1:], step, kind) as inner:
        yield [name, *inner]


def extreme(sign: str) -> Kernel:
    """The place of the largest or smallest element along one dimension: the first one, or of NaN."""

    def write(writer: Writer, operation: Operation) -> None:
        source, result = operation.arguments["self"], operation.writes[0]
        if operation.arguments["dim"] is None or not source.shape:
            raise Unsupported(operation.name)
        axis = axis_of(operation.arguments["dim"], source)
        kept = [d for d in range(len(source.shape)) if d != axis]
        places = result.strides if len(result.strides) == len(kept) else [result.strides[d] for d in kept]
        with nested(writer, [source.shape[d] for d in kept], independent=False) as outer:
            writer.line("long best = 0;")
            writer.line(f"{c_type(source)} most = {at(source, with_axis(outer, axis, '0'))};")
            with writer.loop(source.shape[axis]) as i:
                writer.line(f"const {c_type(source)} x = {at(source, with_axis(outer, axis, i))};")
                writer.line(f"if (x {sign} most || (x != x && most == most)) {{ most = x; best = {i}; }}")
            writer.line(f"{element(result, places, outer)} = best;")

    return write


def with_axis(names: Sequence[str], axis: int, name: str) -> list[str]:
    """Indices with one more at ``axis``."""
    return [*names[:axis], name, *names[axis:]]
