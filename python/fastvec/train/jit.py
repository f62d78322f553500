"""The one place where anything is compiled. What is compiled is the same code that runs eagerly."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R], *, enabled: bool) -> Callable[P, R]:
    """``function`` through ``torch.compile`` as one graph, or as it is."""
    if not enabled:
        return function
    # Lets torch.autograd.grad be part of a graph: forward, backward and optimiser then are one piece of code.
    torch._dynamo.config.trace_autograd_ops = True
    return torch.compile(function, fullgraph=True, dynamic=False)
