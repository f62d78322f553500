"""Evaluations while a run is under way, in envs of their own, and the best policy so far."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gymnasium.vector import VectorEnv

from fastvec.train.evaluate import Evaluation
from fastvec.train.run.rundir import NoRunDir, RunDir, read_evaluations

if TYPE_CHECKING:
    from fastvec.train.ppo import PPO


class _BrokenOff(Exception):
    """The user does not want to wait for the end of an evaluation."""


class PeriodicEvaluation:
    """Plays ``config.eval_episodes`` greedy episodes whenever another ``config.eval_every`` steps have been taken.

    Every time from the same seed, so that two evaluations differ by the policy alone. Nothing that training depends
    on is touched: greedy actions draw no random numbers, and normalisers are only read. The policy with the best mean
    return is kept in ``best.pt``, a checkpoint like any other; a resumed run goes on comparing with what it finds.

    With several ranks the first one plays, and all of them save together. As soon as there is something in
    ``interrupted``, an evaluation is broken off and counts as none.
    """

    def __init__(self, ppo: PPO, run: RunDir | NoRunDir, interrupted: Sequence[int] = ()) -> None:
        self.ppo = ppo
        self.run = run
        self._interrupted = interrupted
        self.best: float | None = None
        self.best_step: int | None = None
        for row in read_evaluations(run.path):
            if row["global_step"] <= ppo.global_step:
                self._compare(row["mean_return"], row["global_step"])
        self._last_step = ppo.global_step
        self._is_up_to_date = False
        self._last: Evaluation | None = None
        self._envs: VectorEnv | None = None

    @property
    def due(self) -> bool:
        """Whether another ``eval_every`` steps have been taken since the last time."""
        every = self.ppo.config.eval_every
        return every > 0 and self.ppo.global_step // every > self._last_step // every

    def evaluate(self, *, started: float) -> Evaluation | None:
        """Evaluate now, log it, and keep the policy if it is the best so far; None on all ranks but the first, and
        where the user broke it off.

        Args:
            started: ``time.monotonic()`` at which the run's wall time began.
        """
        ppo = self.ppo
        if self._last_step == ppo.global_step and self._is_up_to_date:
            return self._last
        self._last_step, self._is_up_to_date = ppo.global_step, True
        is_best = False
        if ppo.world.is_main:
            episodes = ppo.config.eval_episodes
            if self._envs is None:
                self._envs = ppo.make_evaluation_envs(episodes)
            try:
                self._last = ppo.evaluate(episodes, envs=self._envs, on_step=self._leave_if_interrupted)
            except _BrokenOff:
                self._last, self._is_up_to_date = None, False
            if ppo.config.eval_every and self._last is not None:
                self.run.log_evaluation(self._last, global_step=ppo.global_step, seconds=time.monotonic() - started)
                is_best = self._compare(self._last.mean_return, ppo.global_step)
        if ppo.world.any(is_best)[0]:
            ppo.save(self.run.path / "best.pt")
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
