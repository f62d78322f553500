"""Replies to what a vector tells its envs to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastvec.process.wire.pickling import dumps
from fastvec.process.wire.protocol import Failure

__all__ = ["Replies", "dumps_failures"]


def dumps_failures(failures: list[Failure], *rest: Any) -> bytes:
    """``(*rest, failures)`` pickled."""
    return dumps((*rest, failures))


class Replies:
    """Makes the reply to each command, with whatever can be pickled of what there is to say.

    Args:
        first: index of the first env that they are about.
        send: sends a reply about an env (-1: about all), with a pickled message, or None for nothing but numbers.
    """

    def __init__(self, first: int, send: Callable[[int, bytes | None], None]) -> None:
        self._first = first
        self._send = send

    def reply_batch(
        self, env: int, infos: list[Any] | None, failures: list[Failure], others: list[list[Any]] | None = None
    ) -> None:
        """Reply to a command about a batch (``env`` -1) or a single env: what there is to say beside its numbers."""
        if infos is None and not failures and not others:
            self._send(env, None)
            return
        try:
            message = dumps((failures, infos, others))
        except Exception as error:
            message = self._without_unpicklable(infos, failures, others, error)
        self._send(env, message)

    def _without_unpicklable(
        self, infos: list[Any] | None, failures: list[Failure], others: list[list[Any]] | None, error: Exception
    ) -> bytes:
        for kept_infos, kept_others in ((infos, others), (None, others), (infos, None)):
            lost = [] if kept_infos is infos and kept_others is others else [Failure.of(self._first, error)]
            try:
                return dumps((failures + lost, kept_infos, kept_others))
            except Exception:
                continue
        return dumps(([*failures, Failure.of(self._first, error)], None, None))

    def reply_result(self, failures: list[Failure], flag: bool, result: Any) -> None:
        """Reply to a message that is not about a batch: ``(flag, result, failures)``."""
        if failures:
            message = dumps_failures(failures, flag, None)
        else:
            try:
                message = dumps((flag, result, failures))
            except Exception as error:
                message = dumps_failures([Failure.of(self._first, error)], False, None)
        self._send(-1, message)
