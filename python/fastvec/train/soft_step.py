"""One gradient step of soft actor-critic as pure functions of its state: critics, actor, temperature, target.

Haarnoja et al., 2018 (arXiv 1812.05905); with a distribution over values, as Bellemare et al., 2017 (arXiv 1707.06887)
project it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softmax

from fastvec.train.config import SACConfig
from fastvec.train.distributed import ALONE, World
from fastvec.train.distributions import TanhGaussian
from fastvec.train.learner.adam import LearnerState, adam_step
from fastvec.train.learner.flat import FlatLayout
from fastvec.train.learner.gradients import recorded_gradients, transform_gradients
from fastvec.train.networks.soft import SoftActorCritic, bound_log_std, project
from fastvec.train.rollout.replay import Transitions

METRICS = ("critic_loss", "actor_loss", "entropy", "temperature", "q_value")


class SoftState(NamedTuple):
    """All that a gradient step changes, on the device, in place.

    Attributes:
        actor: the actor's parameters and Adam's state.
        critic: the critics'.
        temperature: the logarithm of the entropy's weight, the one parameter of its state.
        target: float32 ``[P]``: the parameters of the critics that targets come from, as those of ``critic`` lie.
        metrics: float32 ``[len(METRICS)]``: sums over the steps since they were last read.
    """

    actor: LearnerState
    critic: LearnerState
    temperature: LearnerState
    target: Tensor
    metrics: Tensor

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """What a gradient step changes."""
        parts = (self.actor, self.critic, self.temperature)
        return *(x for part in parts for x in part.variables), self.target, self.metrics


class Layouts(NamedTuple):
    """How the parameters lie in each part of :class:`SoftState`."""

    actor: FlatLayout
    critic: FlatLayout
    temperature: FlatLayout


class SoftStep:
    """A gradient step on a :class:`SoftActorCritic`, as a whole or in four phases.

    A batch may be cut into equal parts, whose gradients are taken side by side and then added up.

    Args:
        network: its modules compute with the parameters of the state.
        layouts: how those lie.
        num_actions: A, numbers in an action.
        config: the settings.
        num_parts: of a batch.
        traced: whether ``torch.compile`` looks at these functions, which takes another road to gradients.
        world: the ranks whose batches together are one; :meth:`whole` alone knows of others.
    """

    def __init__(
        self,
        network: SoftActorCritic,
        layouts: Layouts,
        num_actions: int,
        config: SACConfig,
        *,
        num_parts: int = 1,
        traced: bool = False,
        world: World = ALONE,
    ) -> None:
        self.network = network
        self.layouts = layouts
        self.config = config
        self.num_parts = num_parts
        self.world = world
        self.differentiate = transform_gradients if traced else recorded_gradients
        self.distribution = TanhGaussian(num_actions)
        self.target_entropy = -float(num_actions) if config.target_entropy is None else config.target_entropy

    def whole(self, state: SoftState, batch: Transitions, noise: Tensor) -> None:
        """All of it on a batch ``[B, ...]`` that is not cut, with noise ``[2, B, A]``."""
        critic = [self._over_ranks(self.critic_gradient(state, batch, noise[0]))]
        self.apply_critic(state, critic)
        actor = [self._over_ranks(self.actor_gradient(state, batch.obs, noise[1]))]
        self.apply_actor(state, critic, actor)

    def critic_gradient(self, state: SoftState, batch: Transitions, noise: Tensor) -> Tensor:
        """Of a part of a batch: its part of the critics' gradient, and behind it of their loss and their mean value.

        Args:
            state: where the gradient is taken.
            batch: the rows, ``[B / num_parts, ...]``.
            noise: standard normal, ``[B / num_parts, A]``, of the actions that come next.
        """
        with torch.no_grad():
            targets = self.critic_targets(state, batch, noise, state.temperature.flat_parameters[0].exp())

        def loss(leaves: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
            outputs = self._critics(leaves, batch.obs, batch.actions)
            error = critic_error(outputs, targets, self.network.support) / self.num_parts
            value = values_of(outputs, self.network.support).mean() / self.num_parts
            return error, torch.stack([error, value]).detach()

        return self._gradient(loss, state.critic, self.layouts.critic)

    def apply_critic(self, state: SoftState, parts: Sequence[Tensor]) -> None:
        """The critics' step, by the sum of what :meth:`critic_gradient` gave."""
        self._descend(state.critic, self.layouts.critic, reduce(torch.add, parts)[:-2])

    def actor_gradient(self, state: SoftState, obs: Tensor, noise: Tensor) -> Tensor:
        """Of a part of a batch: its part of the actor's gradient, and behind it of its loss and the log-probability.

        Args:
            state: where the gradient is taken; the critics have made their step.
            obs: ``[B / num_parts, D]``.
            noise: standard normal, ``[B / num_parts, A]``.
        """
        alpha = state.temperature.flat_parameters[0].exp()
        critics = self.layouts.critic.split(state.critic.flat_parameters)

        def loss(leaves: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
            actions, log_prob = self.distribution.sample_with_log_prob(self._actor(leaves, obs), noise)
            values = values_of(self._critics(critics, obs, actions), self.network.support)
            error = (alpha * log_prob - values.amin(0)).mean() / self.num_parts
            return error, torch.stack([error, log_prob.mean() / self.num_parts]).detach()

        return self._gradient(loss, state.actor, self.layouts.actor)

    def apply_actor(self, state: SoftState, critic_parts: Sequence[Tensor], parts: Sequence[Tensor]) -> None:
        """The steps of actor, temperature and target, and the metrics.

        Args:
            state: is changed.
            critic_parts: what :meth:`critic_gradient` gave.
            parts: what :meth:`actor_gradient` gave.
        """
        with torch.no_grad():
            alpha = state.temperature.flat_parameters[0].exp()
            error, value = reduce(torch.add, [part[-2:] for part in critic_parts]).unbind()
            total = reduce(torch.add, parts)
            loss, log_prob = total[-2:].unbind()
            self._descend(state.actor, self.layouts.actor, total[:-2])
            # The temperature's loss is -log(alpha) (log_prob + target_entropy).
            gradient = -(log_prob + self.target_entropy)
            self._descend(state.temperature, self.layouts.temperature, self.layouts.temperature.join([gradient]))
            state.target.lerp_(state.critic.flat_parameters, self.config.tau)
            state.metrics.add_(torch.stack([error, loss, -log_prob, alpha, value]))

    def critic_targets(self, state: SoftState, batch: Transitions, noise: Tensor, alpha: Tensor) -> Tensor:
        """What the critics are to learn: numbers ``[B]``, or probabilities ``[B, num_atoms]``."""
        actor = self.layouts.actor.split(state.actor.flat_parameters)
        actions, log_prob = self.distribution.sample_with_log_prob(self._actor(actor, batch.next_obs), noise)
        outputs = self._critics(self.layouts.critic.split(state.target), batch.next_obs, actions)
        support = self.network.support
        if support is None:
            return batch.rewards + batch.discounts * (outputs.amin(0) - alpha * log_prob)
        # Of both distributions, the one with the lower mean, as a whole.
        first = (values_of(outputs, support).argmin(0) == 0).unsqueeze(-1)
        probabilities = torch.where(first, softmax(outputs[0], -1), softmax(outputs[1], -1))
        moved = batch.rewards.unsqueeze(-1) + batch.discounts.unsqueeze(-1) * (
            support - (alpha * log_prob).unsqueeze(-1)
        )
        return project_distribution(probabilities, moved, support)

    def _actor(self, leaves: dict[str, Tensor], obs: Tensor) -> Tensor:
        return bound_log_std(torch.func.functional_call(self.network.actor_net, leaves, (obs,)))

    def _critics(self, leaves: dict[str, Tensor], obs: Tensor, actions: Tensor) -> Tensor:
        inputs = torch.cat([obs, actions], -1)
        outputs: Tensor = torch.func.functional_call(self.network.critic_net, leaves, (inputs,))
        return outputs

    def _gradient(
        self, loss: Callable[[dict[str, Tensor]], tuple[Tensor, Tensor]], state: LearnerState, layout: FlatLayout
    ) -> Tensor:
        grads, seen = self.differentiate(loss, layout.split(state.flat_parameters))
        return layout.join(grads, seen)

    def _over_ranks(self, part: Tensor) -> Tensor:
        return self.world.sum_(part) / self.world.size if self.world.size > 1 else part

    def _descend(self, state: LearnerState, layout: FlatLayout, gradient: Tensor) -> None:
        """A step of Adam."""
        with torch.no_grad():
            adam_step(state, gradient, max_grad_norm=self.config.max_grad_norm, eps=self.config.adam_eps)
            project(layout.split(state.flat_parameters))


def values_of(outputs: Tensor, support: Tensor | None) -> Tensor:
    """The values ``[2, B]`` that critics' outputs mean."""
    return outputs if support is None else (softmax(outputs, -1) * support).sum(-1)


def critic_error(outputs: Tensor, targets: Tensor, support: Tensor | None) -> Tensor:
    """How far both critics are from their targets: squares, or cross-entropies, summed over the critics."""
    if support is None:
        return (outputs - targets).square().mean(-1).sum()
    return -(targets * log_softmax(outputs, -1)).sum(-1).mean(-1).sum()


def project_distribution(probabilities: Tensor, values: Tensor, support: Tensor) -> Tensor:
    """A distribution over other values, as one over ``support``.

    Each value's probability is shared out between the two neighbours in the support, the nearer getting more; what lies
    outside goes to its end.

    Args:
        probabilities: float32 ``[B, num_atoms]``.
        values: float32 ``[B, num_atoms]``: where they lie.
        support: float32 ``[num_atoms]``, evenly spaced.

    Returns:
        float32 ``[B, num_atoms]``.
    """
    size = len(support)
    spacing = (support[-1] - support[0]) / (size - 1)
    place = ((values - support[0]) / spacing).clamp(0.0, size - 1.0)
    below = place.floor()
    share = place - below
    lower = below.to(torch.int64)
    upper = (lower + 1).clamp(max=size - 1)
    projected = torch.zeros_like(probabilities)
    projected = projected.scatter_add(-1, lower, probabilities * (1.0 - share))
    return projected.scatter_add(-1, upper, probabilities * share)
