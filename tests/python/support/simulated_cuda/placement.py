"""Where tensors and generators are: the device's lie in the CPU's memory, and say that they do not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from support.simulated_cuda.device import device
from support.simulated_cuda.operations import REAL_GENERATOR, poisoned

DEVICE, IS_CUDA = Tensor.device.__get__, Tensor.is_cuda.__get__  # type: ignore[attr-defined]


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


class CudaGenerator(REAL_GENERATOR):  # type: ignore[misc, valid-type]
    """A CPU's generator that says it is the device's."""

    @property
    def device(self) -> torch.device:
        return torch.device("cuda", 0)


class Generator(REAL_GENERATOR):  # type: ignore[misc, valid-type]
    """``torch.Generator``"""

    def __new__(cls, where: Any = "cpu") -> Any:
        return REAL_GENERATOR.__new__(CudaGenerator, "cpu") if is_cuda(where) else REAL_GENERATOR(where)
