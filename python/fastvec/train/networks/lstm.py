"""The LSTM policy: what an episode has shown so far, carried from step to step."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from fastvec.train.config import OnPolicyConfig
from fastvec.train.distributions import ActionDistribution
from fastvec.train.networks.base import ACTIVATIONS, PolicyOutput, RecurrentActorCritic, linear
from fastvec.train.networks.cnn import CnnActorCritic


class LstmActorCritic(RecurrentActorCritic):
    """Hidden layers (or the CNN), an LSTM shared by actor and critic, two linear layers.

    The LSTM is that of Hochreiter and Schmidhuber (1997). ``memory`` is its output and its cell, side by side.
    """

    def __init__(
        self,
        obs_shape: tuple[int, ...],
        obs_dtype: torch.dtype,
        head: ActionDistribution,
        config: OnPolicyConfig,
        *,
        largest: float = 255.0,
    ) -> None:
        super().__init__()
        size = config.lstm_size
        self.obs_shape = tuple(obs_shape)
        self.memory_size = 2 * size
        if obs_dtype == torch.uint8:
            self.torso: nn.Module = CnnActorCritic(obs_shape, head, config, largest=largest)
            width = self.torso.actor_layer.in_features
            del self.torso.actor_layer, self.torso.critic_layer, self.torso.output
        else:
            widths = [math.prod(obs_shape), *config.hidden_sizes]
            layers: list[nn.Module] = []
            for inputs, outputs in pairwise(widths):
                norm = [nn.LayerNorm(outputs)] if config.layer_norm else []
                layers += [linear(inputs, outputs, gain=math.sqrt(2.0)), *norm, ACTIVATIONS[config.activation]()]
            self.torso = nn.Sequential(*layers)
            width = widths[-1]
        # One matrix for the gates' view of the features, one for that of the last output, as in nn.LSTM: input,
        # forget, cell, output.
        self.from_features = linear(width, 4 * size, gain=1.0)
        self.from_output = nn.Parameter(torch.empty(4 * size, size))
        nn.init.orthogonal_(self.from_output)
        self.output = PolicyOutput(head, config)
        self.actor_layer = linear(size, self.output.width, gain=0.01)
        self.critic_layer = linear(size, 1, gain=1.0)

    def forward(  # type: ignore[override]
        self, obs: Tensor, memory: Tensor, episode_starts: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See :meth:`RecurrentActorCritic.forward`."""
        steps, envs = episode_starts.shape
        rows = obs.reshape(steps * envs, *self.obs_shape)
        features = self.torso.features(rows) if isinstance(self.torso, CnnActorCritic) else self.torso(rows)
        inputs = self.from_features(features).view(steps, envs, -1)
        output, cell = memory.chunk(2, -1)
        outputs, cells = [], []
        for t in range(steps):
            kept = (1.0 - episode_starts[t]).unsqueeze(-1)
            gates = torch.addmm(inputs[t], output * kept, self.from_output.t())
            write, keep, new, show = gates.chunk(4, -1)
            cell = torch.sigmoid(keep) * (cell * kept) + torch.sigmoid(write) * torch.tanh(new)
            output = torch.sigmoid(show) * torch.tanh(cell)
            outputs.append(output)
            cells.append(cell)
        hidden = torch.stack(outputs)
        params = self.output(self.actor_layer(hidden))
        return params, self.critic_layer(hidden).squeeze(-1), torch.cat([hidden, torch.stack(cells)], -1)
