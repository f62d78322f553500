"""A worker process: makes its share of the envs, and steps them when told."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
import signal
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces.utils import is_space_dtype_shape_equiv
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import iterate

from fastvec import _core
from fastvec.process.channel import dumps
from fastvec.process.infos import encode
from fastvec.process.layout import ActionLayout, BatchLayout, assemble, leaves_of
from fastvec.process.memory import ASYNC_SLOT
from fastvec.process.observations import ObservationWriter, blank_observation
from fastvec.process.protocol import (
    HAS_MAIL,
    HAS_PAYLOAD,
    LOST_KEY,
    MAIL_SHIFT,
    MAILBOX_SIZE,
    Attachment,
    Command,
    Failure,
    WorkerStart,
)
from fastvec.process.states import load_env, save_env
from fastvec.process.threads import limit_threads

__all__ = ["run"]


def run(start: WorkerStart) -> None:
    """The main function of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    parent = multiprocessing.parent_process()
    lifeline = -1 if parent is None else int(parent.sentinel)
    _core.die_with(start.parent, lifeline)
    limit_threads(start.threads)
    envs: list[gymnasium.Env] = []
    try:
        if _make_envs(start, envs):
            attachment = _attach(start, envs)
            if attachment is not None:
                _Worker(start, attachment, envs).serve()
    except EOFError:  # the parent closed the channel
        pass
    finally:
        for env in envs:
            env.close()
        start.channel.close()


def _make_envs(start: WorkerStart, envs: list[gymnasium.Env]) -> bool:
    env_fns = pickle.loads(start.env_fns) if isinstance(start.env_fns, bytes) else start.env_fns
    for row, make in enumerate(env_fns):
        try:
            envs.append(make())
        except Exception as error:
            start.channel.send(_dumps_failures([Failure.of(start.first + row, error)], "failed"))
            return False
    first = envs[0]
    description = {
        "observation_spaces": [env.observation_space for env in envs],
        "action_space": first.action_space,
        "metadata": dict(first.metadata),
        "render_mode": first.render_mode,
    }
    try:
        message = dumps(("made", description))
    except Exception as error:
        message = _dumps_failures([Failure.of(start.first, error)], "failed")
    start.channel.send(message)
    return True


def _attach(start: WorkerStart, envs: list[gymnasium.Env]) -> Attachment | None:
    attachment: Attachment | None = pickle.loads(start.channel.receive())
    if attachment is None:  # another worker failed
        return None
    problem = _space_problem(attachment, start.first, envs)
    start.channel.send(dumps(("attached", problem)))
    return None if problem else attachment


def _space_problem(attachment: Attachment, first: int, envs: list[gymnasium.Env]) -> str | None:
    """Why the spaces of these envs cannot be batched, or None: the rules of SyncVectorEnv."""
    expected = attachment.single_observation_space
    for i, env in enumerate(envs, first):
        if attachment.observation_mode == "same":
            if env.observation_space != expected:
                return (
                    f"observation_mode='same', but the observation space of env {i} is {env.observation_space}, "
                    f"and that of env 0 is {expected}; if this is meant, use observation_mode='different'"
                )
        elif not is_space_dtype_shape_equiv(env.observation_space, expected):
            return (
                f"expected observation spaces that share a shape and dtype: that of env {i} is "
                f"{env.observation_space}, the single one is {expected}"
            )
        if env.action_space != attachment.single_action_space:
            return (
                f"expected equal action spaces: that of env {i} is {env.action_space}, "
                f"that of env 0 is {attachment.single_action_space}"
            )
    return None


def _dumps_failures(failures: list[Failure], *rest: Any) -> bytes:
    """``(*rest, failures)`` pickled; exceptions that cannot be are left out, their text stays."""
    try:
        message = dumps((*rest, failures))
        pickle.loads(message)  # some exceptions pickle and do not come back
        return message
    except Exception:
        return dumps((*rest, [Failure(one.env, one.summary, one.traceback) for one in failures]))


