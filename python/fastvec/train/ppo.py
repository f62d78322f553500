"""Proximal policy optimisation, from top to bottom: make the parts, collect a rollout, estimate advantages, update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from fastvec.train.batch import Batch
from fastvec.train.captured_estimate import CapturedEstimate, finite_sums
from fastvec.train.config import PPOConfig
from fastvec.train.devices import assesses_while_acting, pieces_for
from fastvec.train.distributed import ALONE, World
from fastvec.train.distributions import (
    ActionDecoder,
    ActionDistribution,
    distribution_for,
    mask_logits,
    rescaling_decoder_for,
)
from fastvec.train.env.source import EnvSource
from fastvec.train.estimate import Estimator
from fastvec.train.jit import jit
from fastvec.train.learner.adam import AdamSettings
from fastvec.train.learner.learner import Learner
from fastvec.train.learner.minibatch_threads import MinibatchThreads
from fastvec.train.loss import PPOLoss
from fastvec.train.networks import MlpActorCritic
from fastvec.train.on_policy import OnPolicyTrainer
from fastvec.train.presets import preset
from fastvec.train.rollout.buffer import RolloutBuffer
from fastvec.train.rollout.sampler import Choice
from fastvec.train.schedules import annealed


class PPO(OnPolicyTrainer[PPOConfig]):
    """A policy, and what it takes to train it.

    Args:
        env: the id of an environment, or any ``gymnasium.vector.VectorEnv`` (whose autoreset mode is read from it). Or
            several of those, alike but for their number of environments: they step in turn, and a CUDA device chooses
            the actions of one while another steps.
        config: all settings; by default those of :func:`fastvec.train.preset` for the id.
        network: a module of your own in place of the built-in one, see :mod:`fastvec.train.networks`. It is moved to
            the device and trained in place.
        env_kwargs: passed on to the environments when ``env`` is an id; beside a vector, what others like it are made
            with for evaluations (by default what its ``spec`` says).
        world: the processes that train together, from :func:`fastvec.train.distributed.join_world`; each has
            ``num_envs`` environments.
        **overrides: single settings, by the names of :class:`PPOConfig`.

    Raises:
        ValueError, TypeError: a setting that cannot be; spaces that PPO cannot work with; a network that does not fit.
    """

    algorithm = "ppo"
    config_type = PPOConfig

    def __init__(
        self,
        env: str | VectorEnv | Sequence[VectorEnv],
        *,
        config: PPOConfig | None = None,
        network: nn.Module | None = None,
        env_kwargs: dict[str, Any] | None = None,
        world: World = ALONE,
        **overrides: Any,
    ) -> None:
        source = EnvSource.of(env, env_kwargs)
        config = config or (preset(source.env_id) if source.env_id else PPOConfig())
        super().__init__(source, source.configure(config, overrides), network=network, world=world)
        self._make_update()
        compiled = partial(jit, enabled=self.compiles, device=self.device, stateless=self.network.pure)
        assesses = self.collector.values is not None
        self.act = compiled(self.choose_and_assess) if assesses else compiled(self.policy.choose)

    def _make_head(self) -> ActionDistribution:
        return distribution_for(self.envs.single_action_space)

    def _make_decoder(self) -> ActionDecoder:
        space = self.envs.single_action_space
        return rescaling_decoder_for(space) if self.config.rescale_actions else ActionDecoder(space)

    def _make_update(self) -> None:
        """The estimator of advantages and the learner, and the threads that they share."""
        config, on_cpu = self.config, self.device.type == "cpu"
        if config.target_kl is not None:
            self.stop_above = ("approx_kl", config.target_kl)
        minibatch_threads = self._share_out_threads()
        shards = 1 if minibatch_threads is None else minibatch_threads.count
        self.learner = self.make_learner(minibatch_threads, self.world)
        pieces = shards * config.num_minibatches
        if on_cpu and isinstance(self.network, MlpActorCritic):
            pieces = pieces_for(config, shards)
            if assesses_while_acting(config, compiles=self.compiles, groups=len(self.steppers), shards=shards):
                self.collector.keep_assessments()
        self.estimator = Estimator(
            self.network,
            self.head,
            config,
            device=self.device,
            normalize=self.policy.normalize,
            reward_normalizer=self.reward_normalizer,
            piece_size=config.rollout_size // pieces,
            # Matrix products are nearly all of it: compiled ahead, it gains a twentieth, and costs a build.
            compiles=self.compiles and not (on_cpu and self.network.pure),
            threads=minibatch_threads,
            world=self.world,
        )
        self.captured_estimate: CapturedEstimate | None = None
        if not on_cpu:
            self.captured_estimate = CapturedEstimate(
                self.estimator,
                obs_normalizer=self.obs_normalizer,
                kept=self.learner.state.variables,
                has_bootstrap_observations=not self.collector.has_reset_rows,
                world=self.world,
                capture=config.cuda_graphs,
            )

    def make_learner(self, threads: MinibatchThreads | None = None, world: World = ALONE) -> Learner:
        """A learner that takes over the network's parameters as they are.

        Args:
            threads: that share the work on each minibatch.
            world: the ranks whose minibatches together are one.
        """
        config = self.config
        return Learner(
            self.network,
            PPOLoss(self.head, config),
            AdamSettings(config.learning_rate, eps=config.adam_eps, max_grad_norm=config.max_grad_norm),
            num_minibatches=config.num_minibatches,
            scalars={"clip_coef": config.clip_coef},
            stateless=self.network.pure,
            compiles=self.compiles,
            captures=config.cuda_graphs,
            threads=threads,
            world=world,
            training_modules=self.training_modules,
        )

    def choose_and_assess(
        self, obs: Tensor, noise: Tensor, mask: Tensor | None, memory: Tensor | None, episode_starts: Tensor | None
    ) -> Choice:
        """Choose actions, and tell of them what :meth:`estimate` wants to know, for a network that remembers nothing.

        Args:
            obs: encoded observations, ``[N, *obs_shape]``.
            noise: what the actions are drawn with, float32 ``[N, head.num_noise]``.
            mask: bool ``[N, head.num_params]``: the actions that are allowed; None where all are.
            memory: None.
            episode_starts: None.

        Returns:
            The actions, their log-probabilities, and the values of the observations.
        """
        assert memory is episode_starts is None
        params, values = self.network(self.policy.normalize(obs))
        if mask is not None:
            params = mask_logits(params, mask)
        actions = self.head.sample(params, noise)
        return Choice(actions, self.head.log_prob(params, actions), values)

    def anneal(self, remaining: float) -> None:
        """Set the numbers that change over the run, of which the part ``remaining`` lies ahead (1 at its start)."""
        if self.config.anneal_lr or self.config.warmup_steps:
            self.learner.set_learning_rate(self.learning_rate_at(remaining))
        if self.config.anneal_clip:
            self.learner.set_scalar("clip_coef", self.config.clip_coef * annealed(remaining, self.config.anneal_shape))

    def estimate(self, rollout: RolloutBuffer) -> Batch:
        """The rows of an update, with generalised advantages (Schulman et al., 2016, arXiv 1506.02438).

        Args:
            rollout: what was collected.

        Returns:
            Rows ``[T * N, ...]``, or sequences ``[T, N, ...]`` for a recurrent network.
        """
        return self.estimator(rollout)

    def _improve(self, rollout: RolloutBuffer, primes_only: bool) -> tuple[list[float], dict[str, float]]:
        if self.captured_estimate is not None:
            return self._improve_on_cuda(self.captured_estimate, rollout, primes_only)
        return super()._improve(rollout, primes_only)

    def _improve_on_cuda(
        self, estimate: CapturedEstimate, rollout: RolloutBuffer, primes_only: bool
    ) -> tuple[list[float], dict[str, float]]:
        """The same on a CUDA device. The host waits for it once, in the end, and counts episodes meanwhile."""
        if primes_only:
            assert self.obs_normalizer is not None
            values = self.world.sum_(finite_sums(rollout))
            self.obs_normalizer.take_in(rollout.obs, rollout.valid, self.world)
        else:
            batch, summary = estimate(rollout)
            values = torch.cat([summary[1:], self.update(batch), summary[:1]])
        self.collector.count_episodes()
        counts = self.world.sum_(torch.tensor(self.collector.episodes.totals, dtype=torch.float32)).tolist()
        # Here the host waits for the device, and nowhere else in an iteration but for the actions.
        obs_sum, reward_sum, *means = values.tolist()
        if not (primes_only or (math.isfinite(obs_sum) and math.isfinite(reward_sum))):
            estimate.undo()
        self._check_finite(obs=obs_sum, reward=reward_sum)
        return counts, dict(zip((*self.learner.metrics, "explained_variance"), means, strict=True)) if means else {}
