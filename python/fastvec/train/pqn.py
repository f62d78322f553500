"""Parallelised Q-learning (PQN, arXiv 2407.04811): no replay, no target network, returns that look ahead by lambda."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from fastvec.train.batch import Batch
from fastvec.train.config import PQNConfig
from fastvec.train.distributed import ALONE, World
from fastvec.train.distributions import EpsilonGreedy, epsilon_greedy_for, mask_logits
from fastvec.train.env.source import EnvSource
from fastvec.train.jit import jit
from fastvec.train.learner.adam import AdamSettings
from fastvec.train.learner.learner import Learner
from fastvec.train.on_policy import OnPolicyTrainer
from fastvec.train.presets import preset
from fastvec.train.returns import q_lambda_returns
from fastvec.train.rollout.buffer import RolloutBuffer


class QLoss:
    """Half the mean square of how far the values of actions are from their returns.

    Args:
        values: what the network's first output means.
    """

    metrics: tuple[str, ...] = ("q_loss", "q_value")

    def __init__(self, values: EpsilonGreedy) -> None:
        self.values = values

    def moments(self, batch: Batch, minibatches: Tensor | None = None, world: World = ALONE) -> list[Tensor]:
        """For each minibatch, 1 / (number of valid rows), a float32 scalar."""
        valid = batch.valid.unsqueeze(-2) if minibatches is None else batch.valid[..., minibatches]
        axes = [axis for axis in range(valid.ndim) if axis != valid.ndim - 2]
        return list(world.sum_(valid.sum(axes)).clamp(min=1.0).reciprocal().unbind())

    def __call__(
        self, forward: Callable[..., Any], part: Batch, moments: Tensor, scalars: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The loss of a part of a minibatch at ``forward``'s parameters."""
        inputs = (part.obs,) if part.memory is None else (part.obs, part.memory, part.episode_starts)
        chosen = self.values.chosen(forward(*inputs)[0], part.actions)
        loss = 0.5 * ((chosen - part.returns).square() * part.valid).sum() * moments
        return loss, torch.stack([loss, (chosen * part.valid).sum() * moments]).detach()