class _Worker:
    """The envs of one worker, and the loop that serves the parent."""

    def __init__(self, start: WorkerStart, attachment: Attachment, envs: list[gymnasium.Env]) -> None:
        self._start = start
        self._channel = start.channel
        self._envs = envs
        self._rows = range(len(envs))
        self._steps = [env.step for env in envs]
        self._resets = [env.reset for env in envs]
        self._next_step = attachment.autoreset_mode is AutoresetMode.NEXT_STEP
        self._same_step = attachment.autoreset_mode is AutoresetMode.SAME_STEP
        self._pending = [start.lost is not None] * len(envs)  # something else than a step is due
        self._lost = [start.lost] * len(envs)  # why an episode is no more, until that is reported
        self._blank = blank_observation(attachment.single_observation_space)
        self._observations: list[Any] = [self._blank] * len(envs)
        self._writer = ObservationWriter(attachment.single_observation_space)
        self._action_space = attachment.action_space
        self._single_action_space = attachment.single_action_space

        self._memory = start.file.map(attachment.memory_size)
        self._board = _core.Switchboard(self._memory, 0, start.workers, start.capacity)
        mailbox = self._memory.block(attachment.mail_offset + start.index * MAILBOX_SIZE, MAILBOX_SIZE)
        self._mailbox = memoryview(mailbox)
        self._batch = BatchLayout(leaves_of(attachment.single_observation_space), attachment.num_envs)
        self._slots_offset = attachment.slots_offset
        self._views: dict[int, list[np.ndarray]] = {}
        self._async_views: list[list[np.ndarray]] = []
        actions = ActionLayout(attachment.single_action_space, attachment.num_envs)
        self._action_layout = actions
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

    def serve(self) -> None:
        """Serve until told to close."""
        index, spin = self._start.index, self._start.spin
        gc.collect()
        gc.freeze()  # what was made so far stays; the collector need not look at it again
        while True:
            kind, first, second = self._board.next(index, spin)
            if kind == Command.STEP:
                self._step(first, self._actions(second))
            elif kind == Command.STEP_ONE:
                self._step_one(first, self._action(first, second))
            elif kind == Command.MESSAGE:
                name, arguments = pickle.loads(self._channel.receive())
                self._handlers[name](*arguments)
            else:
                return

    # -- stepping -------------------------------------------------------------------------------------------

    def _step(self, slot: int, actions: Iterable[Any]) -> None:
        views = self._views_of(slot)
        infos: list[tuple[int, dict[str, Any]]] = []
        failures: list[Failure] = []
        views[-2][:] = False
        views[-1][:] = False
        self._step_rows(self._rows, actions, views, infos, failures)
        others = self._write(self._rows, views, failures)
        self._answer(-1, encode(infos, len(self._rows)), failures, others)

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
        env = self._start.first + row
        self._answer(env, ["rows", infos] if any(info for _, info in infos) else None, failures, others)

    def _step_rows(
        self,
        rows: Iterable[int],
        actions: Iterable[Any],
        views: list[np.ndarray],
        infos: list[tuple[int, dict[str, Any]]],
        failures: list[Failure],
    ) -> None:
        """Step these rows, each into the next place of ``views``."""
        rewards, terminations, truncations = views[-3:]
        observations, pending, steps = self._observations, self._pending, self._steps
        for at, (row, action) in enumerate(zip(rows, actions, strict=True)):
            try:
                if pending[row] and self._lost[row] is None:
                    pending[row] = False
                    rewards[at] = 0.0
                    observations[row], info = self._resets[row]()
                else:
                    result = self._lost_step(row) if pending[row] else steps[row](action)
                    observations[row], rewards[at], terminated, truncated, info = result
                    if terminated or truncated:
                        terminations[at] = terminated
                        truncations[at] = truncated
                        if self._same_step:
                            infos.append((row, {"final_obs": observations[row], "final_info": info}))
                            observations[row], info = self._resets[row]()
                        else:
                            pending[row] = self._next_step
                if info:
                    infos.append((row, info))
            except Exception as error:
                failures.append(Failure.of(self._start.first + row, error))
                self._fail(row, at, views)

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
        chosen = self._observations if rows is self._rows else [self._observations[row] for row in rows]
        try:
            return self._writer.write(chosen, views)
        except Exception:
            pass
        for at, row in enumerate(rows):
            single = [view[at : at + 1] for view in views]
            try:
                self._writer.write([self._observations[row]], single)
            except Exception as error:
                failures.append(Failure.of(self._start.first + row, error))
                self._fail(row, at, views)
        return self._writer.write([self._observations[row] for row in rows], views)

    def _answer(
        self, env: int, infos: list[Any] | None, failures: list[Failure], others: list[list[Any]] | None = None
    ) -> None:
        if infos is None and not failures and not others:
            self._board.answer(self._start.index, env, 0)
            return
        try:
            message = dumps((failures, infos, others))
        except Exception as error:
            message = self._without_what_cannot_travel(infos, failures, others, error)
        self._send_answer(env, message)

    def _without_what_cannot_travel(
        self, infos: list[Any] | None, failures: list[Failure], others: list[list[Any]] | None, error: Exception
    ) -> bytes:
        plain = [Failure(one.env, one.summary, one.traceback) for one in failures]
        for kept_infos, kept_others in ((infos, others), (None, others), (infos, None)):
            lost = [] if kept_infos is infos and kept_others is others else [Failure.of(self._start.first, error)]
            try:
                return dumps((plain + lost, kept_infos, kept_others))
            except Exception:
                continue
        return dumps(([*plain, Failure.of(self._start.first, error)], None, None))

    def _send_answer(self, env: int, message: bytes) -> None:
        # The answer must be given even if the message does not fit into the channel yet: only then does the
        # parent take it out, and at once.
        if env < 0 and len(message) <= MAILBOX_SIZE:  # one such answer at a time: the parent has read the last
            self._mailbox[: len(message)] = message
            self._board.answer(self._start.index, env, HAS_MAIL | len(message) << MAIL_SHIFT)
            return
        rest = self._channel.begin_send(message)
        self._board.answer(self._start.index, env, HAS_PAYLOAD, bool(rest))
        self._channel.finish_send(rest)

    # -- resetting ------------------------------------------------------------------------------------------

    def _reset(self, slot: int, seeds: Sequence[int | None], options: Any, mask: np.ndarray | None) -> None:
        views = self._views_of(slot)
        infos: list[tuple[int, dict[str, Any]]] = []
        failures: list[Failure] = []
        for row in self._rows:
            if mask is None or mask[row]:
                self._reset_row(row, seeds[row], options, infos, failures)
        for failure in failures:
            row = failure.env - self._start.first
            self._fail(row, row, views)
        others = self._write(self._rows, views, failures)
        self._answer(-1, encode(infos, len(self._rows)), failures, others)

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
            self._observations[row], info = self._resets[row](seed=seed, options=options)
            self._pending[row] = False
            if self._lost[row] is not None:
                info = {**info, LOST_KEY: self._lost[row]}
                self._lost[row] = None
            if info:
                infos.append((row, info))
        except Exception as error:
            failures.append(Failure.of(self._start.first + row, error))

    # -- actions --------------------------------------------------------------------------------------------

    def _add_format(self, number: int, dtypes: tuple[str, ...]) -> None:
        self._formats[number] = self._action_layout.arrays(self._action_block, dtypes)

    def _actions(self, action_format: int) -> Iterable[Any]:
        """The actions of all rows, as ``gymnasium.vector.utils.iterate`` gives them."""
        first, last = self._start.first, self._start.first + len(self._rows)
        return self._iterate(array[first:last].copy() for array in self._formats[action_format])

    def _action(self, row: int, action_format: int) -> Any:
        env = self._start.first + row
        return next(iter(self._iterate(array[env : env + 1].copy() for array in self._formats[action_format])))

    def _iterate(self, arrays: Iterable[np.ndarray]) -> Iterable[Any]:
        return iterate(self._action_space, assemble(self._single_action_space, iter(arrays)))

    # -- attributes and states ------------------------------------------------------------------------------

    def _call(self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        failures, results = [], []
        missing = False
        for env, single in enumerate(self._envs, self._start.first):
            try:
                function = single.get_wrapper_attr(name)
            except AttributeError as error:
                missing = True
                failures.append(Failure.of(env, error))
                continue
            try:
                results.append(function(*arguments, **keywords) if callable(function) else function)
            except Exception as error:
                failures.append(Failure.of(env, error))
        self._answer_with(failures, missing, results)

    def _set(self, name: str, values: Sequence[Any]) -> None:
        failures = []
        for env, (single, value) in enumerate(zip(self._envs, values, strict=True), self._start.first):
            try:
                single.set_wrapper_attr(name, value)
            except Exception as error:
                failures.append(Failure.of(env, error))
        self._bind()
        self._answer_with(failures, False, None)

    def _save(self, rows: Sequence[int]) -> None:
        failures, states = [], []
        for row in rows:
            try:
                states.append((save_env(self._envs[row]), self._pending[row], self._observations[row]))
            except Exception as error:
                failures.append(Failure.of(self._start.first + row, error))
        self._answer_with(failures, bool(failures), states)

    def _load(self, rows: Sequence[int], states: Sequence[tuple[bytes, bool, Any]]) -> None:
        failures = []
        try:
            loaded = [load_env(state) for state, _, _ in states]
        except Exception as error:
            failures.append(Failure.of(self._start.first, error))
        else:
            for row, env, (_, pending, observation) in zip(rows, loaded, states, strict=True):
                self._envs[row] = env
                self._pending[row], self._observations[row] = pending, observation
            self._bind()
        self._answer_with(failures, False, None)

    def _bind(self) -> None:
        self._steps[:] = [env.step for env in self._envs]
        self._resets[:] = [env.reset for env in self._envs]

    def _answer_with(self, failures: list[Failure], flag: bool, result: Any) -> None:
        """Answer a message that is not about a batch: ``(failures, flag, result)``."""
        if failures:
            message = _dumps_failures(failures, flag, None)
        else:
            try:
                message = dumps((flag, result, failures))
            except Exception as error:
                message = _dumps_failures([Failure.of(self._start.first, error)], False, None)
        self._send_answer(-1, message)

    # -- memory ---------------------------------------------------------------------------------------------

    def _views_of(self, slot: int) -> list[np.ndarray]:
        views = self._views.get(slot)
        if views is None:
            block = self._memory.block(self._slots_offset + slot * self._batch.size, self._batch.size)
            first = self._start.first
            views = [array[first : first + len(self._rows)] for array in self._batch.arrays(block)]
            self._views[slot] = views
        return views

    def _async_views_of(self, row: int) -> list[np.ndarray]:
        if not self._async_views:
            whole = self._views_of(ASYNC_SLOT)
            self._async_views = [[view[i : i + 1] for view in whole] for i in self._rows]
        return self._async_views[row]
