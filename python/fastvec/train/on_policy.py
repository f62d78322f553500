"""What algorithms share that learn from rollouts of their current policy, and then forget those."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from fastvec.train.batch import Batch
from fastvec.train.checkpoint import restore_module, restore_statistics, state_of
from fastvec.train.compiled.function import CompiledFunction, Program
from fastvec.train.config import OnPolicyConfig
from fastvec.train.devices import fork_rng_from, threads_for
from fastvec.train.distributed import World
from fastvec.train.distributions import ActionDecoder, ActionDistribution
from fastvec.train.env.source import EnvSource
from fastvec.train.env.stepper import Stepper
from fastvec.train.estimate import explained_variance
from fastvec.train.jit import will_compile
from fastvec.train.learner.learner import Learner
from fastvec.train.learner.minibatch_threads import MIN_ROWS, MinibatchThreads, shards_for
from fastvec.train.networks import adopt_network, build_network
from fastvec.train.networks.modes import depends_on_mode, keeps_statistics, modules_in_training
from fastvec.train.normalize import ObservationNormalizer, RewardNormalizer
from fastvec.train.policy import Policy
from fastvec.train.report import Report
from fastvec.train.rollout.buffer import RolloutBuffer
from fastvec.train.rollout.collector import Collector
from fastvec.train.rollout.sampler import Act, AssessingAct
from fastvec.train.trainer import Trainer

C = TypeVar("C", bound=OnPolicyConfig)


class OnPolicyTrainer(Trainer[C]):
    """A trainer whose iteration is a rollout, and an update on it.

    A subclass makes :attr:`learner` and :attr:`act`, and says what a rollout is worth.

    Args:
        source: what is trained on.
        config: all settings.
        network: a user's own, in place of the built-in one.
        world: the processes that train together.

    Attributes:
        network: what is trained, on the device.
        head: what its output means.
        training_modules: the parts of it that are in training mode while a gradient is taken.
        has_modes: whether such a gradient may draw random numbers, or change buffers.
        encoder: from observations to what it sees.
        obs_normalizer: what encoded observations go through before; None where they do not.
        reward_normalizer: what rewards go through before an update; None where they do not.
        learner: takes the gradient steps.
        act: chooses the actions of a rollout.
        learns_masks: whether an update needs to know which actions were allowed.
        stop_above: a metric and a bound: the pass of an update in which its mean was above that is the last one.
    """

    learner: Learner
    act: Act | AssessingAct
    stop_above: tuple[str, float] | None = None
    learns_masks = True

    def __init__(self, source: EnvSource, config: C, *, network: nn.Module | None = None, world: World) -> None:
        super().__init__(source, config, world=world)
        self.steppers = [Stepper(group) for group in self.groups]
        self.encoder = encoder = self.steppers[0].encoder
        self.head = self._make_head()
        self.has_own_network = network is not None
        if network is None:
            self.network = build_network(
                encoder.shape,
                encoder.dtype,
                self.head,
                config,
                largest=encoder.largest,
                pictures=encoder.pictures,
            )
        else:
            self.network = adopt_network(network, encoder.shape, encoder.dtype, self.head)
        self.network.to(self.device)
        self.training_modules = modules_in_training(self.network)
        self.network.eval()
        self.has_modes = depends_on_mode(self.network)
        self.compiles = will_compile(config, self.device, ahead=self.network.pure)
        if self.compiles and keeps_statistics(self.training_modules):
            self.compiles = False
            if config.compile:
                warnings.warn(
                    "the statistics of batch normalisation change while the gradient is taken, which cannot be "
                    "compiled: training runs eagerly",
                    stacklevel=3,
                )
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
            generator=self.predict_generator,
            device=self.device,
            decoder=self._make_decoder(),
        )
        self.collector = Collector(
            self.steppers,
            self.head,
            self.policy.decoder,
            num_steps=config.num_steps,
            device=self.device,
            memory_size=self.network.memory_size,
            cuda_graphs=config.cuda_graphs,
        )

    @abstractmethod
    def _make_head(self) -> ActionDistribution:
        """What the network's output means for ``envs.single_action_space``."""

    def _make_decoder(self) -> ActionDecoder:
        """From the head's actions to the environments'."""
        return ActionDecoder(self.envs.single_action_space)

    def _share_out_threads(self) -> MinibatchThreads | None:
        """Set ``torch_threads``, and make the threads that share a minibatch; None where one thread does all of it."""
        config = self.config
        threads = config.torch_threads or threads_for(self.network, config)
        shards = 1
        on_cpu = self.device.type == "cpu"
        if on_cpu and not (self.network.memory_size or self.encoder.is_image or self.has_modes):
            shards = shards_for(config.minibatch_size, threads, min_rows=MIN_ROWS)
        self.torch_threads = threads // shards
        return MinibatchThreads(shards, torch_threads=self.torch_threads) if shards > 1 else None

    @abstractmethod
    def anneal(self, remaining: float) -> None:
        """Set the numbers that change over the run, of which the part ``remaining`` lies ahead (1 at its start)."""

    @abstractmethod
    def estimate(self, rollout: RolloutBuffer) -> Batch:
        """The rows of an update: what came of the actions of ``rollout``."""

    def update(self, batch: Batch, generator: torch.Generator | None = None) -> Tensor:
        """Learn from the rows of a rollout.

        Args:
            batch: what :meth:`estimate` made of it.
            generator: of the minibatches; by default the trainer's own.

        Returns:
            The means of ``learner.metrics`` over the minibatches, float32, on the device.
        """
        generator = generator or self.generator
        with self.drawing(generator):
            return self.learner.update(batch, generator, epochs=self.config.update_epochs, stop_above=self.stop_above)

    def _improve(self, rollout: RolloutBuffer, primes_only: bool) -> tuple[list[float], dict[str, float]]:
        """Learn from a rollout.

        Args:
            rollout: what was collected.
            primes_only: whether it is only for the normaliser of observations, as the first one is.

        Returns:
            The episodes' :attr:`EpisodeCounter.totals` over all ranks, and the update's metrics.
        """
        self.collector.count_episodes()
        obs, rewards = rollout.obs, rollout.rewards
        sums = [float(obs.sum()) if obs.is_floating_point() else 0.0, float(rewards.sum()), *self.episodes.totals]
        obs_sum, reward_sum, *counts = self.world.sum_(torch.tensor(sums, dtype=torch.float32)).tolist()
        self._check_finite(obs=obs_sum, reward=reward_sum)
        metrics: dict[str, float] = {}
        if not primes_only:
            batch = self.estimate(rollout)
            means = self.update(batch)
            values = torch.cat([means, explained_variance(batch, self.world).view(1)]).tolist()
            metrics = dict(zip((*self.learner.metrics, "explained_variance"), values, strict=True))
        if self.obs_normalizer is not None:
            self.obs_normalizer.take_in(rollout.obs, rollout.valid, self.world)
        return counts, metrics

    @property
    def steps_per_iteration(self) -> int:
        """The environment steps of one rollout."""
        return self.config.rollout_size

    @torch.no_grad()
    def _prepare(self) -> list[Program]:
        if not isinstance(self.act, CompiledFunction):
            return []
        rollout = self.collector.buffers([])
        unknown = torch.zeros_like(rollout.rewards)
        batch = Batch(
            obs=self.policy.normalize(rollout.obs)[:-1],
            actions=rollout.actions,
            log_probs=unknown,
            values=unknown,
            advantages=unknown,
            returns=unknown,
            valid=rollout.valid,
            masks=rollout.masks if self.learns_masks else None,
        )
        return [*self.learner.prepare(batch.as_rows()), *self.collector.prepare(self.act)]  # the largest first

    def collect(self) -> RolloutBuffer:
        """One rollout of ``config.num_steps`` steps in each environment, with the policy as it is; nothing is learned.

        The first one begins all episodes, each other one goes on where the last ended, as those of :meth:`iterate` do.

        Returns:
            The rollout: the next one overwrites it.
        """
        with self.computing():
            self._begin()
            rollout = self._collect()
            self._check_rollout()
            self.collector.count_episodes()
            return rollout

    def _begin(self) -> None:
        if self.collector.is_underway and self.reward_normalizer is not None:
            self.reward_normalizer.returns.zero_()
        super()._begin()

    def drawing(self, generator: torch.Generator) -> AbstractContextManager[None]:
        """Where a network draws random numbers (for dropout) from PyTorch's own generator, it draws ``generator``'s."""
        return fork_rng_from(generator) if self.has_modes else nullcontext()

    def _collect(self) -> RolloutBuffer:
        shape = (self.config.num_steps, self.config.num_envs)
        return self.collector.collect(self.act, self.head.draw_noise(shape, self.generator))

    def _iterate(self) -> Report:
        self.anneal(self.remaining)

        start = perf_counter()
        rollout = self._collect()
        # The first rollout is for the normaliser alone.
        primes_only = self.obs_normalizer is not None and self.iteration == 0
        collected = perf_counter()
        if self.world.size == 1:
            self._check_rollout()
        try:
            counts, metrics = self._improve(rollout, primes_only)
            self._check_finite(**metrics)
        finally:  # a rank that broke off goes on until all ranks know: what it saw is no number
            self._check_rollout()
        return self._report(
            counts,
            metrics,
            env_seconds=self.collector.env_seconds,
            inference_seconds=collected - start - self.collector.env_seconds,
            update_seconds=perf_counter() - collected,
            learning_rate=self.learner.learning_rate,
            rollout=rollout,
        )

    def _state(self) -> dict[str, Any]:
        return {
            "own_network": self.has_own_network,
            "network": self.network.state_dict(),
            "learner": self.learner.state_dict(),
            "obs_normalizer": state_of(self.obs_normalizer),
            "reward_normalizer": state_of(self.reward_normalizer),
        }

    def _rank_state(self) -> dict[str, Any]:
        return {"returns": None if self.reward_normalizer is None else self.reward_normalizer.returns.cpu()}

    def _restore(self, content: dict[str, Any], rank: dict[str, Any] | None) -> None:
        restore_module(self.network, content["network"], "network")
        self.learner.load_state_dict(content["learner"])
        restore_statistics(self.obs_normalizer, content["obs_normalizer"], rank, "observation normaliser")
        restore_statistics(self.reward_normalizer, content["reward_normalizer"], rank, "reward normaliser")
