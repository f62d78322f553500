"""Proximal policy optimisation, from top to bottom: act, estimate advantages, update."""

from __future__ import annotations

import dataclasses
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from gymnasium.vector import VectorEnv
from torch import nn

from fastvec.train.checkpoint import read_checkpoint, restore_module, write_checkpoint
from fastvec.train.config import PPOConfig, config_from_dict
from fastvec.train.devices import current_device, matmul_precision, pick_device, pieces_for, threads_for, torch_threads
from fastvec.train.distributed import ALONE, World
from fastvec.train.distributions import distribution_for
from fastvec.train.env.stepper import (
    Stepper,
    groups_of,
    id_of,
    import_until_registered,
    kwargs_of,
    make_envs,
    modules_of,
)
from fastvec.train.estimate import Estimator, explained_variance
from fastvec.train.evaluate import Evaluation, evaluate
from fastvec.train.jit import OLDEST, jit, will_compile
from fastvec.train.learner.cuda_update import CapturedEstimate, finite_sums
from fastvec.train.learner.learner import Learner
from fastvec.train.learner.minibatch_threads import MinibatchThreads, shards_for
from fastvec.train.loss import METRICS
from fastvec.train.networks import MlpActorCritic, adopt_network, build_network
from fastvec.train.normalize import ObservationNormalizer, RewardNormalizer
from fastvec.train.policy import Policy, PolicyState
from fastvec.train.presets import preset
from fastvec.train.report import Report, TrainingDiverged
from fastvec.train.rollout.buffer import RolloutBuffer
from fastvec.train.rollout.collector import Collector
from fastvec.train.rollout.episodes import EpisodeCounter


