"""One worker process as the parent sees it: how it starts, what it is told first, and how it ended."""

from __future__ import annotations

import contextlib
import multiprocessing.process
import os
import pickle
import signal
import time
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait as wait_for_any
from typing import Any

from gymnasium.vector.utils.misc import clear_mpi_env_vars

from fastvec.errors import WorkerError
from fastvec.process.parent.guard import GUARD, NO_GUARD_STATUS, WORKER_NAME
from fastvec.process.wire.channel import Channel
from fastvec.process.wire.pickling import unimportable_main_hidden
from fastvec.process.wire.protocol import BEGUN, CLOSED, Failure, Trial, WorkerStart
from fastvec.process.wire.threads import environment_limited_to
from fastvec.process.worker.main import run

__all__ = ["WorkerHandle", "handshake"]


class WorkerHandle:
    """A worker with its process and the channel to it; another process may take its place.

    Attributes:
        share: its envs.
        channel: to the process; None before :meth:`start`.
        has_begun: the process has said that it runs.
    """

    def __init__(self, index: int, share: range, context: Any) -> None:
        self.share = share
        self.channel: Channel = None  # type: ignore[assignment]
        self.has_begun = False
        self._index = index
        self._context = context
        self._process: Any = None

    def start(self, make_start: Callable[[Channel], WorkerStart]) -> None:
        """Start a process, in place of one that has ended if there was one."""
        self.forget()
        ours, theirs = Channel.pair()
        start = make_start(theirs)
        name = f"{WORKER_NAME}{self._index}"
        process = self._context.Process(target=run, args=(start,), name=name, daemon=True)
        try:
            with clear_mpi_env_vars(), environment_limited_to(start.threads), unimportable_main_hidden():
                process.start()
        except (EOFError, ConnectionError) as error:  # the server of "forkserver" ended
            ours.close()
            raise WorkerError(f"{self.describe()} could not be started: {error!r}. {GUARD}") from None
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._process, self.channel, self.has_begun = process, ours, False
        _started.add(process)

    @property
    def is_lost(self) -> bool:
        """Whether there is no process, or it has ended."""
        return self._process is None or self._process.exitcode is not None

    @property
    def sentinel(self) -> int:
        """What ``multiprocessing.connection.wait`` takes to wait for the end of the process."""
        return self._process.sentinel

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    def reply(self) -> Any:
        """The next message, before the worker is attached; None if that was only that the process has begun.

        Raises:
            WorkerError: it has ended.
        """
        try:
            message = pickle.loads(self.channel.receive())
            if message == BEGUN:
                self.has_begun = True
                message = pickle.loads(self.channel.receive()) if self.channel.has_received_more else None
        except EOFError:
            raise self.error("while it made its envs") from None
        return message

    def try_env(self, timeout: float, round_trips: int) -> tuple[Any, list[float]]:
        """In place of an attachment: have the worker step its first env for a moment, and end.

        Args:
            timeout: seconds to wait at most for the env.
            round_trips: messages that are sent there and back after that.

        Returns:
            what :func:`fastvec.process.worker.trial.try_env` tells, and the seconds of each round trip.

        Raises:
            TimeoutError: the env takes longer. EOFError: the worker died over it.
        """
        self.channel.send(pickle.dumps(Trial(round_trips)))
        sources: list[Any] = [self.channel, self.sentinel]
        if not wait_for_any(sources, timeout):
            raise TimeoutError
        times = pickle.loads(self.channel.receive())
        seconds = []
        for _ in range(round_trips):
            begin = time.perf_counter()
            self.channel.send(b"")
            self.channel.receive()
            seconds.append(time.perf_counter() - begin)
        return times, seconds

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end of the process."""
        if self._process is not None:
            self._process.join(timeout)

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()

    @property
    def has_ended_well(self) -> bool:
        """Whether the process ended by itself, with status 0."""
        return self._process.exitcode == 0

    def how_it_ended(self) -> str:
        """The end of the process, in words."""
        return _how_it_ended(self._process.exitcode)

    def dismiss(self) -> None:
        """Tell a process that waits for the attachment, or will, that there is none: it closes its envs and ends."""
        if self._process is not None:
            with contextlib.suppress(OSError):  # it has ended
                self.channel.post(pickle.dumps(None))

    def closing_failures(self) -> list[Failure]:
        """Failures of envs that were closed, of a process that has ended."""
        failures: list[Failure] = []
        if self._process is not None:
            with contextlib.suppress(Exception):  # cut off, or of a class that cannot be loaded here
                for message in self.channel.rest():
                    content = pickle.loads(message)
                    if content[0] == CLOSED:
                        failures += content[1]
        return failures

    def forget(self) -> None:
        """Free what belongs to a process that has ended."""
        if self._process is not None:
            self._process.close()
            self.channel.close()
            self._process = None

    def describe(self) -> str:
        """Which worker it is, with its envs."""
        share = self.share
        envs = f"env {share.start}" if len(share) == 1 else f"envs {share.start} to {share.stop - 1}"
        return f"worker {self._index} ({envs})"

    def error(self, when: str = "") -> WorkerError:
        """What to raise for a process that has ended, or is about to."""
        self._process.join(1.0)
        exitcode = self._process.exitcode
        if self.has_begun:
            return WorkerError(f"{self.describe()} {_how_it_ended(exitcode)} {when}".rstrip())
        if exitcode == NO_GUARD_STATUS:
            return WorkerError(f"{self.describe()} could not be started: the script has no guard. {GUARD}")
        return WorkerError(f"{self.describe()} {_how_it_ended(exitcode)} before it could make its envs. {GUARD}")


def handshake(workers: Sequence[WorkerHandle]) -> list[Any]:
    """The next message of each worker, in whatever order they come; that of the first that failed, alone."""
    replies: dict[int, Any] = {}
    while len(replies) < len(workers):
        waiting = [i for i in range(len(workers)) if i not in replies]
        sources: list[Any] = [source for i in waiting for source in (workers[i].channel, workers[i].sentinel)]
        ready: list[Any] = wait_for_any(sources)
        for i in waiting:
            if workers[i].channel in ready or workers[i].sentinel in ready:
                reply = workers[i].reply()
                if reply is not None:
                    replies[i] = reply
                    if reply[0] == "failed":  # no need to wait for the others' envs
                        return [reply]
    return [replies[i] for i in range(len(workers))]


_started: weakref.WeakSet[Any] = weakref.WeakSet()  # processes of all workers


def _leave_them_to_the_parent() -> None:
    """In a forked child: multiprocessing would end the parent's workers, as daemons of its own, when it exits."""
    children: set[Any] = getattr(multiprocessing.process, "_children", set())
    for process in _started:
        children.discard(process)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_them_to_the_parent)


def _how_it_ended(exitcode: int | None) -> str:
    if exitcode is None:
        return "closed its channel"
    if exitcode >= 0:
        return f"exited with status {exitcode}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-exitcode).name}"
    return f"was killed by signal {-exitcode}"
