"""PyTorch's operations on tensors of the device, each put off."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from support.simulated_cuda.device import device

aten = torch.ops.aten
WITH_WORKSPACE = {aten.mm.default, aten.addmm.default, aten.bmm.default, aten.convolution.default}
READS = {aten._local_scalar_dense.default, aten.equal.default, aten.nonzero.default, aten.is_nonzero.default}
"""Operations whose result the host needs: it waits for the current stream."""

REAL_GENERATOR = torch.Generator


def poisoned(shape: Any, dtype: torch.dtype) -> Tensor:
    """New memory with what nobody should read, but zeros where it may be an index."""
    return torch.full(tuple(shape), float("nan") if dtype.is_floating_point else 0, dtype=dtype)


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
