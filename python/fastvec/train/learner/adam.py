"""The state of an optimised network on its device, and Adam's step on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class AdamSettings:
    """How gradients become steps.

    Attributes:
        learning_rate: at the start; :meth:`Learner.set_learning_rate` changes it.
        eps: Adam's epsilon.
        max_grad_norm: the global norm that gradients are scaled down to.
    """

    learning_rate: float
    eps: float
    max_grad_norm: float


class LearnerState(NamedTuple):
    """Everything that an update changes or reads, on the device.

    All are updated in place, never replaced: numbers that are annealed would otherwise freeze in a compiled graph.

    Attributes:
        flat_parameters: float32 ``[P]``: all parameters side by side, each at a multiple of ALIGNMENT; the network's
            own parameters are views of it.
        exp_avg: float32 ``[P]``: Adam's mean of the gradients.
        exp_avg_sq: float32 ``[P]``: Adam's mean of their squares.
        step: int64 ``[]``: gradient steps taken.
        learning_rate: float32 ``[]``.
        scalars: float32 ``[]`` each, by name: numbers of the loss that change over the run.
        metrics: float32 ``[len(Learner.metrics)]``: sums over the minibatches since they were last read.
    """

    flat_parameters: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor
    step: Tensor
    learning_rate: Tensor
    scalars: dict[str, Tensor]
    metrics: Tensor

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """What a gradient step changes."""
        return self.flat_parameters, self.exp_avg, self.exp_avg_sq, self.step, self.metrics

    def with_variables(self, variables: Sequence[Tensor]) -> LearnerState:
        """A state with others in the place of :attr:`variables`."""
        flat_parameters, exp_avg, exp_avg_sq, step, metrics = variables
        return self._replace(
            flat_parameters=flat_parameters, exp_avg=exp_avg, exp_avg_sq=exp_avg_sq, step=step, metrics=metrics
        )


def adam_step(
    state: LearnerState,
    grad: Tensor,
    *,
    max_grad_norm: float,
    eps: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
) -> Tensor:
    """Clip a gradient and take a step of Adam (Kingma and Ba, 2015), in place.

    Args:
        state: its parameters, both means and ``step`` are changed.
        grad: float32 ``[P]``.
        max_grad_norm: the norm that it is scaled down to.
        eps: Adam's epsilon.
        beta1: Adam's, of the mean.
        beta2: Adam's, of the mean of squares.

    Returns:
        The gradient's norm before, float32 ``[]``.
    """
    norm = torch.linalg.vector_norm(grad)
    grad = grad * (max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
    state.step.add_(1)
    state.exp_avg.lerp_(grad, 1.0 - beta1)
    state.exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1.0 - beta2)
    bias1, bias2 = 1.0 - beta1**state.step, 1.0 - beta2**state.step
    denominator = (state.exp_avg_sq / bias2).sqrt() + eps
    state.flat_parameters.sub_(state.learning_rate / bias1 * state.exp_avg / denominator)
    return norm
