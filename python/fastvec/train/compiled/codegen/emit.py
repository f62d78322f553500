"""From a graph to the text of a C++ program."""

from __future__ import annotations

from pathlib import Path

from fastvec.train.compiled.codegen.expressions import C_TYPES, EXPRESSIONS, Operands, base_name
from fastvec.train.compiled.codegen.kernels import KERNELS
from fastvec.train.compiled.codegen.schedule import (
    Group,
    broadcast_strides,
    groups_of,
    place_buffers,
    without_unused,
)
from fastvec.train.compiled.codegen.unsupported import Unsupported
from fastvec.train.compiled.codegen.writer import Writer, element, nested
from fastvec.train.compiled.graph import Graph, View

__all__ = ["given_buffers", "outputs_of", "program"]

PRELUDE = Path(__file__).with_name("prelude.h")


def given_buffers(graph: Graph) -> list[int]:
    """The buffers that a program finds: those of the arguments, and of the tensors that were found elsewhere."""
    found = [view.buffer for view in graph.captured if view.buffer not in graph.sizes]
    return list(dict.fromkeys([*graph.inputs, *found]))


def outputs_of(graph: Graph) -> list[int]:
    """The buffers that a program is given for what it returns."""
    given = given_buffers(graph)
    return list(dict.fromkeys(view.buffer for view in graph.results if view.buffer not in given))


def program(graph: Graph) -> str:
    """C++ with one function, ``int run(void** buffers, Gemm)``.

    ``buffers`` are those of :func:`given_buffers` and then of :func:`outputs_of`. It returns 1 where an index is out
    of bounds, and may have written anything then, and 2 where there is no memory.

    Raises:
        Unsupported: there is an operation that it has no code for.
    """
    if graph.looks_at_values:
        raise Unsupported("a function that looks at values")
    operations = without_unused(graph, {*given_buffers(graph), *outputs_of(graph)})
    for operation in operations:
        if base_name(operation) not in EXPRESSIONS and operation.name not in KERNELS:
            raise Unsupported(operation.name)
    groups = groups_of(operations)
    given = [*given_buffers(graph), *outputs_of(graph)]
    unstored = only_within_groups(groups, set(given))
    made = {view.buffer for group in groups for view in group.writes} - set(given) - unstored
    memory = place_buffers(graph, groups, made)

    dtypes = {view.buffer: view.dtype for group in groups for view in (*group.reads, *group.writes)}
    writer = Writer()
    for i, buffer in enumerate(given):
        if buffer in dtypes:
            kind = C_TYPES.get(dtypes[buffer])
            if kind is None:
                raise Unsupported(str(dtypes[buffer]))
            writer.line(f"{kind}* __restrict__ const b{buffer} = ({kind}*)buffers[{i}];")
    if memory.size:
        writer.line("static thread_local Workspace workspace;")
        writer.line(f"char* const memory = workspace.get({memory.size});")
        writer.line("if (!memory) return 2;")
    for buffer, offset in memory.offsets.items():
        kind = C_TYPES[graph.sizes[buffer][1]]
        writer.line(f"{kind}* const b{buffer} = ({kind}*)(memory + {offset});")
    for group in groups:
        for view in (*group.reads, *group.writes):
            if view.dtype is not dtypes[view.buffer]:
                raise Unsupported("memory that is read as another type")
        written = {view.buffer for view in group.writes}
        writer.checked = {pair for pair in writer.checked if pair[0].buffer not in written}
        with writer.block("{"):
            if group.shape is None:
                KERNELS[group.operations[0].name](writer, group.operations[0])
            else:
                write_loop(writer, group, unstored)
    body = "\n".join(writer.lines)
    return f'{PRELUDE.read_text()}\nextern "C" int run(void** buffers, Gemm gemm) {{\n{body}\n  return 0;\n}}\n'


def only_within_groups(groups: list[Group], given: set[int]) -> set[int]:
    """The buffers whose elements are used in the turn of the loop that makes them, and nowhere else."""
    users: dict[int, set[int]] = {}
    for i, group in enumerate(groups):
        for view in (*group.reads, *group.writes):
            users.setdefault(view.buffer, set()).add(i)
    loops = {i for i, group in enumerate(groups) if group.shape is not None}
    return {buffer for buffer, where in users.items() if len(where) == 1 and where <= loops and buffer not in given}


def write_loop(writer: Writer, group: Group, unstored: set[int]) -> None:
    """The loop of elementwise operations."""
    shape = group.shape
    assert shape is not None
    views = list(dict.fromkeys([*group.reads, *group.writes]))
    strides = {view: broadcast_strides(view, shape) for view in views}
    sizes, places = collapsed(shape, [strides[view] for view in views])
    where = dict(zip(views, places, strict=True))
    written = {view.buffer for view in group.writes}
    last = {view: operation for operation in group.operations for view in operation.writes}
    known: dict[tuple[int, int, tuple[int, ...]], str] = {}

    def load(view: View, names: list[str]) -> str:
        key = (view.buffer, view.offset, strides[view])
        if key not in known:
            known[key] = f"v{len(known)}"
            writer.line(f"const {C_TYPES[view.dtype]} {known[key]} = {element(view, where[view], names)};")
        return known[key]

    with nested(writer, sizes[:-1], independent=False) as outer:
        for view in group.reads:  # a compiler that has to load these in every turn makes no vectors of the others
            if sizes and where[view][-1] == 0 and view.buffer not in written:
                load(view, [*outer, "0"])
        with nested(writer, sizes[-1:]) as inner:
            names = [*outer, *inner]
            for operation in group.operations:
                (view,) = dict.fromkeys(operation.writes)
                text = EXPRESSIONS[base_name(operation)](Operands(operation, lambda view: load(view, names)))
                name = f"w{len(writer.lines)}"
                writer.line(f"const {C_TYPES[view.dtype]} {name} = {text};")
                known[view.buffer, view.offset, strides[view]] = name
                if view.buffer not in unstored and last[view] is operation:
                    writer.line(f"{element(view, where[view], names)} = {name};")


def collapsed(shape: tuple[int, ...], strides: list[tuple[int, ...]]) -> tuple[list[int], list[tuple[int, ...]]]:
    """The same loops with as few dimensions as do.

    Args:
        shape: of the loops.
        strides: of each tensor.

    Returns:
        The sizes of the dimensions, and each tensor's strides in those.
    """
    sizes: list[int] = []
    places: list[list[int]] = [[] for _ in strides]
    for d, n in enumerate(shape):
        if n == 1:
            continue
        if sizes and all(own[-1] == stride[d] * n for own, stride in zip(places, strides, strict=True)):
            sizes[-1] *= n
            for own, stride in zip(places, strides, strict=True):
                own[-1] = stride[d]
            continue
        sizes.append(n)
        for own, stride in zip(places, strides, strict=True):
            own.append(stride[d])
    return sizes, [tuple(own) for own in places]
