"""What envs do for a vector when they are told to: in a worker, or in the calling process."""

from __future__ import annotations

import operator
import pickle
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import iterate

from fastvec import _core
from fastvec.process.wire.infos import Encoder, encode
from fastvec.process.wire.protocol import LOST_KEY, Attachment, Command, Failure
from fastvec.process.wire.shared_memory import ASYNC_BUFFER
from fastvec.process.worker.copies import copied, copied_info
from fastvec.process.worker.env_state import load_env, save_env
from fastvec.process.worker.observations import ObservationWriter, blank_observation
from fastvec.process.worker.replies import Replies
from fastvec.vector.layout import ActionLayout, BatchLayout, assemble, leaves_of

__all__ = ["WorkerLoop"]

_ITERATES_ROWS = iterate.dispatch(spaces.Box)


class WorkerLoop:
    """Neighbouring envs of a vector, and what they do when they are told to.

    Args:
        envs: those that it has.
        first: index of the first one.
        memory: the vector's, with its actions and batches.
        replies: is told what came of each command.
        encode: what makes the infos of a batch what the replies tell, see :mod:`fastvec.process.wire.infos`.
        lost: not None: the envs stand for others that were lost, for this reason.

    Attributes:
        caught: what an env may raise without ending the process.
    """

    caught: tuple[type[BaseException], ...] = (Exception,)

    def __init__(
        self,
        envs: list[gymnasium.Env],
        first: int,
        attachment: Attachment,
        memory: _core.SharedMemory,
        replies: Replies,
        encode: Encoder = encode,
        lost: str | None = None,
    ) -> None:
        self._envs = envs
        self._first = first
        self._memory = memory
        self._replies = replies
        self._encode = encode
        self._rows = range(len(envs))
        self._steps = [env.step for env in envs]
        self._resets = [env.reset for env in envs]
        self._next_step = attachment.autoreset_mode is AutoresetMode.NEXT_STEP
        self._same_step = attachment.autoreset_mode is AutoresetMode.SAME_STEP
        self._pending = [lost is not None] * len(envs)  # something else than a step is due
        self._lost = [lost] * len(envs)  # why an episode is no more, until that is reported
        self._blank = blank_observation(attachment.single_observation_space)
        self._observations: list[Any] = [self._blank] * len(envs)
        # Where an observation is one array: rows to copy them to. Those that fit stand in _observations then.
        leaves = leaves_of(attachment.single_observation_space)
        root = leaves[0] if len(leaves) == 1 and leaves[0].is_array and not leaves[0].path else None
        self._kept = None if root is None else np.zeros((len(envs), *root.shape), root.dtype)
        self._kept_rows = [None] * len(envs) if self._kept is None else list(self._kept)
        self._writer = ObservationWriter(attachment.single_observation_space)
        self._action_space = attachment.action_space
        self._single_action_space = attachment.single_action_space

        self._batch = BatchLayout(leaves_of(attachment.single_observation_space), attachment.num_envs)
        self._buffers_offset = attachment.buffers_offset
        self._views: dict[int, list[np.ndarray]] = {}
        self._async_views: list[list[np.ndarray]] = []
        actions = ActionLayout(attachment.single_action_space, attachment.num_envs)
        self._action_layout = actions
        parts = actions.leaves or []
        # Whether `iterate` gives the rows of an array: it takes long to find out anew at each step.
        self._iterates_rows = (
            len(parts) == 1 and not parts[0].path and iterate.dispatch(type(self._action_space)) is _ITERATES_ROWS
        )
        self._action_block = self._memory.block(attachment.actions_offset, actions.size)
        self._formats: dict[int, list[np.ndarray]] = {}
        self._handlers: dict[str, Callable[..., None]] = {
            "format": self._add_format,
            "step": self._step,
            "step_one": self._step_one,
            "reset": self._reset,
            "reset_one": self._reset_one,
            "call": self._call,
            "set": self._set,
            "save": self._save,
            "load": self._load,
        }

    def obey(self, kind: int, first: int, second: int) -> None:
        """Do what a command says, with its two numbers, and reply to it."""
        if kind == Command.STEP:
            self._step(first, self._actions(second))
        else:
            self._step_one(first, self._action(first, second))

    def handle(self, message: bytes) -> None:
        """Do what a message says, and reply to it unless it holds for good."""
        name, arguments = pickle.loads(message)
        self._handlers[name](*arguments)

    # -- stepping -------------------------------------------------------------------------------------------

    @property
    def steps_arrays(self) -> bool:
        """Whether :meth:`step_into` takes actions as one array."""
        return self._iterates_rows

    def step_into(self, views: list[np.ndarray], actions: Iterable[Any]) -> None:
        """Step all envs, into arrays for one row each, and reply."""
        infos: list[tuple[int, dict[str, Any]]] = []
        failures: list[Failure] = []
        views[-2][:] = False
        views[-1][:] = False
        self._step_rows(self._rows, actions, views, infos, failures)
        others = self._write(self._rows, views, failures)
        self._replies.reply_batch(-1, self._encode(infos, len(self._rows)), failures, others)

    def _step(self, buffer: int, actions: Iterable[Any]) -> None:
        self.step_into(self._views_of(buffer), actions)

    def _step_one(self, row: int, action: Any) -> None:
        views = self._async_views_of(row)
        infos: list[tuple[int, dict[str, Any]]] = []
        failures: list[Failure] = []
        views[-2][:] = False
        views[-1][:] = False
        self._step_rows((row,), (action,), views, infos, failures)
        self._finish_one(row, views, infos, failures)

    def _finish_one(
        self, row: int, views: list[np.ndarray], infos: list[tuple[int, dict[str, Any]]], failures: list[Failure]
    ) -> None:
        others = self._write((row,), views, failures)
        env = self._first + row
        self._replies.reply_batch(env, ["rows", infos] if any(info for _, info in infos) else None, failures, others)

    def _step_rows(
        self,
        rows: Iterable[int],
        actions: Iterable[Any],
        views: list[np.ndarray],
        infos: list[tuple[int, dict[str, Any]]],
        failures: list[Failure],
    ) -> None:
        """Step these rows, each into the next place of ``views``; what they return is copied at once."""
        rewards, terminations, truncations = views[-3:]
        pending, steps, keep = self._pending, self._steps, self._keep
        kept: Any = self._kept
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
                failures.append(Failure.of(self._first + row, error))
                self._fail(row, at, views)

    def _keep(self, row: int, observation: Any) -> None:
        """Copy the observation of a row."""
        kept = self._kept
        if (
            kept is not None
            and type(observation) is np.ndarray
            and observation.dtype == kept.dtype
            and observation.shape == kept.shape[1:]
        ):
            kept[row] = observation
            self._observations[row] = self._kept_rows[row]
        else:
            self._observations[row] = copied(observation)

    def _lost_step(self, row: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """The last step of an episode that ended with another worker."""
        reason, self._lost[row] = self._lost[row], None
        self._pending[row] = False
        return self._blank, 0.0, False, True, {LOST_KEY: reason}

    def _fail(self, row: int, at: int, views: list[np.ndarray]) -> None:
        """The row of an env that failed: zeros, truncated, to be reset at its next turn."""
        self._observations[row] = self._blank
        views[-3][at], views[-2][at], views[-1][at] = 0.0, False, True
        self._pending[row] = self._next_step or self._same_step

    def _write(self, rows: Sequence[int], views: list[np.ndarray], failures: list[Failure]) -> list[list[Any]]:
        """Write the observations of these rows; those that do not fit their space fail."""
        if rows is not self._rows:
            chosen = [self._observations[row] for row in rows]
        elif self._kept is not None and all(map(operator.is_, self._observations, self._kept_rows)):
            views[0][...] = self._kept
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
                failures.append(Failure.of(self._first + row, error))
                self._fail(row, at, views)
        return self._writer.write([self._observations[row] for row in rows], views)

    # -- resetting ------------------------------------------------------------------------------------------

    def _reset(self, buffer: int, seeds: Sequence[int | None], options: Any, mask: np.ndarray | None) -> None:
        views = self._views_of(buffer)
        infos: list[tuple[int, dict[str, Any]]] = []
        failures: list[Failure] = []
        for row in self._rows:
            if mask is None or mask[row]:
                self._reset_row(row, seeds[row], options, infos, failures)
        for failure in failures:
            row = failure.env - self._first
            self._fail(row, row, views)
        others = self._write(self._rows, views, failures)
        self._replies.reply_batch(-1, self._encode(infos, len(self._rows)), failures, others)

    def _reset_one(self, row: int, seed: int | None, options: Any) -> None:
        views = self._async_views_of(row)
        infos: list[tuple[int, dict[str, Any]]] = []
        failures: list[Failure] = []
        views[-3][:] = 0.0
        views[-2][:] = False
        views[-1][:] = False
        self._reset_row(row, seed, options, infos, failures)
        if failures:
            self._fail(row, 0, views)
        self._finish_one(row, views, infos, failures)

    def _reset_row(
        self,
        row: int,
        seed: int | None,
        options: Any,
        infos: list[tuple[int, dict[str, Any]]],
        failures: list[Failure],
    ) -> None:
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
            failures.append(Failure.of(self._first + row, error))

    # -- actions --------------------------------------------------------------------------------------------

    def _add_format(self, number: int, dtypes: tuple[str, ...]) -> None:
        self._formats[number] = self._action_layout.arrays(self._action_block, dtypes)

    def _actions(self, action_format: int) -> Iterable[Any]:
        """The actions of all rows, as ``gymnasium.vector.utils.iterate`` gives them."""
        first, last = self._first, self._first + len(self._rows)
        arrays = self._formats[action_format]
        if self._iterates_rows:
            return arrays[0][first:last].copy()
        return self._iterate(array[first:last].copy() for array in arrays)

    def _action(self, row: int, action_format: int) -> Any:
        env = self._first + row
        return next(iter(self._iterate(array[env : env + 1].copy() for array in self._formats[action_format])))

    def _iterate(self, arrays: Iterable[np.ndarray]) -> Iterable[Any]:
        return iterate(self._action_space, assemble(self._single_action_space, iter(arrays)))

    # -- attributes and states ------------------------------------------------------------------------------

    def _call(self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        failures, results = [], []
        missing = False
        for env, single in enumerate(self._envs, self._first):
            try:
                function = single.get_wrapper_attr(name)
            except AttributeError as error:
                missing = True
                failures.append(Failure.of(env, error))
                continue
            try:
                # A method may return what the next env's call overwrites: a frame, say. Attributes stay as they are.
                results.append(copied(function(*arguments, **keywords)) if callable(function) else function)
            except self.caught as error:
                failures.append(Failure.of(env, error))
        self._replies.reply_result(failures, missing, results)

    def _set(self, name: str, values: Sequence[Any]) -> None:
        failures = []
        for env, (single, value) in enumerate(zip(self._envs, values, strict=True), self._first):
            try:
                single.set_wrapper_attr(name, value)
            except self.caught as error:
                failures.append(Failure.of(env, error))
        self._bind()
        self._replies.reply_result(failures, False, None)

    def _save(self, rows: Sequence[int]) -> None:
        failures, states = [], []
        for row in rows:
            try:
                states.append((save_env(self._envs[row]), self._pending[row], self._observations[row]))
            except Exception as error:
                failures.append(Failure.of(self._first + row, error))
        self._replies.reply_result(failures, bool(failures), states)

    def _load(self, rows: Sequence[int], states: Sequence[tuple[bytes, bool, Any]]) -> None:
        failures = []
        try:
            loaded = [load_env(state) for state, _, _ in states]
        except Exception as error:
            failures.append(Failure.of(self._first, error))
        else:
            for row, env, (_, pending, observation) in zip(rows, loaded, states, strict=True):
                self._envs[row] = env
                self._pending[row], self._observations[row] = pending, observation
            self._bind()
        self._replies.reply_result(failures, False, None)

    def _bind(self) -> None:
        self._steps[:] = [env.step for env in self._envs]
        self._resets[:] = [env.reset for env in self._envs]

    # -- memory ---------------------------------------------------------------------------------------------

    def _views_of(self, buffer: int) -> list[np.ndarray]:
        views = self._views.get(buffer)
        if views is None:
            block = self._memory.block(self._buffers_offset + buffer * self._batch.size, self._batch.size)
            first = self._first
            views = [array[first : first + len(self._rows)] for array in self._batch.arrays(block)]
            self._views[buffer] = views
        return views

    def _async_views_of(self, row: int) -> list[np.ndarray]:
        if not self._async_views:
            whole = self._views_of(ASYNC_BUFFER)
            self._async_views = [[view[i : i + 1] for view in whole] for i in self._rows]
        return self._async_views[row]
