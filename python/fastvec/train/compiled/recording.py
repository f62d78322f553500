"""What a function of tensors does, in one call: as text that tells it from others, and as a graph to build it from.

PyTorch's own traces need a second of imports, and more to be made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from fastvec.train.compiled.graph import Graph, Operation, View, views_in


class Recording:
    """The operations of one call of a function, on zeros in the place of its arguments.

    Args:
        function: stateless, as :class:`fastvec.train.compiled.function.CompiledFunction` asks.
        arguments: tensors, None, and tuples, lists and dicts of those. They are neither read nor changed.

    Attributes:
        text: every operation, with the layouts and the constants of its inputs. Two calls with the same text do the
            same to the arguments and to :attr:`captured`.
        captured: the tensors that the function found elsewhere, in the order in which it met them.
        graph: the same operations, to be built.
        result: what it returned, with the type in the place of each tensor; ``torch.Tensor`` where it is one.
    """

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        leaves = [x for x in tensors_in(arguments) if x is not None]
        zeros = [zeros_like(x) for x in leaves]
        recorder = Recorder(zeros)
        with torch.no_grad(), recorder:
            value = function(*rebuild(arguments, iter(zeros)))
        recorder.note_result([x for x in tensors_in(value) if x is not None])
        self.graph = recorder.graph
        self.text = "\n".join(recorder.lines)
        self.captured = recorder.captured
        self.result = shape_of(value)


class Recorder(TorchDispatchMode):
    """Notes every operation on tensors while it is active.

    A tensor is known by its memory and by how it lies there, not by its object: PyTorch may make another one of it.

    Args:
        inputs: the tensors that do not count as found elsewhere.

    Attributes:
        lines: what was noted.
        captured: the tensors found elsewhere.
        graph: the operations that do something, which views do not.
    """

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.graph = Graph()
        self.captured: list[Tensor] = []
        self._numbers: dict[int, int] = {}
        self._references: list[StorageWeakRef] = []  # without them, an address could be that of another one later
        self._known: set[str] = set()
        self.lines = [f"input {self._known_place(tensor)}" for tensor in inputs]
        self.graph.inputs += [self._number_of(tensor) for tensor in inputs]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # PyTorch would load its compiler, to keep that from looking in here

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inputs = f"{self._describe(args, self._found_place)} {self._describe(kwargs, self._found_place)}"
        output = func(*args, **kwargs)
        self.lines.append(f"{func} {inputs} -> {self._describe(output, self._known_place)}")
        self._add_to_graph(func, args, kwargs, output)
        return output

    def _add_to_graph(self, func: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        arguments: dict[str, Any] = {}
        reads: list[View] = []
        writes: list[View] = []
        for i, argument in enumerate(func._schema.arguments):
            given = args[i] if i < len(args) else kwargs.get(argument.name, argument.default_value)
            arguments[argument.name] = value = self._with_views(given)
            views = list(views_in(value))
            reads += views
            if argument.alias_info is not None and argument.alias_info.is_write:
                writes += views
        if isinstance(output, (bool, int, float)):
            self.graph.looks_at_values = True
        known = {view.buffer for view in reads}
        made = [view for view in views_in(self._with_views(output)) if view.buffer not in known]
        if not (made or writes):
            return  # another view of what was there
        for view in made:
            self.graph.sizes[view.buffer] = (view.end, view.dtype)
        name = str(func).removeprefix("aten.").removesuffix(".default")
        self.graph.operations.append(Operation(name, arguments, reads, [*writes, *made]))

    def note_result(self, tensors: Sequence[Tensor]) -> None:
        """Note what the function returned."""
        self.lines.append(f"return {self._describe(tensors, self._found_place)}")
        self.graph.results = [self._view_of(tensor) for tensor in tensors]

    def _view_of(self, tensor: Tensor) -> View:
        offset, shape, strides = int(tensor.storage_offset()), tuple(tensor.shape), tuple(tensor.stride())
        return View(self._number_of(tensor), offset, shape, strides, tensor.dtype)

    def _with_views(self, value: Any) -> Any:
        """``value`` with views in the place of tensors, and lists in that of tuples."""
        if isinstance(value, Tensor):
            return self._view_of(value)
        if isinstance(value, (list, tuple)):
            return [self._with_views(x) for x in value]
        return value

    def _describe(self, value: Any, place: Callable[[Tensor], str]) -> str:
        """``value`` as text, tensors by their ``place``."""
        if isinstance(value, Tensor):
            return place(value)
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(self._describe(x, place) for x in value) + "]"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{name}: {self._describe(x, place)}" for name, x in value.items()) + "}"
        return repr(value)

    def _known_place(self, tensor: Tensor) -> str:
        """Where a tensor lies that was given, or made by an operation."""
        place = f"%{self._number_of(tensor)}+{tensor.storage_offset()} {layout_of(tensor)}"
        self._known.add(place)
        return place

    def _number_of(self, tensor: Tensor) -> int:
        """A number for a tensor's memory, which others on the same memory share."""
        reference = StorageWeakRef(tensor.untyped_storage())
        self._references.append(reference)
        return self._numbers.setdefault(reference.cdata, len(self._numbers))

    def _found_place(self, tensor: Tensor) -> str:
        """Where a tensor lies that is used: one that was not seen before was found elsewhere."""
        known = len(self._known)
        place = self._known_place(tensor)
        if len(self._known) > known:
            self.captured.append(tensor)
            self.graph.captured.append(self._view_of(tensor))
        return place


def layout_of(tensor: Tensor | None) -> tuple[Any, ...] | None:
    """How a tensor lies in its memory."""
    return None if tensor is None else (tensor.shape, tensor.stride(), tensor.dtype)


def zeros_like(tensor: Tensor) -> Tensor:
    """Zeros that lie as ``tensor`` does. Memory that is never touched costs nothing, as it would from PyTorch."""
    size = 1 + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.stride(), strict=True))
    memory = np.zeros(max(size, 1) * tensor.element_size(), np.uint8)
    return torch.from_numpy(memory).view(tensor.dtype).as_strided(tensor.shape, tensor.stride())


def tensors_in(value: Any) -> Iterator[Tensor | None]:
    """The tensors and Nones in tuples, lists and dicts, in order."""
    if value is None or isinstance(value, Tensor):
        yield value
    else:
        for item in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(item)


def rebuild(like: Any, tensors: Iterator[Tensor]) -> Any:
    """``like`` with the given tensors in the place of its own."""
    if like is None:
        return None
    if isinstance(like, Tensor) or like is Tensor:
        return next(tensors)
    if isinstance(like, dict):
        return {name: rebuild(item, tensors) for name, item in like.items()}
    items = [rebuild(item, tensors) for item in like]
    return type(like)(*items) if hasattr(like, "_fields") else type(like)(items)


def shape_of(value: Any) -> Any:
    """``value`` with the type in the place of each tensor."""
    if isinstance(value, Tensor):
        return Tensor
    return rebuild(value, iter([Tensor] * sum(x is not None for x in tensors_in(value))))  # type: ignore[list-item]
