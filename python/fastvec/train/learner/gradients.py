"""Gradients of a function of named parameters, by the two ways that PyTorch has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

ScalarFunction = Callable[[dict[str, Tensor]], tuple[Tensor, Tensor]]
"""``loss(parameters) -> (loss, metrics)``"""


def recorded_gradients(loss: ScalarFunction, parameters: dict[str, Tensor]) -> tuple[Sequence[Tensor], Tensor]:
    """Gradients in the parameters' order, and the metrics, by PyTorch's usual recording.

    It is the faster way where nothing is compiled.
    """
    leaves = {name: p.detach().requires_grad_() for name, p in parameters.items()}
    with torch.enable_grad():
        value, metrics = loss(leaves)
        # A network of a user's own may have parameters that this loss does not reach.
        grads = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return grads, metrics


def transform_gradients(loss: ScalarFunction, parameters: dict[str, Tensor]) -> tuple[Sequence[Tensor], Tensor]:
    """The same by a transform of the function, which can be part of a compiled loop."""
    grads, metrics = torch.func.grad(loss, has_aux=True)(parameters)
    return list(grads.values()), metrics
