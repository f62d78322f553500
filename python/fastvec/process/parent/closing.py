"""The end of workers: their envs are closed, however long that takes, and who has to be killed is named."""

from __future__ import annotations

import contextlib
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import wait as wait_for_any
from typing import Any

from fastvec.process.parent.worker_handle import WorkerHandle

__all__ = ["PATIENCE_IF_NOT_CLOSED", "Patience", "close_at_exit", "end_workers", "warn_of"]

_LOOK = 0.05  # seconds between two looks at the workers


@dataclass(frozen=True)
class Patience:
    """Seconds that workers have before they are killed; None: as many as they need.

    Attributes:
        to_close: until all is over.
        to_reply: until calls have ended that are under way: a worker that hangs in one cannot close its envs.
    """

    to_close: float | None = None
    to_reply: float | None = None

    def with_a_reply_in(self, seconds: float) -> Patience:
        """The same, with no more than ``seconds`` for calls that are under way."""
        to_reply = seconds if self.to_reply is None else min(seconds, self.to_reply)
        return replace(self, to_reply=to_reply)

    def complaint(self, seconds: float, owes_a_reply: bool) -> str | None:
        """What a worker has failed to do that has not ended after so many seconds; None if it may go on."""
        if owes_a_reply and self.to_reply is not None and seconds >= self.to_reply:
            return f"it did not finish a call within {self.to_reply:g} seconds"
        if self.to_close is not None and seconds >= self.to_close:
            return f"it did not close its envs within {self.to_close:g} seconds"
        return None


PATIENCE_IF_NOT_CLOSED = Patience(to_close=30.0, to_reply=5.0)
"""With a vector that is dropped without ``close``, or still open when the program ends."""


def close_at_exit(reference: weakref.ref[Any]) -> None:
    """Close the pool of a vector that nobody closed, before ``multiprocessing`` ends the workers as daemons."""
    pool = reference()
    if pool is not None:
        pool.close(PATIENCE_IF_NOT_CLOSED)


def end_workers(
    workers: Sequence[WorkerHandle],
    patience: Patience,
    *,
    owes_a_reply: Callable[[int], bool],
    attend: Callable[[], None],
) -> list[str]:
    """Wait until the workers, which were told to close their envs, have ended; kill those that take too long.

    Args:
        owes_a_reply: whether a worker is still in a call.
        attend: takes from the workers what they wait to be rid of.

    Returns:
        what went wrong, a sentence for each worker that was killed or ended otherwise than it should.

    Raises:
        KeyboardInterrupt: the workers that were left have been killed.
    """
    begin = time.monotonic()
    living = {index: worker for index, worker in enumerate(workers) if not worker.is_lost}
    problems: list[str] = []
    try:
        while living:
            with contextlib.suppress(Exception):
                attend()
            for index, worker in list(living.items()):
                if worker.is_lost:
                    if not worker.has_ended_well:
                        problems.append(f"{worker.describe()} {worker.how_it_ended()} while it closed its envs")
                    del living[index]
                elif complaint := patience.complaint(time.monotonic() - begin, owes_a_reply(index)):
                    worker.kill()
                    worker.join()
                    problems.append(f"{worker.describe()} was killed: {complaint}")
                    del living[index]
            wait_for_any([worker.sentinel for worker in living.values()], _LOOK if living else 0.0)
    except BaseException:
        for worker in living.values():
            worker.kill()
            worker.join()
            problems.append(f"{worker.describe()} was killed: close was interrupted")
        with contextlib.suppress(Warning):  # the interruption matters more
            warn_of(problems)
        raise
    return problems


def warn_of(problems: Sequence[str]) -> None:
    """Warn of workers that did not end as they should."""
    if problems:
        what = "\n".join(problems)
        warnings.warn(f"{what}\nWhat their envs do when they are closed may not be done.", RuntimeWarning, stacklevel=6)
