"""A CUDA device played on the CPU, to find what goes wrong only now and then on a real one.

Tensors that the code under test asks to have on ``cuda`` lie in host memory, and every operation on them is put off: it
joins the queue of the stream that is current, and runs when something waits for it or when the ordering takes its turn.
An ordering may let streams overtake each other in every way that events and waits allow. So what a real device does
once in a million steps (a copy that reads a buffer which the host has written anew, a graph that starts before its
input is there, two graphs that share a workspace) happens at once here, and shows as wrong numbers.

What is modelled: streams, events, waits between them; pinned and pageable copies; captured graphs (their operations are
recorded and replayed one by one, so that two graphs interleave); the workspace that matrix products keep for each
stream, baked into a graph when it is captured; calls that wait. What is not: the allocator, which on a real device may
hand out the memory of a tensor that Python has dropped while another stream still reads it.
"""

from __future__ import annotations

import contextlib
import functools
import random
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import torch
import torch._dynamo  # before anything is replaced
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
WITH_WORKSPACE = {aten.mm.default, aten.addmm.default, aten.bmm.default, aten.convolution.default}
READS = {aten._local_scalar_dense.default, aten.equal.default, aten.nonzero.default, aten.is_nonzero.default}
"""Operations whose result the host needs: it waits for the current stream."""


class Event:
    """``torch.cuda.Event``"""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.pending = 0  # recordings that have not been reached

    def record(self, stream: Stream | None = None) -> None:
        self.pending += 1
        (stream or device().current).queue.append(("record", self, self.pending))

    def synchronize(self) -> None:
        device().run_until(lambda: self.pending == 0)

    def query(self) -> bool:
        return self.pending == 0


