"""What algorithms share that learn from rollouts of their current policy, and then forget those."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import Any, TypeVar

import torch
from torch import nn

from fastvec.train.checkpoint import restore_module
from fastvec.train.compiled.function import Program
from fastvec.train.config import OnPolicyConfig
from fastvec.train.devices import fork_rng_from, threads_for
from fastvec.train.distributed import World
from fastvec.train.distributions import ActionDecoder, ActionDistribution
from fastvec.train.env.source import EnvSource
from fastvec.train.env.stepper import Stepper
from fastvec.train.jit import will_compile
from fastvec.train.learner.learner import Learner
from fastvec.train.learner.minibatch_threads import MinibatchThreads, shards_for
from fastvec.train.networks import adopt_network, build_network
from fastvec.train.networks.modes import depends_on_mode, keeps_statistics, modules_in_training
from fastvec.train.normalize import ObservationNormalizer, RewardNormalizer
from fastvec.train.policy import Policy
from fastvec.train.report import Report
from fastvec.train.rollout.buffer import RolloutBuffer
from fastvec.train.rollout.collector import Collector
from fastvec.train.rollout.sampler import Act
from fastvec.train.trainer import Trainer

C = TypeVar("C", bound=OnPolicyConfig)


class OnPolicyTrainer(Trainer[C]):
    """A trainer whose iteration is a rollout, and an update on it.

    A subclass makes :attr:`learner` and :attr:`act`, and says how a rollout is learned from.

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
    """

    learner: Learner
    act: Act
    _prepared = False

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
            shards = shards_for(config.minibatch_size, threads)
        self.torch_threads = threads // shards
        return MinibatchThreads(shards, torch_threads=self.torch_threads) if shards > 1 else None

    @abstractmethod
    def anneal(self, remaining: float) -> None:
        """Set the numbers that change over the run, of which the part ``remaining`` lies ahead (1 at its start)."""

    @abstractmethod
    def _improve(self, rollout: RolloutBuffer, primes_only: bool) -> tuple[list[float], dict[str, float]]:
        """Learn from a rollout.

        Args:
            rollout: what was collected.
            primes_only: whether it is only for the normaliser of observations, as the first one is.

        Returns:
            The episodes' :attr:`EpisodeCounter.totals` over all ranks, and the update's metrics.
        """

    @property
    def steps_per_iteration(self) -> int:
        """The environment steps of one rollout."""
        return self.config.rollout_size

    def compile(self) -> int:
        """Build now what a run calls compiled, or load it where it is kept; :meth:`iterate` does the same by itself.

        Training goes on as if it had not been called.

        Returns:
            How many programs there are; those of ``torch.compile`` do not count, which are built when they are called.
        """
        with self.computing():
            self._begin()
            programs = self._prepare()
            for program in programs:
                program.finish()
        return len(programs)

    def _prepare(self) -> list[Program]:
        """Begin to build the programs of an iteration, at the same time; each is waited for where it is called."""
        return []

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
        self._begin()
        if not self._prepared:
            self._prepared = True
            self._prepare()
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
        self._count_iteration()
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
            rollout=rollout,
        )

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
