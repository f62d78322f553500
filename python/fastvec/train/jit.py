"""The one place where anything is compiled. What is compiled is the same code that runs eagerly."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R], *, enabled: bool) -> Callable[P, R]:
    """``function`` through ``torch.compile`` as one graph, or as it is."""
    if not enabled:
        return function
    if not can_compile():
        warnings.warn(f"PyTorch {torch.__version__} cannot compile a whole update; running eagerly", stacklevel=2)
        return function
    torch._dynamo.config.trace_autograd_ops = True
    return torch.compile(function, fullgraph=True, dynamic=False)


def can_compile() -> bool:
    """Whether this PyTorch lets ``torch.autograd.grad`` be part of a graph.

    Forward, backward and optimiser can then be one piece of code. (``torch.func.grad`` would do the same in
    older versions, at half the speed where it runs eagerly.)
    """
    return hasattr(torch._dynamo.config, "trace_autograd_ops")