class PPO:
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
        self.world = world
        vectors = [] if isinstance(env, str) else groups_of(env)
        if not isinstance(env, str):
            env = vectors[0]
        self.env_id = env if isinstance(env, str) else id_of(env)
        self.env_kwargs: dict[str, Any] | None = dict(env_kwargs or {})
        if isinstance(env, VectorEnv) and env_kwargs is None:
            self.env_kwargs = kwargs_of(env)
        config = config or (preset(self.env_id) if self.env_id else PPOConfig())
        if not isinstance(env, str):
            num_envs = sum(vector.num_envs for vector in vectors)
            overrides = {"num_envs": num_envs, **overrides}
            if overrides["num_envs"] != num_envs:
                raise ValueError(f"num_envs is {overrides['num_envs']}, but env has {num_envs} environments")
        self.config = config = dataclasses.replace(config, **overrides)
        self.device = pick_device(config.device, world)
        self.compiles = will_compile(config, self.device)
        """Whether this run goes through torch.compile."""
        if config.compile and not self.compiles:
            wanted = ".".join(map(str, OLDEST[self.device.type]))
            warnings.warn(
                f"compiling for {self.device.type} needs PyTorch {wanted} or later, this is {torch.__version__}: "
                "training runs eagerly",
                stacklevel=2,
            )

        if isinstance(env, str):
            groups = config.env_groups or (2 if self.device.type == "cuda" and config.num_envs % 2 == 0 else 1)
            size = config.num_envs // groups
            kwargs = env_kwargs or {}
            self.groups = [make_envs(env, config, num_envs=size, world=world, **kwargs) for _ in range(groups)]
        else:
            self.groups = vectors
        self.envs = self.groups[0]
        steppers = [Stepper(group) for group in self.groups]
        stepper = steppers[0]
        self.encoder = stepper.encoder
        self.head = distribution_for(self.envs.single_action_space)
        self.has_own_network = network is not None
        if network is None:
            encoder = stepper.encoder
            self.network = build_network(encoder.shape, encoder.dtype, self.head, config, largest=encoder.largest)
        else:
            self.network = adopt_network(network, stepper.encoder.shape, stepper.encoder.dtype, self.head)
        self.network.to(self.device)
        if self.network.memory_size and config.num_envs % config.num_minibatches:
            raise ValueError(
                f"num_minibatches must divide num_envs = {config.num_envs} for a recurrent network, "
                f"got {config.num_minibatches}"
            )
        self.obs_normalizer: ObservationNormalizer | None = None
        if config.normalize_obs and not stepper.encoder.is_image:
            self.obs_normalizer = ObservationNormalizer(stepper.encoder.shape).to(self.device)
        self.reward_normalizer: RewardNormalizer | None = None
        if config.normalize_reward:
            self.reward_normalizer = RewardNormalizer(config.num_envs, config.gamma).to(self.device)

        self.generator = torch.Generator(self.device).manual_seed(config.seed + world.rank * 1_000_003)
        self.policy = Policy(
            self.network,
            self.head,
            observation_space=self.envs.single_observation_space,
            action_space=self.envs.single_action_space,
            encoder=self.encoder,
            obs_normalizer=self.obs_normalizer,
            generator=self.generator,
            device=self.device,
        )

        threads = config.torch_threads or threads_for(self.network, config)
        shards = 1
        if self.device.type == "cpu" and not self.network.memory_size and not stepper.encoder.is_image:
            shards = shards_for(config.minibatch_size, threads)
        self.torch_threads = threads // shards
        self.minibatch_threads = MinibatchThreads(shards, torch_threads=self.torch_threads) if shards > 1 else None
        self.learner = Learner(
            self.network, self.head, config, compiles=self.compiles, threads=self.minibatch_threads, world=world
        )
        pieces = shards * config.num_minibatches
        if self.device.type == "cpu" and isinstance(self.network, MlpActorCritic):
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
            threads=self.minibatch_threads,
            world=world,
        )
        self.collector = Collector(
            steppers,
            self.head,
            self.policy.decoder,
            num_steps=config.num_steps,
            device=self.device,
            memory_size=self.network.memory_size,
            cuda_graphs=config.cuda_graphs,
        )
        self.captured_estimate: CapturedEstimate | None = None
        if self.device.type == "cuda":
            self.captured_estimate = CapturedEstimate(
                self.estimator,
                obs_normalizer=self.obs_normalizer,
                kept=self.learner.state.variables,
                has_bootstrap_observations=not stepper.has_reset_rows,
                world=world,
                capture=config.cuda_graphs,
            )
        self.iteration = 0
        self.has_masks = False
        """Whether training has met action masks; known after the first iteration."""
        self.resumes_exactly = self._has_snapshots
        """Whether a checkpoint holds the environments, so that :meth:`load` goes on as if nothing had been; known after
        the first :meth:`save`."""
        self._started = False
        self.act = jit(self.policy.choose, enabled=self.compiles, device=self.device)

    @property
    def _has_snapshots(self) -> bool:
        return hasattr(self.envs, "get_state") and hasattr(self.envs, "set_state")

    def _take_snapshots(self) -> list[Any] | None:
        """The state of each group of environments; None where they cannot be saved."""
        if not self._has_snapshots:
            return None
        try:
            return [group.get_state() for group in self.groups]  # type: ignore[attr-defined]
        except NotImplementedError:
            return None

    @property
    def global_step(self) -> int:
        """Environment steps taken so far, over all environments of all processes."""
        return self.iteration * self.config.rollout_size * self.world.size

    @property
    def episodes(self) -> EpisodeCounter:
        """The training episodes of this process."""
        return self.collector.episodes

    @property
    def num_iterations(self) -> int:
        """Iterations in the whole run."""
        return self.config.iterations_of(self.world.size)

    @property
    def done(self) -> bool:
        """Whether ``config.total_timesteps`` have been taken."""
        return self.iteration >= self.num_iterations

    def learn(self, *, callback: Callable[[Report], None] | None = None, progress: bool = False) -> PPO:
        """Train up to ``config.total_timesteps``.

        Args:
            callback: called after each iteration.
            progress: show how it is getting on, as ``fastvec train`` does: a table on a terminal, else (in a notebook,
                for instance) a line every few seconds.

        Returns:
            itself.

        Raises:
            TrainingDiverged: a number is not finite.
        """
        from fastvec.train.run.display import Display

        title = f"{self.env_id or 'environment'}, seed {self.config.seed}"
        display = Display(title, self.config.total_timesteps, sys.stdout) if progress else None
        with display or nullcontext():
            while not self.done:
                start = perf_counter()
                report = self.iterate()
                if display is not None:
                    display.show(report, perf_counter() - start)
                if callback is not None:
                    callback(report)
        return self

    def iterate(self) -> Report:
        """One rollout and the update on it. Raises :class:`TrainingDiverged` when a number is not finite."""
        with self.computing():
            return self._iterate()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """This trainer's threads, device and precision in place of the process's own, for a while."""
        with (
            torch_threads(self.torch_threads),
            current_device(self.device),
            matmul_precision(self.config.matmul_precision, self.device),
        ):
            yield

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

    def _begin(self) -> None:
        """Begin all episodes, where that was not done."""
        if self._started:
            return
        # What goes on without its environments plays other episodes than it began with.
        seed = self.config.seed + self.iteration * self.config.num_envs * self.world.size
        self.collector.reset(seed + self.world.rank * self.config.num_envs)
        self.has_masks = self.collector.masks is not None
        self._started = True

    def _collect(self) -> RolloutBuffer:
        shape = (self.config.num_steps, self.config.num_envs)
        return self.collector.collect(self.act, self.head.draw_noise(shape, self.generator))

    def _iterate(self) -> Report:
        self._begin()
        self.learner.anneal(1.0 - self.iteration / self.num_iterations)

        start = perf_counter()
        rollout = self._collect()
        primes_only = (
            self.obs_normalizer is not None and self.iteration == 0
        )  # this rollout is for the normaliser alone
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

    def _improve(self, rollout: RolloutBuffer, primes_only: bool) -> tuple[list[float], dict[str, float]]:
        """Estimate and update: the episodes' :attr:`EpisodeCounter.totals` over all ranks, and the update's metrics."""
        obs, rewards, episodes = self.collector.obs, self.collector.rewards, self.collector.episodes
        sums = [float(obs.sum()) if obs.is_floating_point() else 0.0, float(rewards.sum()), *episodes.totals]
        obs_sum, reward_sum, *counts = self.world.sum_(torch.tensor(sums, dtype=torch.float32)).tolist()
        self._check_finite(obs=obs_sum, reward=reward_sum)
        metrics: dict[str, float] = {}
        if not primes_only:
            batch = self.estimator(rollout)
            means = self.learner.update(batch, self.generator)
            values = torch.cat([means, explained_variance(batch, self.world).view(1)]).tolist()
            metrics = dict(zip((*METRICS, "explained_variance"), values, strict=True))
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
            values = torch.cat([summary[1:], self.learner.update(batch, self.generator), summary[:1]])
        self.collector.count_episodes()
        counts = self.world.sum_(torch.tensor(self.collector.episodes.totals, dtype=torch.float32)).tolist()
        # Here the host waits for the device, and nowhere else in an iteration but for the actions.
        obs_sum, reward_sum, *means = values.tolist()
        if not (primes_only or (math.isfinite(obs_sum) and math.isfinite(reward_sum))):
            self.captured_estimate.undo()
        self._check_finite(obs=obs_sum, reward=reward_sum)
        return counts, dict(zip((*METRICS, "explained_variance"), means, strict=True)) if means else {}

    def _check_finite(self, **quantities: float) -> None:
        for name, value in quantities.items():
            if not math.isfinite(value):
                raise TrainingDiverged(name, self.global_step)

    def initial_state(self, num_envs: int = 1) -> PolicyState:
        """What a recurrent policy remembers before the first step of ``num_envs`` episodes, for :meth:`predict`."""
        return self.policy.initial_state(num_envs)

    def predict(
        self,
        observation: Any,
        *,
        deterministic: bool = True,
        mask: Any = None,
        state: PolicyState | None = None,
    ) -> Any:
        """Actions for a batch of observations, as a VectorEnv returns them, or for a single one.

        Args:
            observation: one of the observation space, or a batch of N.
            deterministic: the likeliest actions, or drawn ones.
            mask: the actions that are allowed, as ``info["action_mask"]`` has them: bool or int ``[N, A]``, or
                ``[A]`` for one observation; for MultiDiscrete also a tuple of an array per choice (N of those).
            state: what a recurrent policy remembers, from :meth:`initial_state`; it is brought up to date. Call its
                ``forget`` where episodes end. Policies without memory need none.

        Returns:
            A NumPy array of the action space's dtype: ``[N, *action_shape]``, or one action for one
            observation.
        """
        return self.policy.predict(observation, deterministic=deterministic, mask=mask, state=state)

    def evaluate(
        self,
        episodes: int = 100,
        *,
        envs: VectorEnv | None = None,
        seed: int | None = None,
        deterministic: bool = True,
        on_step: Callable[[], None] | None = None,
    ) -> Evaluation:
        """Play whole episodes in environments of their own; training is not disturbed.

        Args:
            episodes: how many to play.
            envs: the environments to play in, left open; by default new ones of the same id.
            seed: of the environments' first reset; by default one that training did not use.
            deterministic: the likeliest actions, or drawn ones.
            on_step: called after each step of the environments.
        """
        if episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {episodes}")
        own = envs is None
        if envs is None:
            envs = self.make_evaluation_envs(episodes)
        noise = self.generator.get_state()
        try:
            with self.computing():
                state = self.initial_state(envs.num_envs) if self.network.memory_size else None
                return evaluate(
                    partial(self.predict, state=state),
                    envs,
                    episodes=episodes,
                    seed=self.evaluation_seed if seed is None else seed,
                    deterministic=deterministic,
                    on_step=on_step,
                    on_start=None if state is None else state.forget,
                )
        finally:
            self.generator.set_state(noise)
            if own:
                envs.close()

    @property
    def evaluation_seed(self) -> int:
        """What environments of an evaluation are seeded with by default: far from those of training."""
        return self.config.seed + 1_000_003

    def make_evaluation_envs(self, episodes: int, **kwargs: Any) -> VectorEnv:
        """New environments like those of training, as many as ``episodes`` keep busy, 100 at most.

        Raises:
            ValueError: training's have no id, or wrappers: nobody but you can make others like them.
        """
        if self.env_id is None or self.env_kwargs is None:
            reason = "have no id" if self.env_id is None else "are wrapped"
            raise ValueError(f"these environments {reason}, so there is no making others like them; pass envs=...")
        return make_envs(self.env_id, self.config, num_envs=min(episodes, 100), **{**self.env_kwargs, **kwargs})

    def save(self, path: str | Path) -> None:
        """Write everything that :meth:`load` needs to go on, atomically. All ranks call it, the first one writes.

        Where the environments cannot be saved (Box2D's and Atari's, for instance), the rest is.
        """
        snapshots = self._take_snapshots()
        self.resumes_exactly = snapshots is not None
        ranks = self.world.gather(
            {
                "generator": self.generator.get_state(),
                "collector": self.collector.state_dict() if self._started else None,
                "envs": snapshots if self._started else None,
                "returns": None if self.reward_normalizer is None else self.reward_normalizer.returns.cpu(),
            }
        )
        if ranks is None:
            return
        write_checkpoint(
            Path(path),
            {
                "algorithm": "ppo",
                "env_id": self.env_id,
                "env_kwargs": self.env_kwargs,
                "env_modules": modules_of(self.env_id),
                "config": dataclasses.asdict(self.config),
                "own_network": self.has_own_network,
                "has_masks": self.has_masks,
                "network": self.network.state_dict(),
                "learner": self.learner.state_dict(),
                "obs_normalizer": None if self.obs_normalizer is None else self.obs_normalizer.state_dict(),
                "reward_normalizer": None if self.reward_normalizer is None else self.reward_normalizer.state_dict(),
                "iteration": self.iteration,
                "global_step": self.global_step,
                "ranks": ranks,
            },
        )

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        env: str | VectorEnv | None = None,
        network: nn.Module | None = None,
        world: World = ALONE,
        **overrides: Any,
    ) -> PPO:
        """Continue from a checkpoint or a run directory.

        Where the environments offer ``get_state`` and ``set_state``, as fastvec's do, training goes on
        exactly as if it had never stopped. Others start new episodes, and so does a number of processes or of
        environments that is not the one that made the checkpoint. A checkpoint of a CUDA device can be loaded on a
        CPU and the other way round; the numbers that are drawn from then on are others.

        Args:
            path: the file, or the run directory that has it.
            env: needed only where the checkpoint was made with environments that have no id.
            network: needed only where it was made with a network of your own.
            world: the processes that train together.
            **overrides: settings to change.

        Raises:
            FileNotFoundError: there is no checkpoint. ValueError: it is damaged, of another version, or of a policy
                for other observations, actions or network settings.
        """
        content = read_checkpoint(Path(path))
        if content["own_network"] and network is None:
            raise ValueError("this checkpoint was made with a network of its own; pass network=...")
        if env is None and (content["env_id"] is None or content["env_kwargs"] is None):
            reason = "have no id" if content["env_id"] is None else "were wrapped"
            raise ValueError(f"this checkpoint's environments {reason}; pass env=...")
        if env is None:
            import_until_registered(content["env_id"], content.get("env_modules", ()))
        config = config_from_dict(content["config"])
        ppo = cls(
            content["env_id"] if env is None else env,
            config=config,
            network=network,
            env_kwargs=content["env_kwargs"] if env is None or isinstance(env, str) else None,
            world=world,
            **overrides,
        )
        ppo._restore(content)
        return ppo

    def _restore(self, content: dict[str, Any]) -> None:
        restore_module(self.network, content["network"], "network")
        self.learner.load_state_dict(content["learner"])
        if self.obs_normalizer is not None and content["obs_normalizer"] is not None:
            restore_module(self.obs_normalizer, content["obs_normalizer"], "observation normaliser")
        ranks, before = content["ranks"], content["config"]
        same_envs = len(ranks) == self.world.size and before["num_envs"] == self.config.num_envs
        if self.reward_normalizer is not None and content["reward_normalizer"] is not None:
            state = dict(content["reward_normalizer"])
            # Sums of episodes under way: of no use where they are not continued.
            state["returns"] = (
                ranks[self.world.rank]["returns"] if same_envs else torch.zeros_like(self.reward_normalizer.returns)
            )
            restore_module(self.reward_normalizer, state, "reward normaliser")
        self.iteration = content["iteration"]
        self.has_masks = content["has_masks"]
        if not same_envs or before["num_steps"] != self.config.num_steps:
            self.iteration = content["global_step"] // (self.config.rollout_size * self.world.size)
        if not same_envs:
            return
        own = ranks[self.world.rank]
        if len(own["generator"]) == len(self.generator.get_state()):
            self.generator.set_state(own["generator"])
        else:  # of another kind of device, which draws other numbers: these go on from another seed
            self.generator.manual_seed(self.config.seed + self.world.rank * 1_000_003 + self.iteration)
        if own["envs"] is not None and len(own["envs"]) == len(self.groups) and self._has_snapshots:
            self.collector.reset(self.config.seed)
            for group, snapshot in zip(self.groups, own["envs"], strict=True):
                group.set_state(snapshot)  # type: ignore[attr-defined]
            self.collector.load_state_dict(own["collector"])
            self._started = True

    def export(self, path: str | Path, *, format: str = "torch") -> None:
        """Write the greedy policy, as :func:`fastvec.train.export.export_policy` does ("torch" or "onnx")."""
        from fastvec.train.export import export_policy

        export_policy(self.policy, Path(path), format=format, with_mask=self.has_masks)

    def close(self) -> None:
        """Close the environments."""
        for group in self.groups:
            group.close()
