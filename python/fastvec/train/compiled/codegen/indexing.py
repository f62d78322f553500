"""Picking, scattering and joining."""

from __future__ import annotations

import torch

from fastvec.train.compiled.codegen.expressions import literal
from fastvec.train.compiled.codegen.unsupported import Unsupported
from fastvec.train.compiled.codegen.writer import Writer, at, axis_of, c_type, nested
from fastvec.train.compiled.graph import Operation, View


def checked(writer: Writer, index: View, size: int) -> None:
    """Leave the program where an index is out of bounds."""
    if index.dtype is not torch.int64:
        raise Unsupported(f"an index of {index.dtype}")
    if (index, size) in writer.checked:
        return
    writer.checked.add((index, size))
    writer.line("bool wrong = false;")
    with nested(writer, index.shape, independent=False) as names:
        value = at(index, names)
        writer.line(f"wrong |= ({value} < -{size}) | ({value} >= {size});")
    writer.line("if (wrong) return 1;")


def wrapped(text: str, size: int) -> str:
    """An index counted from the front."""
    return f"({text} + ({text} < 0 ? {size} : 0))"


def index(writer: Writer, operation: Operation) -> None:
    """``self[..., indices, ...]`` with one tensor of indices."""
    source, result = operation.arguments["self"], operation.writes[0]
    given = operation.arguments["indices"]
    places = [d for d, one in enumerate(given) if isinstance(one, View)]
    if len(places) != 1:
        raise Unsupported("several indices at once")
    (axis,) = places
    rows = given[axis]
    checked(writer, rows, source.shape[axis])
    with nested(writer, result.shape) as names:
        where = names[axis : axis + len(rows.shape)]
        place = wrapped(at(rows, where), source.shape[axis])
        rest = [*names[:axis], place, *names[axis + len(rows.shape) :]]
        writer.line(f"{at(result, names)} = {at(source, rest)};")


def gather(writer: Writer, operation: Operation) -> None:
    """An element of ``self`` for each of ``index``, which lies along ``dim``."""
    source, rows, result = operation.arguments["self"], operation.arguments["index"], operation.writes[0]
    axis = axis_of(operation.arguments["dim"], source)
    checked(writer, rows, source.shape[axis])
    with nested(writer, result.shape) as names:
        place = wrapped(at(rows, names), source.shape[axis])
        writer.line(f"{at(result, names)} = {at(source, [*names[:axis], place, *names[axis + 1 :]])};")


def scatter_add(writer: Writer, operation: Operation) -> None:
    """``self``, with the elements of ``src`` added where ``index`` says."""
    source, rows, result = operation.arguments["self"], operation.arguments["index"], operation.writes[0]
    added = operation.arguments["src"]
    axis = axis_of(operation.arguments["dim"], source)
    checked(writer, rows, source.shape[axis])
    copy_into(writer, source, result)
    with nested(writer, rows.shape, independent=False) as names:
        place = wrapped(at(rows, names), source.shape[axis])
        writer.line(f"{at(result, [*names[:axis], place, *names[axis + 1 :]])} += {at(added, names)};")


def copy_into(writer: Writer, source: View, target: View) -> None:
    """Copy all elements to a tensor of the same shape."""
    if source.is_dense and target.is_dense and source.dtype is target.dtype:
        size = f"{source.size} * sizeof({c_type(source)})"
        if source.size:
            writer.line(
                f"__builtin_memcpy(b{target.buffer} + {target.offset}, b{source.buffer} + {source.offset}, {size});"
            )
        return
    with nested(writer, target.shape) as names:
        writer.line(f"{at(target, names)} = ({c_type(target)}){at(source, names)};")


def part_of(view: View, axis: int, start: int, length: int) -> View:
    """Some of a tensor along one dimension."""
    shape = (*view.shape[:axis], length, *view.shape[axis + 1 :])
    return View(view.buffer, view.offset + start * view.strides[axis], shape, view.strides, view.dtype)


def selected(view: View, axis: int, index: int) -> View:
    """What lies at one index of a dimension, which is gone then."""
    part = part_of(view, axis, index, 1)
    shape, strides = ((*x[:axis], *x[axis + 1 :]) for x in (part.shape, part.strides))
    return part._replace(shape=shape, strides=strides)


def cat(writer: Writer, operation: Operation) -> None:
    """Tensors one behind the other."""
    result = operation.writes[0]
    axis, start = axis_of(operation.arguments["dim"], result), 0
    for source in operation.arguments["tensors"]:
        if len(source.shape) != len(result.shape):
            raise Unsupported("cat of nothing")
        copy_into(writer, source, part_of(result, axis, start, source.shape[axis]))
        start += source.shape[axis]


def stack(writer: Writer, operation: Operation) -> None:
    """Tensors side by side, along a dimension of its own."""
    result = operation.writes[0]
    axis = axis_of(operation.arguments["dim"], result)
    for i, source in enumerate(operation.arguments["tensors"]):
        copy_into(writer, source, selected(result, axis, i))


def select_backward(writer: Writer, operation: Operation) -> None:
    """Zeros, and the gradient where something was selected."""
    result, given = operation.writes[0], operation.arguments
    axis = axis_of(given["dim"], result)
    with nested(writer, result.shape) as names:
        writer.line(f"{at(result, names)} = 0;")
    copy_into(writer, given["grad_output"], selected(result, axis, given["index"] % result.shape[axis]))


def constant_pad(writer: Writer, operation: Operation) -> None:
    """``self`` with some more on each side, or less."""
    source, result = operation.arguments["self"], operation.writes[0]
    with nested(writer, result.shape) as names:
        writer.line(f"{at(result, names)} = {literal(operation.arguments['value'], c_type(result))};")
    part, taken = result, source
    pad = operation.arguments["pad"]
    for i in range(len(pad) // 2):
        axis = len(result.shape) - 1 - i
        before, after = pad[2 * i], pad[2 * i + 1]
        taken = part_of(taken, axis, max(-before, 0), source.shape[axis] + min(before, 0) + min(after, 0))
        part = part_of(part, axis, max(before, 0), taken.shape[axis])
    copy_into(writer, taken, part)
