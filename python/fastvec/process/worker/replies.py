"""Answers to what a vector tells its envs to do."""

from __future__ import annotations

from typing import Any

from fastvec import _core
from fastvec.process.wire.pickling import dumps
from fastvec.process.wire.protocol import HAS_MAIL, HAS_PAYLOAD, MAIL_SHIFT, MAILBOX_SIZE, Failure, WorkerStart

__all__ = ["Answers", "WorkerAnswers", "dumps_failures"]


def dumps_failures(failures: list[Failure], *rest: Any) -> bytes:
    """``(*rest, failures)`` pickled."""
    return dumps((*rest, failures))


class Answers:
    """Gives answers, with whatever can be pickled of what they are to say.

    Args:
        first: index of the first env that they are about.
    """

    def __init__(self, first: int) -> None:
        self._first = first

    def _send(self, env: int, message: bytes | None) -> None:
        """Give an answer about an env (-1: about all), with a message or with nothing to say."""
        raise NotImplementedError

    def give_batch(
        self, env: int, infos: list[Any] | None, failures: list[Failure], others: list[list[Any]] | None = None
    ) -> None:
        """Answer a command about a batch (``env`` -1) or a single env: what there is to say beside its numbers."""
        if infos is None and not failures and not others:
            self._send(env, None)
            return
        try:
            message = dumps((failures, infos, others))
        except Exception as error:
            message = self._without_what_cannot_travel(infos, failures, others, error)
        self._send(env, message)

    def _without_what_cannot_travel(
        self, infos: list[Any] | None, failures: list[Failure], others: list[list[Any]] | None, error: Exception
    ) -> bytes:
        for kept_infos, kept_others in ((infos, others), (None, others), (infos, None)):
            lost = [] if kept_infos is infos and kept_others is others else [Failure.of(self._first, error)]
            try:
                return dumps((failures + lost, kept_infos, kept_others))
            except Exception:
                continue
        return dumps(([*failures, Failure.of(self._first, error)], None, None))

    def give_result(self, failures: list[Failure], flag: bool, result: Any) -> None:
        """Answer a message that is not about a batch: ``(failures, flag, result)``."""
        if failures:
            message = dumps_failures(failures, flag, None)
        else:
            try:
                message = dumps((flag, result, failures))
            except Exception as error:
                message = dumps_failures([Failure.of(self._first, error)], False, None)
        self._send(-1, message)


class WorkerAnswers(Answers):
    """A worker's answers to its parent.

    Args:
        start: of the worker.
        board: where answers are announced.
        mailbox: for a message that fits.
    """

    def __init__(self, start: WorkerStart, board: _core.CommandQueues, mailbox: memoryview) -> None:
        super().__init__(start.first)
        self._worker = start.index
        self._channel = start.channel
        self._board = board
        self._mailbox = mailbox

    def _send(self, env: int, message: bytes | None) -> None:
        if message is None:
            self._board.reply(self._worker, env, 0)
            return
        # The answer must be given even if the message does not fit into the channel yet: only then does the
        # parent take it out, and at once.
        if env < 0 and len(message) <= MAILBOX_SIZE:  # one such answer at a time: the parent has read the last
            self._mailbox[: len(message)] = message
            self._board.reply(self._worker, env, HAS_MAIL | len(message) << MAIL_SHIFT)
            return
        is_sent = self._channel.post(message)
        self._board.reply(self._worker, env, HAS_PAYLOAD, not is_sent)
        self._channel.drain()
