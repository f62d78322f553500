"""Ctrl-C during a call comes where the vector is in order, and nowhere else."""

from __future__ import annotations

import threading
from _signal import getsignal
from _signal import signal as set_handler  # signal.signal takes ten times as long, to look for names of handlers
from collections.abc import Callable
from signal import SIGINT
from typing import Any, TypeVar

__all__ = ["Interrupts"]

T = TypeVar("T")


class Interrupts:
    """Holds SIGINT back while its ``with`` block runs, except inside :meth:`during`.

    Python runs a signal's handler between any two of its instructions, in the main thread. Between giving the workers a
    command and writing down that it was given, or between taking a reply out and keeping it, a KeyboardInterrupt
    would leave the two sides in disagreement for good. What is held back comes in the next ``during``, or at the end.
    In other threads, and where SIGINT has no handler in Python, there is nothing to hold back.
    """

    def __init__(self) -> None:
        self._handler: Any = None  # the user's, while it is replaced
        self._held: tuple[int, Any] | None = None
        self._may_come = False
        self._depth = 0  # the user's handler may make calls of its own

    # An interrupt may come before the handler is replaced and after it is put back: these two are the last and the
    # first thing that is done.
    def __enter__(self) -> None:
        if threading.get_ident() != threading.main_thread().ident:
            return
        handler = getsignal(SIGINT)
        if self._is_behind(handler):
            self._depth += 1
        elif callable(handler):
            self._handler, self._held, self._depth = handler, None, 0
            set_handler(SIGINT, self._handle)

    def __exit__(self, *error: object) -> None:
        if threading.get_ident() != threading.main_thread().ident or not self._is_behind(getsignal(SIGINT)):
            return
        if self._depth:
            self._depth -= 1
            return
        set_handler(SIGINT, self._handler)
        if self._held is not None:
            self._handler(*self._held)

    def _is_behind(self, handler: Any) -> bool:
        """Whether this object's handler is the current one, or one that others' hand their signals on to."""
        while (owner := getattr(handler, "__self__", None)) is not self:
            if not isinstance(owner, Interrupts):
                return False
            handler = owner._handler
        return True

    def during(self, wait: Callable[[], T]) -> T:
        """The result of ``wait``, which may be interrupted: it has to be something that can be done again."""
        if threading.get_ident() != threading.main_thread().ident:
            return wait()
        held, self._held = self._held, None
        if held is not None:
            self._handler(*held)
        self._may_come = True
        try:
            return wait()
        finally:
            self._may_come = False

    def _handle(self, number: int, frame: Any) -> None:
        if self._may_come:
            self._handler(number, frame)
        else:
            self._held = number, frame
