"""A training run from its settings to its summary."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import gymnasium

from fastvec.train.algorithms import find_algorithm
from fastvec.train.distributed import join_world, leave_world
from fastvec.train.run.run import train_run
from fastvec.train.run.rundir import new_run_dir


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """What a run is told.

    Attributes:
        algorithm: a name of :mod:`fastvec.train.algorithms`.
        env_id: the environment.
        config: the algorithm's settings.
        env_kwargs: keyword arguments of a new run's environments; one that is resumed keeps its own.
        resume: the run directory or checkpoint to go on with; None for a new run.
        run_dir: where the run is kept; None for a new directory below ``runs``.
        wandb_project: where else to log.
        trust: whether a checkpoint may run what is in it.
    """

    algorithm: str
    env_id: str
    config: Any
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    resume: Path | None = None
    run_dir: Path | None = None
    wandb_project: str | None = None
    trust: bool = False


class Session:
    """Makes a trainer, then runs it once. Under torchrun, one of the processes that train together.

    Args:
        settings: what the run is told.
        stream: where progress is shown.

    Raises:
        ValueError, TypeError, OSError: what a user can put right: a setting, an env, a checkpoint.

    Attributes:
        is_main: whether this process writes files and speaks to the user.
    """

    def __init__(self, settings: SessionSettings, *, stream: TextIO) -> None:
        self._settings = settings
        self._stream = stream
        trainer = find_algorithm(settings.algorithm).trainer_class()
        self._world = join_world()
        try:
            if settings.resume is not None:
                overrides = dataclasses.asdict(settings.config)
                trusted = {"trust": True} if settings.trust else {}
                self._trainer = trainer.load(settings.resume, world=self._world, **overrides, **trusted)
            else:
                env_kwargs = dict(settings.env_kwargs)
                self._trainer = trainer(
                    settings.env_id, config=settings.config, env_kwargs=env_kwargs, world=self._world
                )
        except gymnasium.error.Error as error:  # an unknown id, a package that an environment lacks
            raise ValueError(str(error)) from error
        self._run_dir = settings.run_dir or new_run_dir(settings.env_id, settings.config.seed)
        self.is_main = self._world.is_main

    def compile(self) -> int:
        """Build what a run calls compiled, keep it for this user, and close everything.

        Returns:
            How many programs are kept.
        """
        try:
            return int(self._trainer.compile())
        finally:
            self._trainer.close()
            leave_world(self._world)

    def run(self, *, started: float) -> dict[str, Any]:
        """Train to the end, and close everything.

        Args:
            started: ``time.monotonic()`` at which the run's wall time began.

        Returns:
            The summary, as :func:`fastvec.train.run.run.train_run`.

        Raises:
            OSError: something cannot be written.
        """
        try:
            return train_run(
                self._trainer,
                self._run_dir,
                stream=self._stream,
                started=started,
                algorithm=self._settings.algorithm,
                wandb_project=self._settings.wandb_project,
            )
        finally:
            self._trainer.close()
            leave_world(self._world)