class Stream:
    """``torch.cuda.Stream``: a queue of operations."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.queue: deque[tuple[Any, ...]] = deque()
        self.workspace: dict[str, Tensor] = {}
        self.capturing: list[tuple[Any, ...]] | None = None
        self.cuda_stream = id(self)
        device().streams.append(self)

    def wait_stream(self, other: Stream) -> None:
        if other is not self:
            event = Event()
            event.record(other)
            self.queue.append(("wait", event))

    def wait_event(self, event: Event) -> None:
        self.queue.append(("wait", event))

    def synchronize(self) -> None:
        device().run_until(lambda: not self.queue)


class Graph:
    """``torch.cuda.CUDAGraph``: the operations of a capture."""

    def __init__(self) -> None:
        self.operations: list[tuple[Any, ...]] = []

    def replay(self) -> None:
        device().current.queue.extend(self.operations)


class Device:
    """The simulated device.

    Args:
        ordering: picks the stream that runs next, out of those that can: ``None`` runs every operation at once.
    """

    def __init__(self, ordering: Callable[[list[Stream]], Stream | None] | None) -> None:
        self.ordering = ordering
        self.streams: list[Stream] = []
        self.storages: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self.owned: dict[int, Any] = {}
        self.waits = 0
        self.executing = False

    def start(self) -> None:
        """Make the stream that is current at first."""
        self.current = self.main = Stream()
        self.default_capture_stream = Stream()

    # Which tensors are on the device.

    def own(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        self.owned[storage._cdata] = storage  # holds it, so that the address is not used again
        return tensor

    def owns(self, tensor: Any) -> bool:
        return isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata in self.owned

    # Running what was put off.

    def runnable(self) -> list[Stream]:
        return [s for s in self.streams if s.queue and not (s.queue[0][0] == "wait" and s.queue[0][1].pending)]

    def turn(self, stream: Stream) -> None:
        kind, *rest = stream.queue.popleft()
        if kind == "record":
            rest[0].pending -= 1
        elif kind == "run":
            self.executing = True
            try:
                with torch.no_grad():
                    rest[0]()
            finally:
                self.executing = False

    def run_until(self, done: Callable[[], bool]) -> None:
        """The host waits: operations run in the order of ``ordering`` until ``done()``."""
        self.waits += 1
        while not done():
            streams = self.runnable()
            assert streams, "the device would hang: every stream waits for another"
            stream = None if self.ordering is None else self.ordering(streams)
            self.turn(stream or streams[0])

    def finish(self) -> None:
        """Everything that was put off is done."""
        self.run_until(lambda: not any(stream.queue for stream in self.streams))

    def enqueue(self, *operations: Callable[[], None]) -> None:
        """Put operations into the current stream, or into what is captured from it."""
        items = [("run", operation) for operation in operations]
        if self.current.capturing is not None:
            self.current.capturing.extend(items)
            return
        self.current.queue.extend(items)
        if self.ordering is None:
            self.finish()


_device: list[Device] = []


def device() -> Device:
    return _device[-1]


class Kind(NamedTuple):
    """What there is to know of an operation."""

    name: str
    is_view: bool
    written: list[int]
    written_names: list[str]
    returns_one: bool


@functools.cache
def kind_of(function: Any) -> Kind:
    schema = function._schema
    written = [i for i, a in enumerate(schema.arguments) if a.alias_info is not None and a.alias_info.is_write]
    return Kind(
        name=schema.name,
        is_view=function.is_view or schema.name in ("aten::detach", "aten::alias", "aten::_unsafe_view"),
        written=written,
        written_names=[schema.arguments[i].name for i in written],
        returns_one=len(schema.returns) == 1,
    )


class Operations(TorchDispatchMode):
    """Puts off every operation that has to do with the device."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        it = device()
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        if it.executing or not any(it.owns(x) for x in tensors):
            return function(*args, **kwargs)
        if function in READS:
            if it.current.capturing is not None:
                raise RuntimeError(f"operation not permitted when stream is capturing: {function}")
            stream = it.current
            it.run_until(lambda: not stream.queue)
            return function(*args, **kwargs)
        kind = kind_of(function)
        if kind.is_view:
            return function(*args, **kwargs)
        if kind.name == "aten::copy_":
            return self.copy(function, *args, **kwargs)
        changed = [args[i] for i in kind.written if i < len(args)]
        changed += [kwargs[name] for name in kind.written_names if name in kwargs]
        random_draw = "generator" in kwargs or any(isinstance(x, REAL_GENERATOR) for x in args)
        if changed:
            if random_draw:  # numbers are drawn in the order of the calls, on a real device as well
                drawn = torch.empty_like(changed[0])
                function(drawn, *args[1:], **kwargs)
                it.enqueue(lambda: changed[0].copy_(drawn))
            else:
                it.enqueue(lambda: function(*args, **kwargs))
            return changed[0] if kind.returns_one else None
        # Shapes are known before the numbers are: the operation on rubbish says them.
        shapes = function(*args, **kwargs)
        results = tree_map(lambda x: it.own(poisoned(x.shape, x.dtype)) if isinstance(x, Tensor) else x, shapes)
        outputs = [x for x in tree_leaves(results) if isinstance(x, Tensor)]

        def fill(values: Any) -> None:
            fresh = [x for x in tree_leaves(values) if isinstance(x, Tensor)]
            for output, value in zip(outputs, fresh, strict=True):
                output.copy_(value)

        if function in WITH_WORKSPACE:
            workspace = it.current.workspace
            # Two steps, between which another stream may come.
            it.enqueue(
                lambda: workspace.__setitem__("result", function(*args, **kwargs)), lambda: fill(workspace["result"])
            )
        elif random_draw:
            it.enqueue(lambda: fill(shapes))
        else:
            it.enqueue(lambda: fill(function(*args, **kwargs)))
        return results

    def copy(self, function: Any, there: Tensor, here: Tensor, non_blocking: bool = False) -> Tensor:
        it = device()
        both = it.owns(there) and it.owns(here)
        stream = it.current
        it.enqueue(lambda: there.copy_(here))
        if not both and not non_blocking and stream.capturing is None:
            it.run_until(lambda: not stream.queue)
        return there


DEVICE, IS_CUDA = Tensor.device.__get__, Tensor.is_cuda.__get__  # type: ignore[attr-defined]


def poisoned(shape: Any, dtype: torch.dtype) -> Tensor:
    """New memory with what nobody should read, but zeros where it may be an index."""
    return torch.full(tuple(shape), float("nan") if dtype.is_floating_point else 0, dtype=dtype)


def is_cuda(value: Any) -> bool:
    return (isinstance(value, torch.device) and value.type == "cuda") or (
        isinstance(value, str) and value.startswith("cuda")
    )


def names_a_device(value: Any) -> bool:
    return isinstance(value, torch.device) or value in ("cpu", "cuda")


