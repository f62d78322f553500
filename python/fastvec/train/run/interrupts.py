"""Ctrl-C and SIGTERM as a wish that a run answers when it can."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Signals(list[int]):
    """The numbers of the signals that came.

    Attributes:
        at_once: whether the next one raises KeyboardInterrupt where the program is, unless all are to be waited for:
            while something long is done that leaves nothing behind, such as compiling.
    """

    at_once = False


@contextmanager
def interruptible(*, patient: bool = False) -> Iterator[Signals]:
    """Note SIGINT and SIGTERM instead of ending the process; the handlers from before come back at the end.

    Outside the main thread signals go elsewhere, and nothing is noted.

    Args:
        patient: take any number of signals. Under torchrun, Ctrl-C reaches each process once from the terminal and once
            more from torchrun, which kills by force those that do not leave within half a minute. Otherwise a second
            signal has the effect that it had before.

    Yields:
        The signals that came; empty until the first.
    """
    received = Signals()
    previous: dict[int, Any] = {}

    def note(number: int, _frame: Any) -> None:
        received.append(number)
        if not patient:
            for name, handler in previous.items():
                signal.signal(name, handler)
            if received.at_once:
                raise KeyboardInterrupt

    try:
        for name in (int(signal.SIGINT), int(signal.SIGTERM)):
            previous[name] = signal.signal(name, note)
    except ValueError:  # not the main thread
        previous.clear()
    try:
        yield received
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)
