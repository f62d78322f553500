"""Evaluations while a run is under way, in envs of their own, and the best policy so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from gymnasium.vector import VectorEnv

from fastvec.train.distributed import ALONE, World
from fastvec.train.evaluate import Evaluation
from fastvec.train.run.rundir import NoRunDir, RunDir, read_evaluations


class Play(Protocol):
    """Plays greedy episodes, the same ones for the same policy."""

    def __call__(self, *, envs: VectorEnv, on_step: Callable[[], None]) -> Evaluation:
        """Play in ``envs``, which stay open, and call ``on_step`` after each of their steps."""


class PeriodicEvaluation:
    """Plays episodes whenever another ``every`` steps have been taken, and keeps the best policy.

    The policy with the best mean return is kept in ``best.pt``, a checkpoint like any other; a resumed run goes on
    comparing with what it finds in the run directory. Nothing that training depends on may be touched by ``play``: no
    random numbers, and normalisers are only read.

    With several ranks the first one plays, and all of them save together.

    Args:
        run: the directory that evaluations are logged to, and ``best.pt`` is written to.
        make_envs: makes the envs to play in; called once, before the first evaluation.
        play: plays in them, from the same seed each time, so that two evaluations differ by the policy alone.
        save: writes a checkpoint; all ranks call it.
        every: environment steps between two evaluations; 0 for none but those that are asked for, which are then
            neither logged nor compared.
        first_step: the environment step that the run goes on from.
        world: the processes that train together.
        interrupted: as soon as there is something in it, an evaluation is broken off and counts as none.

    Attributes:
        best: the best mean return so far; None before the first evaluation.
        best_step: the environment step of its policy.
    """

    def __init__(
        self,
        run: RunDir | NoRunDir,
        *,
        make_envs: Callable[[], VectorEnv],
        play: Play,
        save: Callable[[Path], None],
        every: int,
        first_step: int = 0,
        world: World = ALONE,
        interrupted: Sequence[int] = (),
    ) -> None:
        self.best: float | None = None
        self.best_step: int | None = None
        self._run = run
        self._make_envs = make_envs
        self._play = play
        self._save = save
        self._every = every
        self._world = world
        self._interrupted = interrupted
        for row in read_evaluations(run.path):
            if row["global_step"] <= first_step:
                self._compare(row["mean_return"], row["global_step"])
        self._last_step = first_step
        self._is_up_to_date = False
        self._last: Evaluation | None = None
        self._envs: VectorEnv | None = None

    def is_due(self, step: int) -> bool:
        """Whether another ``every`` steps have been taken at environment step ``step`` since the last time."""
        return self._every > 0 and step // self._every > self._last_step // self._every

    def evaluate(self, step: int, *, started: float) -> Evaluation | None:
        """Evaluate now, log it, and keep the policy if it is the best so far. All ranks call it.

        Args:
            step: environment steps done; a second evaluation at the same one gives the first's result.
            started: ``time.monotonic()`` at which the run's wall time began.

        Returns:
            The episodes; None on all ranks but the first, and where the user broke them off.
        """
        if self._last_step == step and self._is_up_to_date:
            return self._last
        self._last_step, self._is_up_to_date = step, True
        is_best = False
        if self._world.is_main:
            if self._envs is None:
                self._envs = self._make_envs()
            try:
                self._last = self._play(envs=self._envs, on_step=self._leave_if_interrupted)
            except _BrokenOff:
                self._last, self._is_up_to_date = None, False
            if self._every and self._last is not None:
                self._run.log_evaluation(self._last, global_step=step, seconds=time.monotonic() - started)
                is_best = self._compare(self._last.mean_return, step)
        if self._world.any(is_best)[0]:
            self._save(self._run.path / "best.pt")
        return self._last

    def close(self) -> None:
        """Close the envs."""
        if self._envs is not None:
            self._envs.close()

    def _leave_if_interrupted(self) -> None:
        if self._interrupted:
            raise _BrokenOff

    def _compare(self, mean_return: float, step: int) -> bool:
        if self.best is not None and mean_return <= self.best:
            return False
        self.best, self.best_step = mean_return, step
        return True


class _BrokenOff(Exception):
    """The user does not want to wait for the end of an evaluation."""
