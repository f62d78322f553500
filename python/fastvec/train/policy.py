"""What chooses actions: a network with the normaliser before it and the distribution behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from fastvec.train.distributions import ActionDecoder, ActionDistribution, mask_logits
from fastvec.train.env.encode import ObservationEncoder, is_single
from fastvec.train.networks import ActorCritic
from fastvec.train.networks.soft import SoftActorCritic
from fastvec.train.normalize import ObservationNormalizer
from fastvec.vector.action_masks import choices_without_action, mask_rows


@dataclass(frozen=True)
class PolicyState:
    """What a recurrent policy remembers of the episodes it is in.

    Attributes:
        memory: float32 ``[N, memory_size]``.
    """

    memory: Tensor

    def forget(self, ended: Any = None) -> None:
        """Start anew in the environments where the bool ``[N]`` ``ended`` is true, or in all."""
        if ended is None:
            self.memory.zero_()
        else:
            self.memory[torch.as_tensor(np.asarray(ended, dtype=bool), device=self.memory.device)] = 0.0


class Policy:
    """Chooses actions, for a rollout and for users.

    Args:
        encoder: turns observations of ``observation_space``, one environment's, into rows for the network.
        obs_normalizer: what the rows go through before that, if anything.
        generator: of the noise of :meth:`predict`, on ``device``.
        decoder: turns the head's actions into the environments'; by default, what is out of bounds is clipped.
    """

    def __init__(
        self,
        network: ActorCritic | SoftActorCritic,
        head: ActionDistribution,
        *,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        encoder: ObservationEncoder,
        obs_normalizer: ObservationNormalizer | None,
        generator: torch.Generator,
        device: torch.device,
        decoder: ActionDecoder | None = None,
    ) -> None:
        self.network = network
        self.head = head
        self.observation_space = observation_space
        self.action_space = action_space
        self.encoder = encoder
        self.decoder = decoder or ActionDecoder(action_space)
        self.obs_normalizer = obs_normalizer
        self.generator = generator
        self.device = device

    def normalize(self, obs: Tensor) -> Tensor:
        """What the network sees of encoded observations."""
        return obs if self.obs_normalizer is None else self.obs_normalizer(obs)

    def choose(
        self, obs: Tensor, noise: Tensor, mask: Tensor | None, memory: Tensor | None, episode_starts: Tensor | None
    ) -> Tensor:
        """Actions for encoded observations ``[N, *obs_shape]``: a :data:`fastvec.train.rollout.sampler.Act`."""
        params = self.parameters(obs, memory, episode_starts)
        if mask is not None:
            params = mask_logits(params, mask)
        return self.head.sample(params, noise)

    def parameters(self, obs: Tensor, memory: Tensor | None, episode_starts: Tensor | None) -> Tensor:
        """The distribution's parameters for one step.

        Args:
            obs: encoded observations ``[N, *obs_shape]``.
            memory: of a recurrent network, ``[N, memory_size]``; it is brought up to date in place.
            episode_starts: of a recurrent network, float32 ``[N]``: 1 where it forgets first.

        Returns:
            ``[N, head.num_params]``.
        """
        obs = self.normalize(obs)
        if memory is None:
            return self.network.actor(obs)
        assert episode_starts is not None
        params, _, memories = self.network(obs.unsqueeze(0), memory, episode_starts.unsqueeze(0))
        memory.copy_(memories[0])
        return params[0]

    def initial_state(self, num_envs: int = 1) -> PolicyState:
        """What a recurrent policy remembers before the first step of ``num_envs`` episodes, for :meth:`predict`."""
        return PolicyState(torch.zeros(num_envs, self.network.memory_size, device=self.device))

    @torch.no_grad()
    def predict(
        self,
        observation: Any,
        *,
        deterministic: bool = True,
        mask: Any = None,
        state: PolicyState | None = None,
    ) -> Any:
        """See :meth:`fastvec.train.PPO.predict`."""
        single = is_single(self.observation_space, observation)
        if single:
            rows = self.encoder.encode_one(observation)
        else:
            rows = self.encoder.encode_batch(observation, count_rows(observation))
        memory = episode_starts = None
        if self.network.memory_size:
            if state is None or len(state.memory) != len(rows):
                raise ValueError(
                    f"this policy remembers: pass state=ppo.initial_state({len(rows)}), "
                    f"got {'none' if state is None else f'one for {len(state.memory)} environments'}"
                )
            memory, episode_starts = state.memory, torch.zeros(len(rows), device=self.device)
        params = self.parameters(torch.from_numpy(rows).to(self.device), memory, episode_starts)
        if mask is not None:
            allowed = mask_rows([mask] if single else mask, self.action_space, len(rows))
            empty = choices_without_action(allowed, self.action_space)
            if empty.any():
                raise ValueError(f"the mask of row {np.flatnonzero(empty)[0]} allows no action of {self.action_space}")
            params = mask_logits(params, torch.from_numpy(allowed).to(self.device))
        if deterministic:
            actions = self.head.mode(params)
        else:
            actions = self.head.sample(params, self.head.draw_noise((len(rows),), self.generator))
        decoded = self.decoder(actions)
        return decoded[0] if single else decoded

    @torch.no_grad()
    def greedy(self, obs: Tensor) -> np.ndarray[Any, Any]:
        """The likeliest actions for encoded observations ``[B, *obs_shape]``, as the environments take them."""
        return self.decoder(self.head.mode(self.network.actor(self.normalize(obs))))


def count_rows(observations: Any) -> int:
    """How many observations a batch holds."""
    while isinstance(observations, dict | tuple):
        observations = next(iter(observations.values())) if isinstance(observations, dict) else observations[0]
    return len(observations)
