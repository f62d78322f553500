"""Proximal policy optimisation, from top to bottom: make the parts, collect a rollout, estimate advantages, update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from fastvec.train.batch import Batch
from fastvec.train.captured_estimate import CapturedEstimate, finite_sums
from fastvec.train.checkpoint import restore_module
from fastvec.train.config import PPOConfig
from fastvec.train.devices import pieces_for, threads_for
from fastvec.train.distributed import ALONE, World
from fastvec.train.distributions import distribution_for
from fastvec.train.env.source import EnvSource
from fastvec.train.env.stepper import Stepper
from fastvec.train.estimate import Estimator, explained_variance
from fastvec.train.jit import jit
from fastvec.train.learner.adam import AdamSettings
from fastvec.train.learner.learner import Learner
from fastvec.train.learner.minibatch_threads import MinibatchThreads, shards_for
from fastvec.train.loss import PPOLoss
from fastvec.train.networks import MlpActorCritic, adopt_network, build_network
from fastvec.train.normalize import ObservationNormalizer, RewardNormalizer
from fastvec.train.policy import Policy
from fastvec.train.presets import preset
from fastvec.train.report import Report
from fastvec.train.rollout.buffer import RolloutBuffer
from fastvec.train.rollout.collector import Collector
from fastvec.train.trainer import Trainer


class PPO(Trainer[PPOConfig]):
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
        super().__init__(source, source.configure(config, overrides), world=world)
        steppers = [Stepper(group) for group in self.groups]
        self._make_policy(steppers[0], network)
        self._make_update(steppers[0])
        self.collector = Collector(
            steppers,
            self.head,
            self.policy.decoder,
            num_steps=self.config.num_steps,
            device=self.device,
            memory_size=self.network.memory_size,
            cuda_graphs=self.config.cuda_graphs,
        )
        self.act = jit(self.policy.choose, enabled=self.compiles, device=self.device)

    def _make_policy(self, stepper: Stepper, network: nn.Module | None) -> None:
        """The network, on the device, with the normalisers before it and the distribution behind it."""
        config, encoder = self.config, stepper.encoder
        self.encoder = encoder
        self.head = distribution_for(self.envs.single_action_space)
        self.has_own_network = network is not None
        if network is None:
            self.network = build_network(encoder.shape, encoder.dtype, self.head, config, largest=encoder.largest)
        else:
            self.network = adopt_network(network, encoder.shape, encoder.dtype, self.head)
        self.network.to(self.device)
        if self.network.memory_size and config.num_envs % config.num_minibatches:
            raise ValueError(
                f"num_minibatches must divide num_envs = {config.num_envs} for a recurrent network, "
                f"got {config.num_minibatches}"
            )
        self.obs_normalizer: ObservationNormalizer | None = None
        if config.normalize_obs and not encoder.is_image:
            self.obs_normalizer = ObservationNormalizer(encoder.shape).to(self.device)
        self.reward_normalizer: RewardNormalizer | None = None
        if config.normalize_reward:
            self.reward_normalizer = RewardNormalizer(config.num_envs, config.gamma).to(self.device)
        self.policy = Policy(
            self.network,
            self.head,
            observation_space=self.envs.single_observation_space,
            action_space=self.envs.single_action_space,
            encoder=encoder,
            obs_normalizer=self.obs_normalizer,
            generator=self.generator,
            device=self.device,
        )

    def _make_update(self, stepper: Stepper) -> None:
        """The estimator of advantages and the learner, and the threads that they share."""
        config, on_cpu = self.config, self.device.type == "cpu"
        threads = config.torch_threads or threads_for(self.network, config)
        shards = 1
        if on_cpu and not self.network.memory_size and not self.encoder.is_image:
            shards = shards_for(config.minibatch_size, threads)
        self.torch_threads = threads // shards
        minibatch_threads = MinibatchThreads(shards, torch_threads=self.torch_threads) if shards > 1 else None
        self.learner = self.make_learner(minibatch_threads, self.world)
        pieces = shards * config.num_minibatches
        if on_cpu and isinstance(self.network, MlpActorCritic):
            pieces = pieces_for(config, shards)
        self.estimator = Estimator(
            self.network,
            self.head,
            config,
            device=self.device,
            normalize=self.policy.normalize,
            reward_normalizer=self.reward_normalizer,
            piece_size=config.rollout_size // pieces,
            compiles=self.compiles,
            threads=minibatch_threads,
            world=self.world,
        )
        self.captured_estimate: CapturedEstimate | None = None
        if not on_cpu:
            self.captured_estimate = CapturedEstimate(
                self.estimator,
                obs_normalizer=self.obs_normalizer,
                kept=self.learner.state.variables,
                has_bootstrap_observations=not stepper.has_reset_rows,
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
            loops=self.network.pure,
            compiles=self.compiles,
            captures=config.cuda_graphs,
            threads=threads,
            world=world,
        )

    @property
    def steps_per_iteration(self) -> int:
        """The environment steps of one rollout."""
        return self.config.rollout_size

    def collect(self) -> RolloutBuffer:
        """One rollout of ``config.num_steps`` steps in each environment, with the policy as it is; nothing is learned.

        The first one begins all episodes, each other one goes on where the last ended, as those of :meth:`iterate` do.

        Returns:
            The rollout: the next one overwrites it.
        """
        with self.computing():
            self._begin()
            rollout = self._collect()
            self.collector.count_episodes()
            return rollout

    def _collect(self) -> RolloutBuffer:
        shape = (self.config.num_steps, self.config.num_envs)
        return self.collector.collect(self.act, self.head.draw_noise(shape, self.generator))

    def _iterate(self) -> Report:
        self._begin()
        self.anneal(1.0 - self.iteration / self.num_iterations)

        start = perf_counter()
        rollout = self._collect()
        # The first rollout is for the normaliser alone.
        primes_only = self.obs_normalizer is not None and self.iteration == 0
        improve = self._improve_on_cuda if self.device.type == "cuda" else self._improve
        collected = perf_counter()
        counts, metrics = improve(rollout, primes_only)
        self._check_finite(**metrics)
        self.iteration += 1
        finished, recent, returns, lengths = counts
        return Report(
            iteration=self.iteration,
            global_step=self.global_step,
            mean_return=returns / recent if recent else float("nan"),
            mean_length=lengths / recent if recent else float("nan"),
            episodes=int(finished),
            metrics=metrics,
            env_seconds=self.collector.env_seconds,
            inference_seconds=collected - start - self.collector.env_seconds,
            update_seconds=perf_counter() - collected,
            schedules={"learning_rate": self.learner.learning_rate},
        )

    def anneal(self, remaining: float) -> None:
        """Set the numbers that change over the run, of which the part ``remaining`` lies ahead (1 at its start)."""
        if self.config.anneal_lr:
            self.learner.set_learning_rate(self.config.learning_rate * remaining)
        if self.config.anneal_clip:
            self.learner.set_scalar("clip_coef", self.config.clip_coef * remaining)

    def update(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Learn from the rows of a rollout.

        Args:
            batch: what the estimator made of the rollout.
            generator: of the minibatches; by default the trainer's own.

        Returns:
            The means of ``learner.metrics`` over the minibatches, float32, on the device.
        """
        target_kl = self.config.target_kl
        stop_above = None if target_kl is None else ("approx_kl", target_kl)
        return self.learner.update(
            batch, generator or self.generator, epochs=self.config.update_epochs, stop_above=stop_above
        )

    def _improve(self, rollout: RolloutBuffer, primes_only: bool) -> tuple[list[float], dict[str, float]]:
        """Estimate and update: the episodes' :attr:`EpisodeCounter.totals` over all ranks, and the update's metrics."""
        obs, rewards, episodes = self.collector.obs, self.collector.rewards, self.collector.episodes
        sums = [float(obs.sum()) if obs.is_floating_point() else 0.0, float(rewards.sum()), *episodes.totals]
        obs_sum, reward_sum, *counts = self.world.sum_(torch.tensor(sums, dtype=torch.float32)).tolist()
        self._check_finite(obs=obs_sum, reward=reward_sum)
        metrics: dict[str, float] = {}
        if not primes_only:
            batch = self.estimator(rollout)
            means = self.update(batch)
            values = torch.cat([means, explained_variance(batch, self.world).view(1)]).tolist()
            metrics = dict(zip((*self.learner.metrics, "explained_variance"), values, strict=True))
        if self.obs_normalizer is not None:
            self.obs_normalizer.take_in(rollout.obs, rollout.valid, self.world)
        return counts, metrics

    def _improve_on_cuda(self, rollout: RolloutBuffer, primes_only: bool) -> tuple[list[float], dict[str, float]]:
        """The same on a CUDA device. The host waits for it once, in the end, and counts episodes meanwhile."""
        assert self.captured_estimate is not None
        if primes_only:
            assert self.obs_normalizer is not None
            values = self.world.sum_(finite_sums(rollout))
            self.obs_normalizer.take_in(rollout.obs, rollout.valid, self.world)
        else:
            batch, summary = self.captured_estimate(rollout)
            values = torch.cat([summary[1:], self.update(batch), summary[:1]])
        self.collector.count_episodes()
        counts = self.world.sum_(torch.tensor(self.collector.episodes.totals, dtype=torch.float32)).tolist()
        # Here the host waits for the device, and nowhere else in an iteration but for the actions.
        obs_sum, reward_sum, *means = values.tolist()
        if not (primes_only or (math.isfinite(obs_sum) and math.isfinite(reward_sum))):
            self.captured_estimate.undo()
        self._check_finite(obs=obs_sum, reward=reward_sum)
        return counts, dict(zip((*self.learner.metrics, "explained_variance"), means, strict=True)) if means else {}

    def _state(self) -> dict[str, Any]:
        return {
            "own_network": self.has_own_network,
            "network": self.network.state_dict(),
            "learner": self.learner.state_dict(),
            "obs_normalizer": None if self.obs_normalizer is None else self.obs_normalizer.state_dict(),
            "reward_normalizer": None if self.reward_normalizer is None else self.reward_normalizer.state_dict(),
        }

    def _rank_state(self) -> dict[str, Any]:
        return {"returns": None if self.reward_normalizer is None else self.reward_normalizer.returns.cpu()}

    def _restore(self, content: dict[str, Any], rank: dict[str, Any] | None) -> None:
        restore_module(self.network, content["network"], "network")
        self.learner.load_state_dict(content["learner"])
        if self.obs_normalizer is not None and content["obs_normalizer"] is not None:
            restore_module(self.obs_normalizer, content["obs_normalizer"], "observation normaliser")
        if self.reward_normalizer is not None and content["reward_normalizer"] is not None:
            # Sums of episodes under way: of no use where they are not continued.
            returns = torch.zeros_like(self.reward_normalizer.returns) if rank is None else rank["returns"]
            restore_module(
                self.reward_normalizer, {**content["reward_normalizer"], "returns": returns}, "reward normaliser"
            )
