"""One gradient step on a minibatch, as pure functions of the learner's state that can be compiled and captured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from fastvec.train.distributed import ALONE, World
from fastvec.train.learner.adam import AdamSettings, LearnerState, adam_step
from fastvec.train.learner.flat import FlatLayout
from fastvec.train.learner.gradients import recorded_gradients, transform_gradients


class Rows(Protocol):
    """What an update is made on: rows that minibatches are drawn from."""

    @property
    def obs(self) -> Tensor:
        """Their observations: uint8 where they are images, which may be too large to be copied."""

    @property
    def num_rows(self) -> int:
        """How many there are."""

    def take(self, rows: Tensor) -> Any:
        """The minibatch of the given rows, int64 ``[B]``: copies."""

    def take_obs(self, rows: Tensor) -> Tensor:
        """The observations of :meth:`take` alone."""

    def between(self, start: int, length: int) -> Any:
        """The minibatch of ``length`` rows from ``start`` on: views."""

    def without_obs(self) -> Any:
        """The same rows, with something small in the place of the observations."""

    def with_obs(self, obs: Tensor) -> Any:
        """The same rows with other observations."""


Forward = Callable[..., Any]
"""``forward(*inputs)``: the network with the parameters that the gradient is taken by."""


class Loss(Protocol):
    """What an algorithm wants of a network, as a sum over the rows of a minibatch.

    A minibatch may be worked on in parts (by threads, or ranks): the losses and metrics of the parts are added up, and
    what a part must know of the whole is in its moments.

    Attributes:
        metrics: the names of what it measures beside.
    """

    metrics: tuple[str, ...]

    def moments(self, batch: Any, minibatches: Tensor | None = None, world: World = ALONE) -> list[Any]:
        """What a minibatch must know about itself as a whole before any part of it can be worked on.

        Args:
            batch: the rows.
            minibatches: int64 ``[K, B]``, rows of ``batch``; None where the batch itself is the one minibatch.
            world: the ranks whose minibatches together are one.

        Returns:
            A tuple of tensors for each minibatch.
        """

    def __call__(self, forward: Forward, part: Any, moments: Any, scalars: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The loss of a part of a minibatch, a scalar, and its metrics, float32 ``[len(metrics)]``, detached."""


class MinibatchStep:
    """A gradient step by ``loss`` on the parameters of ``network``.

    Args:
        network: the module whose parameters the state holds.
        layout: how the state holds them.
        loss: what is differentiated.
        adam: how the gradient is applied.
        traced: whether ``torch.compile`` looks at these functions, which takes another road to the gradient.
    """

    def __init__(self, network: nn.Module, layout: FlatLayout, loss: Loss, adam: AdamSettings, *, traced: bool) -> None:
        self.network = network
        self.layout = layout
        self.loss = loss
        self.adam = adam
        self.differentiate = transform_gradients if traced else recorded_gradients

    def gradient_of(self, state: LearnerState, part: Any, moments: Any, module: nn.Module | None = None) -> Tensor:
        """The gradient of a part of a minibatch's loss, and behind it its part of the metrics.

        Args:
            state: whose parameters the gradient is at.
            part: the rows.
            moments: of the whole minibatch.
            module: a copy of the network, for a thread of its own.
        """
        network = self.network if module is None else module

        def loss(leaves: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
            def forward(*inputs: Tensor) -> Any:
                return torch.func.functional_call(network, leaves, inputs)

            return self.loss(forward, part, moments, state.scalars)

        grads, metrics = self.differentiate(loss, self.layout.split(state.flat_parameters))
        return self.layout.join(grads, metrics)

    def gradient(
        self, state: LearnerState, batch: Rows, rows: Tensor, moments: Any, module: nn.Module | None = None
    ) -> Tensor:
        """:meth:`gradient_of` the given rows."""
        return self.gradient_of(state, batch.take(rows), moments, module)

    def apply(self, state: LearnerState, parts: list[Tensor]) -> None:
        """Adam's step on the sum of what :meth:`gradient` gave."""
        with torch.no_grad():
            total = parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)
            grad, metrics = total.split([len(state.flat_parameters), len(self.loss.metrics)])
            norm = adam_step(state, grad, max_grad_norm=self.adam.max_grad_norm, eps=self.adam.eps)
            state.metrics.add_(torch.cat([metrics, norm.view(1)]))

    def on_part(self, state: LearnerState, part: Rows) -> None:
        """The whole step, on a minibatch that was gathered already."""
        (moments,) = self.loss.moments(part)
        self.apply(state, [self.gradient_of(state, part, moments)])

    def on_rows(self, state: LearnerState, batch: Rows, rows: Tensor) -> None:
        """The whole step, on the given rows of a batch."""
        self.on_part(state, batch.take(rows))
