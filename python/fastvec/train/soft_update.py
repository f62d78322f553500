"""One gradient step of soft actor-critic: critics, actor, temperature, and the critics that targets come from.

Haarnoja et al., 2018 (arXiv 1812.05905); with a distribution over values, as Bellemare et al., 2017 (arXiv 1707.06887)
project it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, softmax

from fastvec.train.config import SACConfig
from fastvec.train.distributed import ALONE, World
from fastvec.train.distributions import TanhGaussian
from fastvec.train.jit import builds_ahead, jit
from fastvec.train.learner.adam import AdamSettings, LearnerState, adam_step
from fastvec.train.learner.captured_steps import CapturedSteps
from fastvec.train.learner.flat import FlatLayout
from fastvec.train.learner.gradients import recorded_gradients, transform_gradients
from fastvec.train.learner.learner import flatten
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


class Temperature(nn.Module):
    """The weight of the entropy, by its logarithm."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log_alpha = nn.Parameter(torch.tensor([initial]).log())


class SoftUpdate:
    """Owns what a :class:`SoftActorCritic` learns with, and takes gradient steps.

    Args:
        network: its parameters become views of this object's state.
        num_actions: A, numbers in an action.
        config: the settings.
        compiles: whether a step goes through torch.compile.
        captures: whether steps are captured as graphs on CUDA.
        world: the ranks whose batches together are one.

    Attributes:
        state: all that a gradient step changes.
        one_step: :meth:`step`, compiled or as it is.
    """

    def __init__(
        self,
        network: SoftActorCritic,
        num_actions: int,
        config: SACConfig,
        *,
        compiles: bool = False,
        captures: bool = True,
        world: World = ALONE,
    ) -> None:
        self.network = network
        self.config = config
        self.world = world
        device = next(network.parameters()).device
        self.temperature = Temperature(config.initial_temperature).to(device)
        adam = AdamSettings(config.learning_rate, config.adam_eps, config.max_grad_norm)
        parts: tuple[nn.Module, ...] = (network.actor_net, network.critic_net, self.temperature)
        flat = [flatten(part, adam, {}, num_metrics=0, world=world) for part in parts]
        self.layouts: tuple[FlatLayout, ...] = tuple(layout for layout, _ in flat)
        actor, critic, temperature = (state for _, state in flat)
        self.state = SoftState(
            actor,
            critic,
            temperature,
            target=critic.flat_parameters.clone(),
            metrics=torch.zeros(len(METRICS), device=device),
        )
        self.learning_rate = config.learning_rate
        self.distribution = TanhGaussian(num_actions)
        self.target_entropy = -float(num_actions) if config.target_entropy is None else config.target_entropy
        stateless = world.size == 1  # what ranks tell each other is no part of a program that is built ahead
        traced = compiles and not builds_ahead(device, stateless=stateless)
        self.differentiate = transform_gradients if traced else recorded_gradients
        self.one_step = jit(self.step, enabled=compiles, device=device, stateless=stateless)
        self.captured_steps: CapturedSteps | None = None
        if device.type == "cuda":
            self.captured_steps = CapturedSteps(self._steps, self.state.variables, capture=captures)

    def set_learning_rate(self, value: float) -> None:
        """Take steps of this size from now on."""
        self.learning_rate = value
        for state in (self.state.actor, self.state.critic, self.state.temperature):
            state.learning_rate.fill_(value)

    @torch.no_grad()
    def __call__(self, batches: Transitions, noise: Tensor) -> Tensor:
        """Take K gradient steps.

        Args:
            batches: K batches ``[K, B, ...]``, with observations as the network sees them and rewards scaled.
            noise: standard normal, ``[K, 2, B, A]``.

        Returns:
            The means of METRICS over the steps and the ranks, float32 ``[len(METRICS)]``, on the device.
        """
        self.state.metrics.zero_()
        (self.captured_steps or self._steps)((*batches, noise))
        return self.world.sum_(self.state.metrics / len(noise)) / self.world.size

    def _steps(self, inputs: Sequence[Tensor]) -> None:
        """A step for each row of a batch's tensors and of its noise. Waits for nothing, so that it can be captured."""
        for *batch, noise in zip(*inputs, strict=True):
            self.one_step(self.state, Transitions(*batch), noise)

    def state_dict(self) -> dict[str, Any]:
        """What gradient steps go on from; the parameters of actor and critics are in the network's."""
        state, (_, critic, _) = self.state, self.layouts
        adam = [
            {
                **{name: layout.pack(getattr(part, name)).cpu() for name in ("exp_avg", "exp_avg_sq")},
                "step": part.step.cpu().clone(),
            }
            for layout, part in zip(self.layouts, state[:3], strict=True)
        ]
        return {
            "adam": adam,
            "target": critic.pack(state.target).cpu(),
            "log_alpha": self.temperature.log_alpha.detach().cpu().clone(),
        }

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        with torch.no_grad():
            for layout, part, saved in zip(self.layouts, self.state[:3], content["adam"], strict=True):
                part.step.copy_(saved["step"])
                for name in ("exp_avg", "exp_avg_sq"):
                    getattr(part, name).copy_(layout.unpack(saved[name]))
            self.state.target.copy_(self.layouts[1].unpack(content["target"]))
            self.temperature.log_alpha.copy_(content["log_alpha"])

    def step(self, state: SoftState, batch: Transitions, noise: Tensor) -> None:
        """One gradient step on a batch ``[B, ...]``, with noise ``[2, B, A]``: pure but for ``state``."""
        alpha = state.temperature.flat_parameters[0].exp()
        with torch.no_grad():
            targets = self.critic_targets(state, batch, noise[0], alpha)

        def critic_loss(leaves: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
            outputs = self._critics(leaves, batch.obs, batch.actions)
            loss = critic_error(outputs, targets, self.network.support)
            return loss, torch.stack([loss, values_of(outputs, self.network.support).mean()]).detach()

        error, value = self._descend(state.critic, self.layouts[1], critic_loss).unbind()
        critics = self.layouts[1].split(state.critic.flat_parameters)

        def actor_loss(leaves: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
            actions, log_prob = self.distribution.sample_with_log_prob(self._actor(leaves, batch.obs), noise[1])
            values = values_of(self._critics(critics, batch.obs, actions), self.network.support)
            loss = (alpha * log_prob - values.amin(0)).mean()
            return loss, torch.stack([loss, log_prob.mean()]).detach()

        loss, log_prob = self._descend(state.actor, self.layouts[0], actor_loss).unbind()

        def temperature_loss(leaves: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
            (log_alpha,) = leaves.values()
            return -(log_alpha * (log_prob + self.target_entropy)).sum(), log_prob

        self._descend(state.temperature, self.layouts[2], temperature_loss)
        with torch.no_grad():
            state.target.lerp_(state.critic.flat_parameters, self.config.tau)
            state.metrics.add_(torch.stack([error, loss, -log_prob, alpha, value]))

    def critic_targets(self, state: SoftState, batch: Transitions, noise: Tensor, alpha: Tensor) -> Tensor:
        """What the critics are to learn: numbers ``[B]``, or probabilities ``[B, num_atoms]``."""
        actor = self.layouts[0].split(state.actor.flat_parameters)
        actions, log_prob = self.distribution.sample_with_log_prob(self._actor(actor, batch.next_obs), noise)
        outputs = self._critics(self.layouts[1].split(state.target), batch.next_obs, actions)
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

    def _descend(self, state: LearnerState, layout: FlatLayout, loss: Any) -> Tensor:
        """A step of Adam down ``loss``. Returns what that gives beside the loss."""
        leaves = layout.split(state.flat_parameters)
        grads, seen = self.differentiate(loss, leaves)
        with torch.no_grad():
            grad = layout.join(grads)
            if self.world.size > 1:
                grad = self.world.sum_(grad) / self.world.size
            adam_step(state, grad, max_grad_norm=self.config.max_grad_norm, eps=self.config.adam_eps)
            project(layout.split(state.flat_parameters))
        return seen


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
