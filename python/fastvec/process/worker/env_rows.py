"""The envs of a worker, row by row: stepped, reset, and their observations written into a batch."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from fastvec.process.wire.protocol import LOST_KEY, Attachment, Failure
from fastvec.process.worker.copies import copied, copied_info
from fastvec.process.worker.observations import ObservationWriter, blank_observation
from fastvec.vector.layout import assemble, leaves_of

__all__ = ["EnvRows", "Infos"]

Infos = list[tuple[int, dict[str, Any]]]
"""``(row, info)`` in the order in which they are to be added to the batch's infos."""


class EnvRows:
    """Neighbouring envs of a vector, with what the next turn of each is, and its latest observation.

    Infos and failures go to lists of the caller's. Arrays of a batch (``views``) are the array leaves of the
    observations, rewards, terminations and truncations, with a place for each of the rows that are asked for.

    Args:
        envs: those that it has; an env that is loaded takes its place there.
        first: index of the first one.
        attachment: spaces and autoreset mode.
        caught: what an env may raise without ending the process.
        lost: not None: the envs stand for others that were lost, for this reason.

    Attributes:
        envs: the envs.
        first: index of the first one.
        all: all rows.
        caught: as given.
    """

    def __init__(
        self,
        envs: list[gymnasium.Env],
        first: int,
        attachment: Attachment,
        caught: tuple[type[BaseException], ...],
        lost: str | None,
    ) -> None:
        self.envs = envs
        self.first = first
        self.all = range(len(envs))
        self.caught = caught
        self._steps = [env.step for env in envs]
        self._resets = [env.reset for env in envs]
        self._next_step = attachment.autoreset_mode is AutoresetMode.NEXT_STEP
        self._same_step = attachment.autoreset_mode is AutoresetMode.SAME_STEP
        self._pending = [lost is not None] * len(envs)  # something else than a step is due
        self._lost = [lost] * len(envs)  # why an episode is no more, until that is reported
        space = attachment.single_observation_space
        self._blank = blank_observation(space)
        self._observations: list[Any] = [self._blank] * len(envs)
        # Where observations are all arrays: memory to copy them to, and each row of it as an observation, which stands
        # in _observations if what the env returned fitted.
        leaves = leaves_of(space)
        kept = leaves and all(leaf.is_array for leaf in leaves)
        self._kept = [np.zeros((len(envs), *leaf.shape), leaf.dtype) for leaf in leaves] if kept else []
        parts = zip(leaves, self._kept, strict=False)
        self._kept_parts = [(leaf.path, array, leaf.shape, leaf.dtype) for leaf, array in parts]
        self._kept_rows = [assemble(space, (array[row, ...] for array in self._kept)) for row in self.all if kept]
        self._kept_array = self._kept[0] if kept and not leaves[0].path else None  # an observation is one array
        self._writer = ObservationWriter(space)

    def step(
        self,
        rows: Iterable[int],
        actions: Iterable[Any],
        views: list[np.ndarray],
        infos: Infos,
        failures: list[Failure],
    ) -> None:
        """Step these rows, each into the next place of ``views``; what they return is copied at once."""
        rewards, terminations, truncations = views[-3:]
        pending, steps, keep = self._pending, self._steps, self._keep
        kept: Any = self._kept_array
        observations, kept_rows = self._observations, self._kept_rows
        shape, dtype = (None, None) if kept is None else (kept.shape[1:], kept.dtype)
        for at, (row, action) in enumerate(zip(rows, actions, strict=True)):
            try:
                if pending[row] and self._lost[row] is None:
                    pending[row] = False
                    rewards[at] = 0.0
                    observation, info = self._resets[row]()
                else:
                    result = self._lost_step(row) if pending[row] else steps[row](action)
                    observation, rewards[at], terminated, truncated, info = result
                    if terminated or truncated:
                        terminations[at] = terminated
                        truncations[at] = truncated
                        if self._same_step:
                            infos.append((row, {"final_obs": copied(observation), "final_info": copied(info)}))
                            observation, info = self._resets[row]()
                        else:
                            pending[row] = self._next_step
                if type(observation) is np.ndarray and observation.shape == shape and observation.dtype == dtype:
                    kept[row] = observation  # as `keep` does: a call for each env would be noticed
                    observations[row] = kept_rows[row]
                else:
                    keep(row, observation)
                if info or type(info) is not dict:
                    infos.append((row, copied_info(info)))
            except self.caught as error:
                failures.append(Failure.of(self.first + row, error))
                self.fail(row, at, views)

    def _keep(self, row: int, observation: Any) -> None:
        """Copy the observation of a row."""
        if self._kept and self._fill_kept(row, observation):
            self._observations[row] = self._kept_rows[row]
        else:
            self._observations[row] = copied(observation)

    def _fill_kept(self, row: int, observation: Any) -> bool:
        """Copy an observation to where the row's is kept; False, and anything may be there, if it does not fit."""
        try:
            for path, array, shape, dtype in self._kept_parts:
                part = observation
                for key in path:
                    part = part[key]
                if type(part) is not np.ndarray or part.shape != shape or part.dtype != dtype:
                    return False
                array[row] = part
        except (KeyError, IndexError, TypeError):  # it is nested otherwise
            return False
        return True

    def _lost_step(self, row: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """The last step of an episode that ended with another worker."""
        reason, self._lost[row] = self._lost[row], None
        self._pending[row] = False
        return self._blank, 0.0, False, True, {LOST_KEY: reason}

    def fail(self, row: int, at: int, views: list[np.ndarray]) -> None:
        """The row of an env that failed: zeros, truncated, to be reset at its next turn."""
        self._observations[row] = self._blank
        views[-3][at], views[-2][at], views[-1][at] = 0.0, False, True
        self._pending[row] = self._next_step or self._same_step

    def write(self, rows: Sequence[int], views: list[np.ndarray], failures: list[Failure]) -> list[list[Any]]:
        """Write the observations of these rows; those that do not fit their space fail."""
        if rows is not self.all:
            chosen = [self._observations[row] for row in rows]
        elif self._kept and all(map(operator.is_, self._observations, self._kept_rows)):
            for view, array in zip(views, self._kept, strict=False):  # rewards and flags follow in views
                view[...] = array
            return []
        else:
            chosen = self._observations
        try:
            return self._writer.write(chosen, views)
        except Exception:
            pass
        for at, row in enumerate(rows):
            single = [view[at : at + 1] for view in views]
            try:
                self._writer.write([self._observations[row]], single)
            except Exception as error:
                failures.append(Failure.of(self.first + row, error))
                self.fail(row, at, views)
        return self._writer.write([self._observations[row] for row in rows], views)

    def reset(
        self,
        row: int,
        seed: int | None,
        options: Any,
        infos: Infos,
        failures: list[Failure],
    ) -> None:
        """Reset the env of a row."""
        try:
            # Options of its own: an env may take something out of them.
            observation, info = self._resets[row](seed=seed, options=copied(options))
            self._keep(row, observation)
            self._pending[row] = False
            if self._lost[row] is not None:
                info = {**info, LOST_KEY: self._lost[row]}
                self._lost[row] = None
            if info or type(info) is not dict:
                infos.append((row, copied_info(info)))
        except self.caught as error:
            failures.append(Failure.of(self.first + row, error))

    def state_of(self, row: int) -> tuple[bool, Any]:
        """Whether something else than a step is due, and the latest observation: what a row is beside its env."""
        return self._pending[row], self._observations[row]

    def load(self, row: int, env: gymnasium.Env, state: tuple[bool, Any]) -> None:
        """Put another env in place of a row's, with what :meth:`state_of` gave for it; :meth:`bind` comes after it."""
        self.envs[row] = env
        self._pending[row], self._observations[row] = state

    def bind(self) -> None:
        """Look up the envs' methods anew, after something was set on them or they were replaced."""
        self._steps[:] = [env.step for env in self.envs]
        self._resets[:] = [env.reset for env in self.envs]
