"""The one place where anything is compiled. What is compiled is the same code that runs eagerly."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import torch

from fastvec.train.compiled.build import find_compiler
from fastvec.train.compiled.cache import ArtifactCache
from fastvec.train.compiled.function import CompiledFunction
from fastvec.train.config import TrainerConfig

P = ParamSpec("P")
R = TypeVar("R")


OLDEST = {"cpu": (2, 13), "cuda": (2, 11)}
"""The oldest PyTorch that compiled updates were tested with."""

CPU_OPTIONS: dict[str, Any] = {
    # The whole graph becomes one C++ function: nothing of Python between two kernels, and Python's lock is let go of,
    # so that parts of a minibatch run in several threads.
    "cpp_wrapper": True,
    # 2 / (1 + exp(-2x)) - 1, off by 1e-7 at most: a third of a small network's time was spent on an exacter tanh.
    "cpp.use_decompose_tanh": True,
}


def jit(function: Callable[P, R], *, enabled: bool, device: torch.device, stateless: bool = False) -> Callable[P, R]:
    """``function`` compiled as one graph for fixed shapes, or as it is.

    Args:
        function: of tensors.
        enabled: whether to compile it.
        device: where its tensors are.
        stateless: promises what :class:`CompiledFunction` asks for. On a CPU its calls are then cheap, and what was
            built is kept; anything else, and CUDA, goes through ``torch.compile``.
    """
    if not enabled:
        return function
    if builds_ahead(device, stateless=stateless):
        return cast(Callable[P, R], CompiledFunction(function))
    options = CPU_OPTIONS if device.type == "cpu" else None
    return torch.compile(own_copy(function), fullgraph=True, dynamic=False, options=options)


def builds_ahead(device: torch.device, *, stateless: bool) -> bool:
    """Whether :func:`jit` makes a :class:`CompiledFunction`; ``torch.compile`` looks into the function otherwise."""
    return stateless and device.type == "cpu"


def own_copy(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` with code of its own.

    PyTorch keeps what it compiled with a function's code, so that the second trainer in a process would count as a
    change of the first one's, and the ninth as one change too many.
    """
    plain = getattr(function, "__func__", function)
    copy = types.FunctionType(
        plain.__code__.replace(), plain.__globals__, plain.__name__, plain.__defaults__, plain.__closure__
    )
    copy.__kwdefaults__ = plain.__kwdefaults__
    owner = getattr(function, "__self__", None)
    return copy if owner is None else types.MethodType(copy, owner)


def will_compile(config: TrainerConfig, device: torch.device, *, ahead: bool = True) -> bool:
    """Whether a run with these settings is compiled on ``device``, ``ahead`` as :class:`CompiledFunction` or not.

    Its length decides, or the user, and PyTorch has to be one that can. Left open, nothing is compiled on a CPU without
    a C++ compiler, unless something was kept: then that may be from a machine which had one.
    """
    on_cpu = device.type == "cpu"
    if config.compile is None and on_cpu and not has_compiler() and not (ahead and ArtifactCache().has_any()):
        return False
    return config.compiles(device.type, ahead=ahead) and can_compile(device.type)


def has_compiler() -> bool:
    """Whether there is a C++ compiler, as building for a CPU takes."""
    return find_compiler() is not None


def can_compile(device_type: str = "cpu") -> bool:
    """Whether this PyTorch is one that compiling whole updates on such a device was tested with."""
    return tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2]) >= OLDEST[device_type]
