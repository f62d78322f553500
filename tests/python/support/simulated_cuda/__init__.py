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
import random
from collections.abc import Callable, Iterator
from unittest import mock

import torch
import torch._dynamo  # before anything is replaced

from support.simulated_cuda.device import DEVICES, Device, Event, Graph, Stream, capture, current_stream_is
from support.simulated_cuda.operations import Operations
from support.simulated_cuda.placement import Generator, Placement

__all__ = ["ORDERINGS", "Event", "Stream", "early", "late", "shuffled", "simulated"]

MEMORY = 8 << 30
"""Bytes that the device says it has, all of them free."""


@contextlib.contextmanager
def simulated(ordering: Callable[[list[Stream]], Stream | None] | None) -> Iterator[Device]:
    """``torch.cuda`` is a simulated device."""
    it = Device(ordering)
    DEVICES.append(it)
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
        "mem_get_info": lambda *_: (MEMORY, MEMORY),
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
        DEVICES.pop()


def late(streams: list[Stream]) -> Stream | None:
    """The stream that was made last goes first, and each goes as far as it can."""
    return streams[-1]


def early(streams: list[Stream]) -> Stream | None:
    """The stream that was made first goes first."""
    return streams[0]


def shuffled(seed: int) -> Callable[[list[Stream]], Stream]:
    """Any stream may be next."""
    return random.Random(seed).choice


ORDERINGS: dict[str, Callable[[list[Stream]], Stream | None] | None] = {
    "at once": None,
    "oldest first": early,
    "newest first": late,
    **{f"seed {i}": shuffled(i) for i in range(3)},
}