class Placement(TorchFunctionMode):
    """Gives the CPU's memory to whoever asks for the device's, and remembers it."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        it, name = device(), getattr(function, "__name__", "")
        if function in (DEVICE, IS_CUDA) and it.owns(args[0]):
            return torch.device("cuda", 0) if function == DEVICE else True
        kwargs.pop("pin_memory", None)
        if name == "pin_memory":
            return args[0].clone()
        if name == "numpy" and it.owns(args[0]):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if name in ("tolist", "__array__") and it.owns(args[0]):
            stream = it.current
            it.run_until(lambda: not stream.queue)
        if name in ("to", "cpu", "cuda") and isinstance(args[0], Tensor):
            wanted = [x for x in (*args[1:], kwargs.get("device")) if isinstance(x, torch.device | str)]
            target = "cpu" if name == "cpu" else "cuda" if name == "cuda" or any(map(is_cuda, wanted)) else None
            if wanted and target is None:
                target = "cpu"
            if target is not None:
                return self.move(args[0], target, kwargs.get("non_blocking", False))
        placed = is_cuda(kwargs.get("device"))
        if "device" in kwargs:
            kwargs["device"] = None if kwargs["device"] is None else "cpu"
        result = function(*args, **kwargs)
        if placed:
            for tensor in tree_leaves(result):
                if isinstance(tensor, Tensor):
                    it.own(tensor)
        return result

    def move(self, tensor: Tensor, target: str, non_blocking: bool) -> Tensor:
        it = device()
        if it.owns(tensor) == (target == "cuda"):
            return tensor
        with torch.no_grad():
            result = poisoned(tensor.shape, tensor.dtype)
            if target == "cuda":
                it.own(result)
            result.copy_(tensor.detach(), non_blocking=non_blocking)
        return result


REAL_GENERATOR = torch.Generator


class CudaGenerator(REAL_GENERATOR):  # type: ignore[misc, valid-type]
    """A CPU's generator that says it is the device's."""

    @property
    def device(self) -> torch.device:
        return torch.device("cuda", 0)


class Generator(REAL_GENERATOR):  # type: ignore[misc, valid-type]
    """``torch.Generator``"""

    def __new__(cls, where: Any = "cpu") -> Any:
        return REAL_GENERATOR.__new__(CudaGenerator, "cpu") if is_cuda(where) else REAL_GENERATOR(where)


@contextlib.contextmanager
def current_stream_is(stream: Stream | None) -> Iterator[None]:
    it = device()
    before = it.current
    it.current = stream or before
    try:
        yield
    finally:
        it.current = before


@contextlib.contextmanager
def capture(graph: Graph, pool: Any = None, stream: Stream | None = None, **options: Any) -> Iterator[None]:
    """``torch.cuda.graph``"""
    stream = stream or device().default_capture_stream
    for other in list(device().streams):
        other.synchronize()
    with current_stream_is(stream):
        stream.capturing = graph.operations
        try:
            yield
        finally:
            stream.capturing = None


@contextlib.contextmanager
def simulated(ordering: Callable[[list[Stream]], Stream | None] | None) -> Iterator[Device]:
    """``torch.cuda`` is a simulated device."""
    it = Device(ordering)
    _device.append(it)
    it.start()
    fakes = {
        "Stream": Stream,
        "Event": Event,
        "CUDAGraph": Graph,
        "graph": capture,
        "stream": current_stream_is,
        "current_stream": lambda *_: it.current,
        "device": lambda *_: contextlib.nullcontext(),
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "synchronize": lambda *_: it.finish(),
        "current_device": lambda: 0,
    }
    try:
        with contextlib.ExitStack() as stack:
            for name, fake in fakes.items():
                stack.enter_context(mock.patch.object(torch.cuda, name, fake))
            stack.enter_context(mock.patch.object(torch, "Generator", Generator))
            stack.enter_context(Operations())
            stack.enter_context(Placement())
            yield it
    finally:
        _device.pop()


def late(streams: list[Stream]) -> Stream | None:
    """The stream that was made last goes first, and each goes as far as it can."""
    return streams[-1]


def early(streams: list[Stream]) -> Stream | None:
    """The stream that was made first goes first."""
    return streams[0]


def shuffled(seed: int) -> Callable[[list[Stream]], Stream]:
    """Any stream may be next."""
    return random.Random(seed).choice
