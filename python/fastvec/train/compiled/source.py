"""From a function to C++ by PyTorch's inductor. Importing this takes seconds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from torch._inductor.compile_fx import compile_fx_aot
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from fastvec.train.compiled.recording import layout_of, rebuild, tensors_in


def write(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    captured: Sequence[Tensor],
    folder: Path,
    options: dict[str, Any],
) -> list[Path]:
    """Let inductor write what ``function`` does as C++ files, and flags for them.

    Args:
        function: stateless.
        arguments: what it is called with.
        captured: the tensors that it finds elsewhere, which become inputs behind those in ``arguments``.
        folder: where the files go.
        options: inductor's.

    Returns:
        All files.

    Raises:
        Exception: whatever a user's own network does that no graph can hold.
    """
    graph, inputs = trace(function, arguments, captured)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, about PyTorch
        files: Any = compile_fx_aot(
            graph, list(inputs), config_patches={**options, "aot_inductor.output_path": str(folder)}
        )
    return [Path(name) for name in files]


def trace(
    function: Callable[..., Any], arguments: tuple[Any, ...], captured: Sequence[Tensor]
) -> tuple[fx.GraphModule, list[Tensor]]:
    """What ``function`` does to ``arguments``, without doing it.

    Args:
        function: stateless.
        arguments: what it is called with.
        captured: the tensors that it finds elsewhere.

    Returns:
        The graph, whose inputs are the tensors in ``arguments`` and then ``captured``, and fake tensors for all of its
        inputs.

    Raises:
        ValueError: it found other tensors.
    """
    leaves = [x for x in tensors_in(arguments) if x is not None]

    def flat(*tensors: Tensor) -> list[Tensor]:
        return [x for x in tensors_in(function(*rebuild(arguments, iter(tensors)))) if x is not None]

    mode = FakeTensorMode(allow_non_fake_inputs=True)
    fakes: list[Tensor] = [mode.from_tensor(x.detach(), static_shapes=True) for x in leaves]
    with torch.no_grad(), mode:
        graph = make_fx(flat, _allow_non_fake_inputs=True)(*fakes)
    lift_captured(graph, captured)
    return graph, fakes + [mode.from_tensor(x.detach(), static_shapes=True) for x in captured]


def lift_captured(graph: fx.GraphModule, captured: Sequence[Tensor]) -> None:
    """Make inputs of the tensors that ``graph`` holds, behind its others.

    Args:
        graph: changed in place.
        captured: what the inputs are to be, in this order.

    Raises:
        ValueError: the graph holds one that is not among them.
    """
    last = [node for node in graph.graph.nodes if node.op == "placeholder"][-1]
    inputs: list[fx.Node] = []
    for i in range(len(captured)):
        with graph.graph.inserting_after(last):
            last = graph.graph.placeholder(f"captured_{i}")
        inputs.append(last)
    nodes = [node for node in graph.graph.nodes if node.op == "get_attr"]
    held = {node.target: getattr(graph, node.target) for node in nodes}  # several nodes may name one
    places = find(held, captured)
    for node in nodes:
        place = inputs[places[node.target]]
        place.meta = dict(node.meta)
        node.replace_all_uses_with(place)
        graph.graph.erase_node(node)
    for name in held:
        delattr(graph, name)
    graph.recompile()


def find(held: dict[Any, Tensor], among: Sequence[Tensor]) -> dict[Any, int]:
    """The index of each tensor in ``among``: by its memory.

    A constant that the function makes anew each time lies elsewhere each time: it is one of equal values, among those
    whose memory nothing else has.

    Raises:
        ValueError: one is not there.
    """
    places: dict[Any, int] = {}
    for name, tensor in held.items():
        for i, other in enumerate(among):
            if layout_of(other) == layout_of(tensor) and other.data_ptr() == tensor.data_ptr():
                places[name] = i
    constants = [i for i in range(len(among)) if i not in places.values()]
    for name, tensor in held.items():
        if name in places:
            continue
        equal = (i for i in constants if layout_of(among[i]) == layout_of(tensor) and torch.equal(among[i], tensor))
        place = next(equal, None)
        if place is None:
            raise ValueError(f"another call found a tensor {list(tensor.shape)} that this one has not")
        places[name] = place
    return places
