"""The simulated device: streams, events and graphs, and the order in which their operations run."""

from __future__ import annotations

import contextlib
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor


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


DEVICES: list[Device] = []
"""The one that is simulated is the last of them."""


def device() -> Device:
    return DEVICES[-1]


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
