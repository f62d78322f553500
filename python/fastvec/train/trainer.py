"""What all algorithms share: the environments, the policy in use, evaluations, and going on from a checkpoint."""

from __future__ import annotations

import dataclasses
import math
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Generic, TypeVar

import torch
from gymnasium.vector import VectorEnv
from torch import nn

from fastvec.train.checkpoint import can_be_written, read_checkpoint, write_checkpoint
from fastvec.train.compiled.function import Program
from fastvec.train.config import TrainerConfig, known_settings
from fastvec.train.devices import current_device, matmul_precision, pick_device, torch_threads
from fastvec.train.display import Display
from fastvec.train.distributed import ALONE, World
from fastvec.train.env.snapshots import may_restore, offers_snapshots, restore_snapshots, take_snapshots
from fastvec.train.env.source import EnvSource, import_until_registered, modules_of
from fastvec.train.evaluate import Evaluation, evaluate
from fastvec.train.export import export_policy
from fastvec.train.jit import OLDEST, will_compile
from fastvec.train.policy import Policy, PolicyState
from fastvec.train.report import Callback, Report, TrainingDiverged
from fastvec.train.rollout.buffer import RolloutBuffer
from fastvec.train.rollout.collector import Collector
from fastvec.train.rollout.episodes import EpisodeCounter
from fastvec.train.schedules import annealed, warmed_up

C = TypeVar("C", bound=TrainerConfig)
T = TypeVar("T", bound="Trainer[Any]")


class Trainer(ABC, Generic[C]):
    """A policy, environments to train it in, and a place in the run. An algorithm is a subclass.

    Its constructor makes :attr:`policy` and :attr:`collector`, and it says what an iteration is and what of it a
    checkpoint has to keep.

    Args:
        source: what is trained on.
        config: all settings.
        world: the processes that train together; each has ``config.num_envs`` environments.

    Attributes:
        algorithm: its name, in checkpoints and flags.
        config_type: the dataclass of its settings.
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
        resumes_exactly: whether a checkpoint holds the environments, so that :meth:`load` goes on as if nothing had
            been; known after the first :meth:`save`.
    """

    algorithm: ClassVar[str]
    config_type: ClassVar[type[Any]]
    policy: Policy
    collector: Collector
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
        """Whether this trainer went on with as many environments and processes as the checkpoint had."""
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

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """What a checkpoint keeps of the algorithm, the same on all ranks."""

    def _rank_state(self) -> dict[str, Any]:
        """What a checkpoint keeps of the algorithm for each rank."""
        return {}

    @abstractmethod
    def _restore(self, content: dict[str, Any], rank: dict[str, Any] | None) -> None:
        """Take over what :meth:`_state` and :meth:`_rank_state` gave.

        Args:
            content: of the whole checkpoint.
            rank: of this rank; None where its environments are not those that made the checkpoint.
        """

    @property
    def env_id(self) -> str | None:
        """The id of the environments; None where they have none."""
        return self.source.env_id

    @property
    def env_kwargs(self) -> dict[str, Any] | None:
        """With which others like them are made; None where that cannot be."""
        return self.source.env_kwargs

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

    def save(self, path: str | Path) -> None:
        """Write everything that :meth:`load` needs to go on, atomically. All ranks call it, the first one writes.

        Where the environments cannot be saved (Atari's, for instance), the rest is.
        """
        snapshots = take_snapshots(self.groups)
        self.resumes_exactly = snapshots is not None
        ranks = self.world.gather(
            {
                "generator": self.generator.get_state(),
                "collector": self.collector.state_dict() if self._started else None,
                "envs": snapshots if self._started else None,
                **self._rank_state(),
            }
        )
        if ranks is None:
            return
        write_checkpoint(
            Path(path),
            {
                "algorithm": self.algorithm,
                "env_id": self.env_id,
                "env_kwargs": self.env_kwargs if can_be_written(self.env_kwargs) else None,
                "env_modules": modules_of(self.env_id),
                "config": dataclasses.asdict(self.config),
                "has_masks": self.has_masks,
                "iteration": self.iteration,
                "global_step": self.global_step,
                "ranks": ranks,
                **self._state(),
            },
        )

    @classmethod
    def load(
        cls: type[T],
        path: str | Path,
        *,
        env: str | VectorEnv | None = None,
        network: nn.Module | None = None,
        world: World = ALONE,
        trust: bool = False,
        **overrides: Any,
    ) -> T:
        """Continue from a checkpoint or a run directory.

        Where the environments offer ``get_state`` and ``set_state``, as fastvec's do, training goes on
        exactly as if it had never stopped. Others start new episodes, and so does a number of processes or of
        environments that is not the one that made the checkpoint. A checkpoint of a CUDA device can be loaded on a
        CPU and the other way round; the numbers that are drawn from then on are others.

        Nothing in the file is run, unless you trust it: what it names is the environments' id and, where Gymnasium does
        not know that, the module that registers them, which is imported if it is installed here.

        Args:
            path: the file, or the run directory that has it.
            env: needed only where the checkpoint was made with environments that have no id.
            network: needed only where it was made with a network of your own.
            world: the processes that train together.
            trust: read what runs code when it is read: the states of environments in Python (without, new episodes
                begin), and checkpoints of format 3.
            **overrides: settings to change.

        Raises:
            FileNotFoundError: there is no checkpoint. ValueError: it is damaged, of another version, or of a policy
                for other observations, actions or network settings.
        """
        content = read_checkpoint(Path(path), trust=trust)
        written_by = content.get("algorithm", "ppo")
        if written_by != cls.algorithm:
            raise ValueError(f"expected a checkpoint of {cls.algorithm}, got one of {written_by}")
        if content["own_network"] and network is None:
            raise ValueError("this checkpoint was made with a network of its own; pass network=...")
        if env is None and (content["env_id"] is None or content["env_kwargs"] is None):
            reason = "have no id" if content["env_id"] is None else "were wrapped, or made with what no file can hold"
            raise ValueError(f"this checkpoint's environments {reason}; pass env=...")
        if env is None:
            import_until_registered(content["env_id"], content.get("env_modules", ()))
        make: Any = cls
        trainer: T = make(
            content["env_id"] if env is None else env,
            config=cls.config_type(**known_settings(cls.config_type, content["config"], "a checkpoint")),
            env_kwargs=content["env_kwargs"] if env is None or isinstance(env, str) else None,
            world=world,
            **({} if network is None else {"network": network}),
            **overrides,
        )
        trainer._go_on_from(content, trust=trust)
        return trainer

    def _go_on_from(self, content: dict[str, Any], *, trust: bool) -> None:
        ranks, before = content["ranks"], content["config"]
        same_envs = len(ranks) == self.world.size and before["num_envs"] == self.config.num_envs
        self.has_same_envs = same_envs
        own = ranks[self.world.rank] if same_envs else None
        self._restore(content, own)
        self.has_masks = content["has_masks"]
        self.iteration = content["iteration"]
        self.global_step = content["global_step"]
        if own is None:
            return
        if len(own["generator"]) == len(self.generator.get_state()):
            self.generator.set_state(own["generator"])
        else:  # of another kind of device, which draws other numbers: these go on from another seed
            self.generator.manual_seed(self.config.seed + self.world.rank * 1_000_003 + self.iteration)
        snapshots = own["envs"]
        if snapshots is None or len(snapshots) != len(self.groups) or not offers_snapshots(self.envs):
            return
        if may_restore(self.groups, snapshots, trust=trust):
            self.collector.reset(self.config.seed)
            restore_snapshots(self.groups, snapshots)
            self.collector.load_state_dict(own["collector"])
            self._started = True

    def export(self, path: str | Path, *, format: str = "torch") -> None:
        """Write the greedy policy, as :func:`fastvec.train.export.export_policy` does ("torch" or "onnx")."""
        export_policy(self.policy, Path(path), format=format, with_mask=self.has_masks)

    def close(self) -> None:
        """Close the environments."""
        for group in self.groups:
            group.close()