class PQN(OnPolicyTrainer[PQNConfig]):
    """A policy that takes the action of the highest value, and what it takes to train it.

    Args:
        env: the id of an environment, or any ``gymnasium.vector.VectorEnv`` with Discrete or MultiDiscrete actions, in
            any autoreset mode; or several of those, alike but for their number of environments.
        config: all settings; by default those of :func:`fastvec.train.preset` for the id.
        network: a module of your own in place of the built-in one, see :mod:`fastvec.train.networks`: its ``params``
            are the values of the actions (of several choices side by side), its ``values`` are not used.
        env_kwargs: passed on to the environments when ``env`` is an id; beside a vector, what others like it are made
            with for evaluations (by default what its ``spec`` says).
        world: the processes that train together, from :func:`fastvec.train.distributed.join_world`; each has
            ``num_envs`` environments.
        **overrides: single settings, by the names of :class:`PQNConfig`.

    Raises:
        ValueError, TypeError: a setting that cannot be; spaces that PQN cannot work with; a network that does not fit.
    """

    algorithm = "pqn"
    config_type = PQNConfig
    head: EpsilonGreedy
    learns_masks = False  # its targets see them, not its gradient

    def __init__(
        self,
        env: str | VectorEnv | Sequence[VectorEnv],
        *,
        config: PQNConfig | None = None,
        network: nn.Module | None = None,
        env_kwargs: dict[str, Any] | None = None,
        world: World = ALONE,
        **overrides: Any,
    ) -> None:
        source = EnvSource.of(env, env_kwargs)
        if config is None:
            config = preset(source.env_id, algorithm="pqn") if source.env_id else PQNConfig()
        super().__init__(source, source.configure(config, overrides), network=network, world=world)
        config = self.config
        self.learner = Learner(
            self.network,
            QLoss(self.head),
            AdamSettings(config.learning_rate, eps=config.adam_eps, max_grad_norm=config.max_grad_norm),
            num_minibatches=config.num_minibatches,
            stateless=self.network.pure,
            compiles=self.compiles,
            captures=config.cuda_graphs,
            threads=self._share_out_threads(),
            world=world,
            training_modules=self.training_modules,
        )
        self.epsilon = torch.tensor(config.epsilon_start, device=self.device)
        """The probability of a random action while training."""
        self.exploration = epsilon_greedy_for(self.envs.single_action_space)
        self.exploration.epsilon = self.epsilon
        self.head.epsilon = config.epsilon_end
        self.act = jit(self._choose, enabled=self.compiles, device=self.device, stateless=self.network.pure)

    def _make_head(self) -> EpsilonGreedy:
        return epsilon_greedy_for(self.envs.single_action_space)

    def _choose(
        self, obs: Tensor, noise: Tensor, mask: Tensor | None, memory: Tensor | None, episode_starts: Tensor | None
    ) -> Tensor:
        params = self.policy.parameters(obs, memory, episode_starts)
        return self.exploration.sample(params if mask is None else mask_logits(params, mask), noise)

    def anneal(self, remaining: float) -> None:
        """Set the learning rate and epsilon, of which the part ``remaining`` lies ahead (1 at its start)."""
        config = self.config
        if config.anneal_lr or config.warmup_steps:
            self.learner.set_learning_rate(self.learning_rate_at(remaining))
        explored = min(1.0, (1.0 - remaining) / max(config.exploration_fraction, 1e-9))
        self.epsilon.fill_(config.epsilon_start + (config.epsilon_end - config.epsilon_start) * explored)

    def _improve(self, rollout: RolloutBuffer, primes_only: bool) -> tuple[list[float], dict[str, float]]:
        counts, metrics = super()._improve(rollout, primes_only)
        return counts, {**metrics, "epsilon": float(self.epsilon)} if metrics else metrics

    @torch.no_grad()
    def estimate(self, rollout: RolloutBuffer) -> Batch:
        """The rows of an update: what each action of ``rollout`` was worth, by what came of it and what came next."""
        config, head = self.config, self.head
        obs = self.policy.normalize(rollout.obs)
        memories = None
        if rollout.memory is None:
            params = torch.stack([self.network.actor(row) for row in obs])
        else:
            params, _, memories = self.network(obs, rollout.memory, rollout.episode_starts)
        chosen = head.chosen(params[:-1], rollout.actions)
        next_values = head.best(self._masked(params, rollout)[1:]).clone()
        for t, last in rollout.bootstrap_observations:
            env_ids = torch.from_numpy(last.env_ids).to(self.device)
            own = self.policy.normalize(torch.from_numpy(last.observations).to(self.device))
            if memories is None:
                values = self.network.actor(own)
            else:
                going_on = torch.zeros(1, len(own), device=self.device)
                values = self.network(own.unsqueeze(0), memories[t, env_ids], going_on)[0][0]
            next_values[t, env_ids] = head.best(values)
        rewards = rollout.rewards
        if self.reward_normalizer is not None:
            rewards = self.reward_normalizer(rewards, rollout.done, rollout.valid, self.world)
        returns = q_lambda_returns(
            rewards, next_values, rollout.terminated, rollout.done, gamma=config.gamma, q_lambda=config.q_lambda
        )
        batch = Batch(
            obs=obs[:-1],
            actions=rollout.actions,
            log_probs=torch.zeros_like(returns),
            values=chosen,
            advantages=returns - chosen,
            returns=returns,
            valid=rollout.valid,
            masks=None,
        )
        if rollout.memory is None or rollout.episode_starts is None:
            return batch.as_rows()
        return batch._replace(memory=rollout.memory, episode_starts=rollout.episode_starts[:-1])

    def _masked(self, params: Tensor, rollout: RolloutBuffer) -> Tensor:
        """The values ``[T + 1, N, A]`` with those of actions that are not allowed out of the way."""
        if rollout.masks is None:
            return params
        newest = torch.cat([torch.from_numpy(stepper.action_mask) for stepper in self.steppers]).to(self.device)
        return mask_logits(params, torch.cat([rollout.masks, newest.unsqueeze(0)]))
