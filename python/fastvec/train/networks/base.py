"""What the trainer asks of an actor-critic network, and what its parts have in common."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fastvec.train.config import OnPolicyConfig, PPOConfig
from fastvec.train.distributions import ActionDistribution, DiagGaussian

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "silu": nn.SiLU}


class ActorCritic(nn.Module):
    """What the trainer asks of a network; ``forward`` alone is enough, the other two may save work."""

    memory_size = 0
    """Numbers per environment that a recurrent network carries from step to step."""
    pure: bool = False
    """True promises that ``forward`` draws no random numbers and changes no buffers. All minibatches of an update can
    then be one compiled loop."""

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """``(params, values)`` of observations ``[B, *obs_shape]``."""
        raise NotImplementedError

    def actor(self, obs: Tensor) -> Tensor:
        """``params`` alone."""
        return self(obs)[0]

    def critic(self, obs: Tensor) -> Tensor:
        """``values`` alone."""
        return self(obs)[1]


class SharedActorCritic(ActorCritic):
    """A network whose actor and critic see the same features, through a linear layer each."""

    def features(self, obs: Tensor) -> Tensor:
        """What both see of observations ``[B, *obs_shape]``: float32 ``[B, num_features]``."""
        raise NotImplementedError

    def _add_layers(self, num_features: int, head: ActionDistribution, config: OnPolicyConfig) -> None:
        """Make the two layers, after all that makes the features."""
        self.output = PolicyOutput(head, config)
        self.actor_layer = linear(num_features, self.output.width, gain=0.01)
        self.critic_layer = linear(num_features, 1, gain=1.0)

    def actor(self, obs: Tensor) -> Tensor:
        """``params`` alone."""
        return self.output(self.actor_layer(self.features(obs)))

    def critic(self, obs: Tensor) -> Tensor:
        """``values`` alone."""
        return self.critic_layer(self.features(obs)).squeeze(-1)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """``(params, values)`` of observations ``[B, *obs_shape]``."""
        features = self.features(obs)
        return self.output(self.actor_layer(features)), self.critic_layer(features).squeeze(-1)


class RecurrentActorCritic(ActorCritic):
    """A network that remembers. It works on whole sequences, and begins them anew where an episode begins."""

    def forward(self, obs: Tensor, memory: Tensor, episode_starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        """Run through T steps of B environments.

        Args:
            obs: ``[T, B, *obs_shape]``
            memory: float32 ``[B, memory_size]``, from before step 0; zeros where there is nothing to remember.
            episode_starts: float32 ``[T, B]``, 1 where the network forgets everything before it looks at step t.

        Returns:
            ``(params, values, memories)``: ``[T, B, head.num_params]``, ``[T, B]``, and ``[T, B, memory_size]``,
            what is remembered after each step.
        """
        raise NotImplementedError


class PolicyOutput(nn.Module):
    """Completes an actor's last layer to the head's parameters: Box actions also need a deviation.

    State-independent, it is a parameter of its own; state-dependent, it is part of ``outputs``.
    """

    LOG_STD_BOUNDS = (-5.0, 2.0)

    def __init__(self, head: ActionDistribution, config: OnPolicyConfig) -> None:
        super().__init__()
        self.gaussian = isinstance(head, DiagGaussian)
        self.state_dependent = False
        self.width = head.num_params
        self.log_std_init = 0.0
        if not isinstance(head, DiagGaussian):
            return
        assert isinstance(config, PPOConfig)
        self.state_dependent = config.state_dependent_std
        self.log_std_init = config.log_std_init
        if not self.state_dependent:
            self.width = head.size
            self.log_std = nn.Parameter(torch.full((head.size,), config.log_std_init))

    def forward(self, outputs: Tensor) -> Tensor:
        """The head's parameters ``[..., num_params]`` from the last layer's outputs ``[..., width]``."""
        if not self.gaussian:
            return outputs
        if self.state_dependent:
            mean, log_std = outputs.chunk(2, -1)
            return torch.cat([mean, (log_std + self.log_std_init).clamp(*self.LOG_STD_BOUNDS)], -1)
        return torch.cat([outputs, self.log_std.expand_as(outputs)], -1)


def linear(inputs: int, outputs: int, *, gain: float) -> nn.Linear:
    """A linear layer with orthogonal weights and no bias to begin with."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer
