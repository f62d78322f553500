"""What a checkpoint keeps of a trainer, and a trainer that goes on from one."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from gymnasium.vector import VectorEnv
from torch import nn

from fastvec.train.checkpoint import can_be_written, read_checkpoint, write_checkpoint
from fastvec.train.config import TrainerConfig, known_settings
from fastvec.train.distributed import ALONE, World
from fastvec.train.env.snapshots import may_restore, offers_snapshots, restore_snapshots, take_snapshots
from fastvec.train.env.source import EnvSource, import_until_registered, modules_of
from fastvec.train.rollout.collector import Collector

C = TypeVar("C", bound=TrainerConfig)
T = TypeVar("T", bound="Resumable[Any]")


class Resumable(ABC, Generic[C]):
    """The part of a :class:`fastvec.train.trainer.Trainer` that is saved and loaded: its place in the run.

    Attributes:
        algorithm: its name, in checkpoints and flags.
        config_type: the dataclass of its settings.
        resumes_exactly: whether a checkpoint holds the environments, so that :meth:`load` goes on as if nothing had
            been; known after the first :meth:`save`.
        has_same_envs: whether this trainer went on with as many environments and processes as the checkpoint had.
    """

    algorithm: ClassVar[str]
    config_type: ClassVar[type[Any]]
    source: EnvSource
    config: C
    world: World
    groups: Sequence[VectorEnv]
    generator: torch.Generator
    collector: Collector
    iteration: int
    global_step: int
    has_masks: bool
    resumes_exactly: bool
    has_same_envs: bool
    _started: bool

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
        if snapshots is None or len(snapshots) != len(self.groups) or not offers_snapshots(self.groups[0]):
            return
        if may_restore(self.groups, snapshots, trust=trust):
            self.collector.reset(self.config.seed)
            restore_snapshots(self.groups, snapshots)
            self.collector.load_state_dict(own["collector"])
            self._started = True
