"""What all algorithms share: the environments, the policy in use, and evaluations."""

from __future__ import annotations

import dataclasses
import math
import sys
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import torch
from gymnasium.vector import VectorEnv

from fastvec.train.compiled.function import Program
from fastvec.train.devices import current_device, matmul_precision, pick_device, torch_threads
from fastvec.train.display import Display
from fastvec.train.distributed import ALONE, World
from fastvec.train.env.snapshots import offers_snapshots
from fastvec.train.env.source import EnvSource
from fastvec.train.evaluate import Evaluation, evaluate
from fastvec.train.export import export_policy
from fastvec.train.jit import OLDEST, will_compile
from fastvec.train.policy import Policy, PolicyState
from fastvec.train.report import Callback, Report, TrainingDiverged
from fastvec.train.resumable import C, Resumable
from fastvec.train.rollout.buffer import RolloutBuffer
from fastvec.train.rollout.episodes import EpisodeCounter
from fastvec.train.schedules import annealed, warmed_up

T = TypeVar("T", bound="Trainer[Any]")


class Trainer(Resumable[C]):
    """A policy, environments to train it in, and a place in the run. An algorithm is a subclass.

    Its constructor makes :attr:`policy` and :attr:`collector`, and it says what an iteration is and what of it a
    checkpoint has to keep.

    Args:
        source: what is trained on.
        config: all settings.
        world: the processes that train together; each has ``config.num_envs`` environments.

    Attributes:
        config: the settings.
        world: the processes that train together.
        device: where the networks are.
        compiles: whether this run goes through torch.compile.
        groups: the vectors that step in turn.
        envs: the first of them.
        generator: the random numbers of exploration and of minibatches, on the device.
        predict_generator: those of :meth:`predict` and :meth:`evaluate`, on the device.
        policy: what chooses actions.
        collector: what steps the environments.
        torch_threads: PyTorch's number of CPU threads while this trainer computes.
        notes: what a user should know before a run begins, a sentence each.
        iteration: iterations done.
        global_step: environment steps taken so far, over all environments of all processes.
        has_masks: whether training has met action masks; known after the first iteration.
    """

    policy: Policy
    torch_threads: int

    def __init__(self, source: EnvSource, config: C, *, world: World = ALONE) -> None:
        self.source = source
        self.config = config
        self.world = world
        self.device = pick_device(config.device, world)
        self.compiles = will_compile(config, self.device)
        if config.compile and not self.compiles:
            wanted = ".".join(map(str, OLDEST[self.device.type]))
            warnings.warn(
                f"compiling for {self.device.type} needs PyTorch {wanted} or later, this is {torch.__version__}: "
                "training runs eagerly",
                stacklevel=3,
            )
        count = config.env_groups or (2 if self.device.type == "cuda" and config.num_envs % 2 == 0 else 1)
        self.groups = source.make_groups(config, count, world)
        self.envs = self.groups[0]
        self.generator = torch.Generator(self.device).manual_seed(config.seed + world.rank * 1_000_003)
        self.notes: list[str] = []
        self.predict_generator = torch.Generator(self.device).manual_seed(config.seed + 2_000_003)
        self.iteration = 0
        self.global_step = 0
        self.has_masks = False
        self.resumes_exactly = offers_snapshots(self.envs)
        self.has_same_envs = False
        self._started = False
        self._prepared = False
        self._reached_return = False

    @property
    @abstractmethod
    def steps_per_iteration(self) -> int:
        """Environment steps that this process takes in an iteration, over all its environments."""

    @abstractmethod
    def _iterate(self) -> Report:
        """One iteration, with episodes begun, and threads, device and precision as this trainer has them."""

    @property
    def episodes(self) -> EpisodeCounter:
        """The training episodes of this process."""
        return self.collector.episodes

    @property
    def num_iterations(self) -> int:
        """Iterations in the whole run; the last one may run past ``config.total_timesteps``."""
        left = max(self.config.total_timesteps - self.global_step, 0)
        return self.iteration + -(-left // (self.steps_per_iteration * self.world.size))

    @property
    def remaining(self) -> float:
        """The part of the run's steps that lies ahead: 1 at its start."""
        steps = self.steps_per_iteration * self.world.size
        return 1.0 - self.global_step / max(self.global_step + (self.num_iterations - self.iteration) * steps, 1)

    def learning_rate_at(self, remaining: float) -> float:
        """The learning rate of the next iteration, where the part ``remaining`` of the run lies ahead."""
        config: Any = self.config
        end = self.global_step + self.steps_per_iteration * self.world.size
        factor = annealed(remaining, config.anneal_shape) if config.anneal_lr else 1.0
        return float(config.learning_rate * factor * warmed_up(end, config.warmup_steps))

    def _report(
        self,
        episodes: Sequence[float],
        metrics: dict[str, float],
        *,
        env_seconds: float,
        inference_seconds: float,
        update_seconds: float,
        learning_rate: float,
        rollout: RolloutBuffer,
    ) -> Report:
        """What there is to tell of one more iteration, which is counted in :attr:`iteration` and :attr:`global_step`.

        Args:
            episodes: :attr:`EpisodeCounter.totals` over all ranks.
            metrics: of the updates.
            env_seconds: as in a :class:`Report`.
            inference_seconds: likewise.
            update_seconds: likewise.
            learning_rate: of this iteration.
            rollout: likewise.
        """
        self.iteration += 1
        self.global_step += self.steps_per_iteration * self.world.size
        finished, recent, returns, lengths = episodes
        return Report(
            iteration=self.iteration,
            global_step=self.global_step,
            mean_return=returns / recent if recent else math.nan,
            mean_length=lengths / recent if recent else math.nan,
            episodes=int(finished),
            metrics=metrics,
            env_seconds=env_seconds,
            inference_seconds=inference_seconds,
            update_seconds=update_seconds,
            schedules={"learning_rate": learning_rate},
            rollout=rollout,
        )

    @property
    def done(self) -> bool:
        """Whether ``config.total_timesteps`` have been taken, or ``config.stop_at_return`` was reached."""
        return self._reached_return or self.global_step >= self.config.total_timesteps

    def learn(
        self: T, total_timesteps: int | None = None, *, callback: Callback | None = None, progress: bool = False
    ) -> T:
        """Train up to ``config.total_timesteps``, or for so many steps more.

        Args:
            total_timesteps: environment steps to take from here on: ``config.total_timesteps`` becomes their end. None
                leaves it as it is.
            callback: called with the report of each iteration. False, if it returns that, ends training; it may use the
                policy, and draw from it, without changing what is learned.
            progress: show how it is getting on, as ``fastvec train`` does: a table on a terminal, else (in a notebook,
                for instance) a line every few seconds.

        Returns:
            itself.

        Raises:
            TrainingDiverged: a number is not finite.
        """
        if total_timesteps is not None:
            end = self.global_step + total_timesteps
            self.config = dataclasses.replace(self.config, total_timesteps=end)
            self._reached_return = False
        title = f"{self.env_id or 'environment'}, seed {self.config.seed}"
        display = Display(title, self.config.total_timesteps, sys.stdout) if progress else None
        with display or nullcontext():
            while not self.done:
                start = perf_counter()
                report = self.iterate()
                if display is not None:
                    display.show(report, perf_counter() - start)
                if callback is not None and self.world.any(callback(report) is False)[0]:
                    break
        return self

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

    def iterate(self) -> Report:
        """One iteration: new experience, and the updates on it.

        Raises:
            TrainingDiverged: a number is not finite.
        """
        with self.computing():
            self._begin()
            if not self._prepared:
                self._prepared = True
                self._prepare()
            report = self._iterate()
        wanted = self.config.stop_at_return
        if wanted is not None and report.episodes >= EpisodeCounter.KEPT and report.mean_return >= wanted:
            self._reached_return = True
        return report

    @contextmanager
    def computing(self) -> Iterator[None]:
        """This trainer's threads, device and precision in place of the process's own, for a while."""
        with (
            torch_threads(self.torch_threads),
            current_device(self.device),
            matmul_precision(self.config.matmul_precision, self.device),
        ):
            yield

    def _begin(self) -> None:
        """Begin all episodes, where that was not done, or where a rollout was broken off."""
        if self._started and not self.collector.is_underway:
            return
        # What goes on without its environments plays other episodes than it began with.
        seed = self.config.seed + self.iteration * self.config.num_envs * self.world.size
        self.collector.reset(seed + self.world.rank * self.config.num_envs)
        self.has_masks = self.collector.masks is not None
        self._started = True

    def _check_rollout(self) -> None:
        """Raise TrainingDiverged where a number that is not finite broke off the newest rollout."""
        broken = self.collector.broken
        if broken is not None:
            raise TrainingDiverged(broken.quantity, self.global_step, broken.env)

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
        max_episode_steps: int | None = None,
    ) -> Evaluation:
        """Play whole episodes in environments of their own; training is not disturbed.

        Args:
            episodes: how many to play.
            envs: the environments to play in, left open; by default new ones of the same id.
            seed: of the environments' first reset; by default one that training did not use.
            deterministic: the likeliest actions, or drawn ones.
            on_step: called after each step of the environments.
            max_episode_steps: an episode of so many is counted as it stands, and in ``cut`` of the result; by default
                ``config.eval_max_episode_steps``.
        """
        if episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {episodes}")
        own = envs is None
        if envs is None:
            envs = self.make_evaluation_envs(episodes)
        seed = self.evaluation_seed if seed is None else seed
        noise = self.policy.generator.get_state()
        self.policy.generator.manual_seed(seed)
        try:
            with self.computing():
                state = self.initial_state(envs.num_envs) if self.policy.network.memory_size else None
                return evaluate(
                    partial(self.predict, state=state),
                    envs,
                    episodes=episodes,
                    seed=seed,
                    deterministic=deterministic,
                    on_step=on_step,
                    on_start=None if state is None else state.forget,
                    max_episode_steps=(
                        self.config.eval_max_episode_steps if max_episode_steps is None else max_episode_steps
                    ),
                )
        finally:
            self.policy.generator.set_state(noise)
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
        return self.source.make_more(self.config, min(episodes, 100), **kwargs)

    def export(self, path: str | Path, *, format: str = "torch") -> None:
        """Write the greedy policy, as :func:`fastvec.train.export.export_policy` does ("torch" or "onnx")."""
        export_policy(self.policy, Path(path), format=format, with_mask=self.has_masks)

    def close(self) -> None:
        """Close the environments."""
        for group in self.groups:
            group.close()
