"""What a rollout was worth: values, log-probabilities and advantages, as the rows of an update."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fastvec.train.batch import Batch
from fastvec.train.config import PPOConfig
from fastvec.train.distributed import ALONE, World
from fastvec.train.distributions import ActionDistribution, mask_logits
from fastvec.train.env.encode import Array
from fastvec.train.env.stepper import BootstrapObservations
from fastvec.train.jit import jit
from fastvec.train.learner.minibatch_threads import MinibatchThreads
from fastvec.train.networks import ActorCritic
from fastvec.train.normalize import RewardNormalizer
from fastvec.train.returns import gae
from fastvec.train.rollout.buffer import RolloutBuffer


class Assessment(NamedTuple):
    """What the network makes of a rollout.

    Attributes:
        obs: ``[T + 1, N, ...]``, normalised.
        log_probs: float32 ``[T, N]``, of the actions.
        values: float32 ``[T + 1, N]``.
        next_values: float32 ``[T, N]``: V of the observation that each action led to, a tensor of its own.
        memories: ``[T + 1, N, memory_size]``, of a recurrent network.
    """

    obs: Tensor
    log_probs: Tensor
    values: Tensor
    next_values: Tensor
    memories: Tensor | None


class Estimator:
    """Looks at rollouts with the policy and the critic of before the update.

    Args:
        normalize: what is done to observations before the network sees them.
        piece_size: rows that are looked at in one call; it divides the rollout's. What a layer makes of a whole large
            rollout would not fit into a processor's cache.
        compiles: whether looking at a piece goes through torch.compile.
        threads: threads that share the pieces.
        world: the ranks whose rewards are scaled alike.
    """

    def __init__(
        self,
        network: ActorCritic,
        head: ActionDistribution,
        config: PPOConfig,
        *,
        device: torch.device,
        normalize: Callable[[Tensor], Tensor],
        reward_normalizer: RewardNormalizer | None,
        piece_size: int,
        compiles: bool = False,
        threads: MinibatchThreads | None = None,
        world: World = ALONE,
    ) -> None:
        self.network = network
        self.head = head
        self.config = config
        self.device = device
        self.normalize = normalize
        self.reward_normalizer = reward_normalizer
        self.piece_size = piece_size
        self.threads = threads
        self.world = world
        self._assess = jit(self._look_at, enabled=compiles, device=device)
        self._assess_sequences = jit(self._look_at_sequences, enabled=compiles, device=device)

    @torch.no_grad()
    def __call__(self, rollout: RolloutBuffer) -> Batch:
        """The rows of an update: single steps, or whole sequences for a recurrent network."""
        assessment = self.assess(rollout)
        if rollout.bootstrap_observations:
            self.bootstrap(assessment, rollout.bootstrap_observations)
        return self.weigh(rollout, assessment)

    def assess(self, rollout: RolloutBuffer) -> Assessment:
        """Look at the rollout, ``rollout.bootstrap_observations`` left out."""
        obs = self.normalize(rollout.obs)
        log_probs, values, memories = self._look_at_rollout(obs, rollout)
        return Assessment(obs, log_probs, values, values[1:].clone(), memories)

    def bootstrap(
        self, assessment: Assessment, bootstrap_observations: list[tuple[int, BootstrapObservations]]
    ) -> None:
        """Put the values of last observations where ``assessment.next_values`` has those of the next episodes' first.

        Args:
            assessment: of the rollout; its ``next_values`` are changed.
            bootstrap_observations: steps and last observations of episodes, which the critic sees in one batch.
        """
        env_ids = self._upload(np.concatenate([final.env_ids for _, final in bootstrap_observations]))
        steps = self._upload(
            np.repeat([t for t, _ in bootstrap_observations], [len(f.env_ids) for _, f in bootstrap_observations])
        )
        obs = self.normalize(self._upload(np.concatenate([final.observations for _, final in bootstrap_observations])))
        if assessment.memories is None:
            values = self.network.critic(obs)
        else:
            going_on = torch.zeros(1, len(obs), device=self.device)
            values = self.network(obs.unsqueeze(0), assessment.memories[steps, env_ids], going_on)[1][0]
        assessment.next_values[steps, env_ids] = values

    def weigh(self, rollout: RolloutBuffer, assessment: Assessment) -> Batch:
        """Advantages, and with them the rows of an update."""
        config = self.config
        obs, log_probs, values, next_values, _ = assessment
        rewards = rollout.rewards
        if self.reward_normalizer is not None:
            rewards = self.reward_normalizer(rewards, rollout.done, rollout.valid, self.world)
        advantages, returns = gae(
            rewards,
            values[:-1],
            next_values,
            rollout.terminated,
            rollout.done,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
        )
        batch = Batch(
            obs=obs[:-1],
            actions=rollout.actions,
            log_probs=log_probs,
            values=values[:-1],
            advantages=advantages,
            returns=returns,
            valid=rollout.valid,
            masks=rollout.masks,
        )
        if rollout.memory is None:
            return batch.as_rows()
        assert rollout.episode_starts is not None
        return batch._replace(memory=rollout.memory, episode_starts=rollout.episode_starts[:-1])

    def _upload(self, array: Array) -> Tensor:
        """``array`` on the device, without waiting for the copy."""
        tensor = torch.from_numpy(array)
        if self.device.type == "cpu":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def _look_at(self, obs: Tensor, actions: Tensor, masks: Tensor | None) -> Tensor:
        """Log-probabilities of the actions, and values: ``[2, B]``, for rows of a rollout."""
        params, values = self.network(obs)
        if masks is not None:
            params = mask_logits(params, masks)
        return torch.stack([self.head.log_prob(params, actions), values])

    def _look_at_sequences(
        self, obs: Tensor, actions: Tensor, masks: Tensor | None, memory: Tensor, episode_starts: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What a recurrent network makes of ``obs`` ``[T + 1, N, ...]``.

        Returns:
            Log-probabilities ``[T, N]``, values ``[T + 1, N]``, memories ``[T + 1, N, memory_size]``.
        """
        params, values, memories = self.network(obs, memory, episode_starts)
        params = params[:-1]
        if masks is not None:
            params = mask_logits(params, masks)
        return self.head.log_prob(params, actions), values, memories

    def _look_at_rollout(self, obs: Tensor, rollout: RolloutBuffer) -> tuple[Tensor, Tensor, Tensor | None]:
        """Log-probabilities, values and (of a recurrent network) memories, shaped as above."""
        if rollout.memory is not None and rollout.episode_starts is not None:
            return self._assess_sequences(obs, rollout.actions, rollout.masks, rollout.memory, rollout.episode_starts)
        if rollout.log_probs is not None and rollout.values is not None:
            return rollout.log_probs, torch.cat([rollout.values, self.network.critic(obs[-1]).unsqueeze(0)]), None
        shape = rollout.rewards.shape
        size = self.piece_size
        rows = [x if x is None else x.flatten(0, 1) for x in (obs[:-1], rollout.actions, rollout.masks)]
        pieces = [[None] * (len(rows[0]) // size) if x is None else x.split(size) for x in rows]  # type: ignore[arg-type]
        calls = list(zip(*pieces, strict=True))
        outputs = [self._assess(*c) for c in calls] if self.threads is None else self.threads.map(self._assess, calls)
        log_probs, values = torch.cat(outputs, 1).view(2, *shape).unbind()
        return log_probs, torch.cat([values, self.network.critic(obs[-1]).unsqueeze(0)]), None


def explained_variance(batch: Batch, world: World = ALONE) -> Tensor:
    """How much of the returns' variance the critic knew, a float32 scalar: 1 is all of it."""
    errors, valid = batch.returns - batch.values, batch.valid
    both = torch.stack([errors, batch.returns])
    axes = tuple(range(1, both.ndim))
    count = world.sum_(valid.sum()).clamp(min=1.0)
    means = world.sum_((both * valid).sum(axes)) / count
    deviations = both - means.view(-1, *[1] * len(axes))
    error_var, return_var = world.sum_((deviations.square() * valid).sum(axes)).unbind()
    return 1.0 - error_var / return_var.clamp(min=1e-8)
