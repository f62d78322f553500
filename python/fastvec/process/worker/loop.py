"""What envs do for a vector when they are told to: in a worker, or in the calling process."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np

from fastvec import _core
from fastvec.process.wire.infos import Encoder, encode
from fastvec.process.wire.protocol import Attachment, Command, Failure
from fastvec.process.worker import questions
from fastvec.process.worker.actions import ActionReader
from fastvec.process.worker.batch_views import BatchViews
from fastvec.process.worker.env_rows import EnvRows, Infos
from fastvec.process.worker.replies import Replies

__all__ = ["WorkerLoop"]


class WorkerLoop:
    """Neighbouring envs of a vector, and what they do when they are told to.

    Each command is done and replied to once. :meth:`obey` and :meth:`handle` take them as they come from the parent.

    Args:
        envs: those that it has.
        first: index of the first one.
        attachment: spaces, and where things are in the memory.
        memory: the vector's, with its actions and batches.
        replies: is told what came of each command.
        encode: what makes the infos of a batch what the replies tell, see :mod:`fastvec.process.wire.infos`.
        caught: what an env may raise without ending the process.
        lost: not None: the envs stand for others that were lost, for this reason.
    """

    def __init__(
        self,
        envs: list[gymnasium.Env],
        first: int,
        attachment: Attachment,
        memory: _core.SharedMemory,
        replies: Replies,
        encode: Encoder = encode,
        caught: tuple[type[BaseException], ...] = (Exception,),
        lost: str | None = None,
    ) -> None:
        indices = range(first, first + len(envs))
        self._first = first
        self._rows = EnvRows(envs, first, attachment, caught, lost)
        self._actions = ActionReader(attachment, memory, indices)
        self._views = BatchViews(attachment, memory, indices)
        self._replies = replies
        self._encode = encode
        self._all = self._rows.all
        # Looked up once: a step of cheap envs would notice.
        self._step_rows, self._write, self._reset_env = self._rows.step, self._rows.write, self._rows.reset
        self._actions_of_all, self._views_of_all = self._actions.of_all, self._views.of_all
        self._handlers: dict[str, Callable[..., None]] = {
            "format": self._actions.add_format,
            "step": self._step,
            "step_one": self._step_one,
            "reset": self._reset,
            "reset_one": self._reset_one,
            "call": self._asked(questions.call),
            "set": self._asked(questions.set_attribute),
            "save": self._asked(questions.save),
            "load": self._asked(questions.load),
        }

    def obey(self, kind: int, first: int, second: int) -> None:
        """Do what a command says, with its two numbers, and reply to it."""
        if kind == Command.STEP:
            self._step(first, self._actions_of_all(second))
        else:
            self._step_one(first, self._actions.of_one(first, second))

    def handle(self, message: bytes) -> None:
        """Do what a message says, and reply to it unless it holds for good."""
        name, arguments = pickle.loads(message)
        self._handlers[name](*arguments)

    # -- stepping -------------------------------------------------------------------------------------------

    @property
    def steps_arrays(self) -> bool:
        """Whether :meth:`step_into` takes actions as one array."""
        return self._actions.are_one_array

    def step_into(self, views: list[np.ndarray], actions: Iterable[Any]) -> None:
        """Step all envs, into arrays for one row each, and reply."""
        infos: Infos = []
        failures: list[Failure] = []
        views[-2][:] = False
        views[-1][:] = False
        self._step_rows(self._all, actions, views, infos, failures)
        others = self._write(self._all, views, failures)
        self._replies.reply_batch(-1, self._encode(infos, len(self._all)), failures, others)

    def _step(self, buffer: int, actions: Iterable[Any]) -> None:
        self.step_into(self._views_of_all(buffer), actions)

    def _step_one(self, row: int, action: Any) -> None:
        views = self._views.of_one(row)
        infos: Infos = []
        failures: list[Failure] = []
        views[-2][:] = False
        views[-1][:] = False
        self._step_rows((row,), (action,), views, infos, failures)
        self._finish_one(row, views, infos, failures)

    def _finish_one(self, row: int, views: list[np.ndarray], infos: Infos, failures: list[Failure]) -> None:
        others = self._write((row,), views, failures)
        env = self._first + row
        self._replies.reply_batch(env, ["rows", infos] if any(info for _, info in infos) else None, failures, others)

    # -- resetting ------------------------------------------------------------------------------------------

    def _reset(self, buffer: int, seeds: Sequence[int | None], options: Any, mask: np.ndarray | None) -> None:
        views = self._views_of_all(buffer)
        infos: Infos = []
        failures: list[Failure] = []
        for row in self._all:
            if mask is None or mask[row]:
                self._reset_env(row, seeds[row], options, infos, failures)
        for failure in failures:
            row = failure.env - self._first
            self._rows.fail(row, row, views)
        others = self._write(self._all, views, failures)
        self._replies.reply_batch(-1, self._encode(infos, len(self._all)), failures, others)

    def _reset_one(self, row: int, seed: int | None, options: Any) -> None:
        views = self._views.of_one(row)
        infos: Infos = []
        failures: list[Failure] = []
        views[-3][:] = 0.0
        views[-2][:] = False
        views[-1][:] = False
        self._reset_env(row, seed, options, infos, failures)
        if failures:
            self._rows.fail(row, 0, views)
        self._finish_one(row, views, infos, failures)

    # -- questions ------------------------------------------------------------------------------------------

    def _asked(self, ask: Callable[..., questions.Result]) -> Callable[..., None]:
        """What handles a message whose arguments are those of ``ask``, after the rows."""
        rows, reply_result = self._rows, self._replies.reply_result

        def handle(*arguments: Any) -> None:
            reply_result(*ask(rows, *arguments))

        return handle
