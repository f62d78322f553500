"""The worker processes of a vector, as the parent sees them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait as wait_for_any
from typing import Any

from gymnasium.vector.utils.misc import clear_mpi_env_vars

from fastvec import _core
from fastvec.errors import EnvError, WorkerError
from fastvec.process.channel import Channel, dumps
from fastvec.process.memory import SharedFile
from fastvec.process.protocol import (
    HAS_MAIL,
    HAS_PAYLOAD,
    MAIL_SHIFT,
    MAILBOX_SIZE,
    Attachment,
    Command,
    Failure,
    WorkerStart,
)
from fastvec.process.threads import environment_limited_to
from fastvec.process.worker import run

__all__ = ["WorkerPool", "chunks"]

_LOOK = 0.05  # seconds between two looks at whether the workers live, while waiting
_CLOSE_TIMEOUT = 5.0  # seconds that workers have to close their envs
_REPEATED = ("step", "step_one", "reset", "reset_one")  # messages that a worker's replacement is sent again
# Seconds that a worker spins for its next command before it parks, while commands come that fast. A worker that has
# finished waits for the slowest one and for the caller; if it parks meanwhile, it may wake up on the slowest one's
# core and stay there for milliseconds. 64 CartPoles on two cores, over SyncVectorEnv, as medians of 60 short rounds:
# 0.99 without spinning, 1.45 with 0.2 ms, 1.46 with 1 ms, 1.57 with 2 ms; 64 Pendulums: 1.33, 1.56, 1.59, 1.61. A
# caller that computes between its steps is not slowed by it: who spins gives the core away all the time.
_SPIN = 1e-3

Posted = tuple[int, int, int, bytes | None]  # kind, two numbers, message


def chunks(count: int, parts: int) -> list[range]:
    """``range(count)`` in contiguous parts of nearly the same length."""
    return [range(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


class WorkerPool:
    """Worker processes with an equal share of the envs each.

    Args:
        env_fns: one callable per env.
        num_workers: at most one per env.
        context: start method of ``multiprocessing``, or None for its default.
        threads: threads that libraries may use in each worker; None: as many as they like.
        restart: replace workers that are lost.
    """

    def __init__(
        self,
        env_fns: Sequence[Callable[[], Any]],
        num_workers: int,
        *,
        context: str | None,
        threads: int | None,
        restart: bool,
    ) -> None:
        self.shares = chunks(len(env_fns), num_workers)
        self._context: Any = multiprocessing.get_context(context)
        self._threads = threads
        self._restart = restart
        self._owner = os.getpid()
        self._capacity = 4 * max(len(share) for share in self.shares) + 16
        self._board_size = _core.Switchboard.size(num_workers, self._capacity)
        self._spin = _SPIN if (os.cpu_count() or 1) > 1 else 0.0
        self._attachment: Attachment | None = None
        self._broken: str | None = None
        self._env_fns = [self._travelling(env_fns, share) for share in self.shares]
        self._posted: list[list[Posted]] = [[] for _ in self.shares]  # without an answer yet
        self._losses = [0] * num_workers  # since the worker's last answer
        self._answers: list[tuple[int, int, Any]] = []  # worker, env, message
        self._announced: list[bytes] = []
        self.file = SharedFile()
        self._board: Any = None
        self._mailboxes: list[memoryview] = []
        self._processes: list[Any] = []
        self._channels: list[Channel] = []
        try:
            for worker in range(num_workers):
                self._start(worker, None)
        except BaseException:
            self.close(terminate=True)
            raise

    @property
    def board_size(self) -> int:
        """Bytes at the start of the file that the switchboard takes."""
        return self._board_size

    # -- starting -------------------------------------------------------------------------------------------

    def _travelling(self, env_fns: Sequence[Callable[[], Any]], share: range) -> Any:
        """The callables of a worker, as they reach it: as they are with fork, pickled otherwise."""
        if self._start_method == "fork":
            return [env_fns[i] for i in share]
        chosen = [env_fns[i] for i in share]
        try:
            return dumps(chosen)
        except Exception as error:
            culprit = next((i for i in share if not _can_travel(env_fns[i])), share.start)
            raise TypeError(
                f"the callable of env {culprit} ({env_fns[culprit]!r}) cannot be sent to a worker, because "
                f"something that it refers to cannot be pickled ({type(error).__name__}: {error}). Create such "
                f"things (locks, open files, sockets, GPU tensors) inside the callable, install cloudpickle if the "
                f"callable is a lambda or a local function, or use context='fork'."
            ) from error

    @property
    def _start_method(self) -> str:
        return self._context.get_start_method()

    def _start(self, worker: int, lost: str | None) -> None:
        share = self.shares[worker]
        ours, theirs = Channel.pair()
        start = WorkerStart(
            index=worker,
            first=share.start,
            env_fns=self._env_fns[worker],
            workers=len(self.shares),
            capacity=self._capacity,
            board_size=self._board_size,
            file=self.file,
            channel=theirs,
            parent=os.getpid(),
            threads=self._threads,
            spin=self._spin,
            lost=lost,
        )
        process = self._context.Process(target=run, args=(start,), name=f"fastvec-worker-{worker}", daemon=True)
        try:
            with clear_mpi_env_vars(), environment_limited_to(self._threads):
                process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        if worker < len(self._processes):
            self._processes[worker], self._channels[worker] = process, ours
        else:
            self._processes.append(process)
            self._channels.append(ours)

    def descriptions(self) -> list[dict[str, Any]]:
        """What each worker says of its envs, once all have made them.

        Raises:
            EnvError: an env could not be made. WorkerError: a worker died over it.
        """
        replies = self._handshake(range(len(self.shares)))
        failures = [failure for reply in replies if reply[0] == "failed" for failure in reply[1]]
        if failures:
            raise_failures(failures, None)
        return [reply[1] for reply in replies]

    def attach(self, attachment: Attachment, memory: _core.SharedMemory) -> None:
        """Give the workers the memory; they check their envs' spaces.

        Raises:
            RuntimeError: the spaces of the envs cannot be batched.
        """
        self._attachment = attachment
        self._board = _core.Switchboard(memory, 0, len(self.shares), self._capacity)
        offset = attachment.mail_offset
        self._mailboxes = [
            memoryview(memory.block(offset + worker * MAILBOX_SIZE, MAILBOX_SIZE)) for worker in range(len(self.shares))
        ]
        message = dumps(attachment)
        for channel in self._channels:
            with contextlib.suppress(OSError):  # the worker's end is noticed below
                channel.send(message)
        for _, problem in self._handshake(range(len(self.shares))):
            if problem:
                raise RuntimeError(problem)

    def _handshake(self, workers: Sequence[int]) -> list[Any]:
        """The next message of each of these workers, in whatever order they come."""
        replies: dict[int, Any] = {}
        while len(replies) < len(workers):
            waiting = [worker for worker in workers if worker not in replies]
            sources = [self._channels[w] for w in waiting] + [self._processes[w].sentinel for w in waiting]
            ready = wait_for_any(sources)
            for worker in waiting:
                if self._channels[worker] in ready or self._processes[worker].sentinel in ready:
                    try:
                        replies[worker] = pickle.loads(self._channels[worker].receive())
                    except EOFError:
                        raise self._worker_error(worker, "while it made its envs") from None
                    if replies[worker][0] == "failed":  # no need to wait for the others' envs
                        return [replies[worker]]
        return [replies[worker] for worker in workers]

    # -- commands -------------------------------------------------------------------------------------------

    def post_all(self, kind: int, first: int, second: int) -> None:
        """Give every worker a command that each answers once."""
        command = (kind, first, second, None)
        for posted in self._posted:
            posted.append(command)
        self._board.post_all(kind, first, second)

    def post(self, worker: int, kind: int, first: int, second: int) -> None:
        """Give a worker a command that it answers once."""
        self._posted[worker].append((kind, first, second, None))
        self._board.post(worker, kind, first, second)

    def message(self, worker: int, name: str, *arguments: Any, row: int = -1) -> None:
        """Send a message to a worker, which it answers once.

        Args:
            row: of the env that the answer is about; -1: about all.
        """
        message = dumps((name, arguments))
        self._posted[worker].append((Command.MESSAGE, row, 0, message))
        self._send(worker, message)

    def announce(self, name: str, *arguments: Any) -> None:
        """Send a message to all workers that holds for good: to those that replace them, too."""
        message = dumps((name, arguments))
        self._announced.append(message)
        for worker in range(len(self.shares)):
            self._send(worker, message)

    def _send(self, worker: int, message: bytes) -> None:
        self._board.post(worker, Command.MESSAGE)
        channel = self._channels[worker]
        try:
            rest = channel.begin_send(message)
            while rest:
                # The worker may be waiting for us to take out a message of its own.
                self._take_answers()
                channel.wait_until_writable(_LOOK)
                rest = channel.continue_send(rest)
        except OSError:
            pass  # the worker is gone: whoever waits for its answer notices

    # -- answers --------------------------------------------------------------------------------------------

    def wait(self, count: int, timeout: float | None, spin: float = 0.0) -> bool:
        """Wait until ``count`` answers are there; False if they are not after ``timeout`` seconds.

        Raises:
            WorkerError: a worker is lost (and not replaced).
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            missing = count - len(self._answers)
            if missing <= 0:
                return True
            if self._broken is not None:
                raise WorkerError(self._broken)
            look = _LOOK if end is None else min(_LOOK, max(0.0, end - time.monotonic()))
            if self._board.wait(missing, look, spin):
                self._take_answers()
            elif not self._notice_the_lost() and end is not None and time.monotonic() >= end:
                self._take_answers()
                return len(self._answers) >= count

    def take(self, count: int) -> list[tuple[int, int, Any]]:
        """``(worker, env, message or None)`` of the first ``count`` answers, in the order in which they came."""
        taken, self._answers = self._answers[:count], self._answers[count:]
        return taken

    def _take_answers(self) -> None:
        for worker, env, flags in self._board.collect():
            message = None
            if flags & HAS_MAIL:
                message = pickle.loads(self._mailboxes[worker][: flags >> MAIL_SHIFT])
            elif flags & HAS_PAYLOAD:
                try:
                    message = pickle.loads(self._channels[worker].receive())
                except EOFError:
                    continue  # it died over its message; its command stays posted
            self._losses[worker] = 0
            self._forget_posted(worker, env)
            self._answers.append((worker, env, message))

    def _forget_posted(self, worker: int, env: int) -> None:
        posted = self._posted[worker]
        if env < 0:
            del posted[0]
            return
        row = env - self.shares[worker].start
        for i, (_, first, _, _) in enumerate(posted):
            if first == row:
                del posted[i]
                return

    # -- lost workers ---------------------------------------------------------------------------------------

    def _notice_the_lost(self) -> bool:
        """Replace workers that have ended, or raise; whether there were any."""
        lost = [worker for worker, process in enumerate(self._processes) if process.exitcode is not None]
        if not lost:
            return False
        self._take_answers()  # what they did before
        for worker in lost:
            error = self._worker_error(worker, "")
            if not self._restart:
                self._broken = str(error)
                raise error
            self._replace(worker, str(error))
        return True

    def _replace(self, worker: int, reason: str) -> None:
        """Start another worker with the same envs, and have it do what the lost one was asked."""
        assert self._attachment is not None
        self._losses[worker] += 1
        if self._losses[worker] > 1:
            self._broken = f"{reason}; so did the worker that replaced it"
            raise WorkerError(self._broken)
        self._processes[worker].close()
        self._channels[worker].close()
        self._board.clear(worker)
        self._start(worker, reason)
        (reply,) = self._handshake([worker])
        if reply[0] == "failed":
            self._broken = f"{reason}; it cannot be replaced: {reply[1][0].summary}"
            raise WorkerError(self._broken)
        self._channels[worker].send(dumps(self._attachment))
        self._handshake([worker])
        for message in self._announced:
            self._send(worker, message)
        posted, self._posted[worker] = self._posted[worker], []
        refused = False
        for command in posted:
            kind, first, second, content = command
            if content is None:
                self._posted[worker].append(command)
                self._board.post(worker, kind, first, second)
            elif pickle.loads(content)[0] in _REPEATED:
                self._posted[worker].append(command)
                self._send(worker, content)
            else:
                refused = True
        if refused:
            raise WorkerError(f"{reason}; it was replaced, and its envs need a reset")

    def _worker_error(self, worker: int, when: str) -> WorkerError:
        process = self._processes[worker]
        process.join(1.0)
        return WorkerError(f"{self._describe(worker)} {_how_it_ended(process.exitcode)} {when}".rstrip())

    @property
    def unanswered(self) -> int:
        """Commands without an answer."""
        return sum(map(len, self._posted))

    @property
    def answered(self) -> int:
        """Answers that nobody has taken."""
        return len(self._answers)

    def describe_unanswered(self) -> str:
        """The workers that owe an answer, with their envs."""
        return ", ".join(self._describe(worker) for worker, posted in enumerate(self._posted) if posted)

    def _describe(self, worker: int) -> str:
        share = self.shares[worker]
        envs = f"env {share.start}" if len(share) == 1 else f"envs {share.start} to {share.stop - 1}"
        return f"worker {worker} ({envs})"

    def require_alive(self) -> None:
        """Raise WorkerError if a worker is known to be lost for good."""
        if self._broken is not None:
            raise WorkerError(self._broken)

    # -- the end --------------------------------------------------------------------------------------------

    def close(self, *, timeout: float | None = None, terminate: bool = False) -> None:
        """Close the envs and end the workers; those that do not within ``timeout`` seconds are killed."""
        if os.getpid() != self._owner:  # a forked copy: the workers are not ours
            return
        end = time.monotonic() + (0.0 if terminate else _CLOSE_TIMEOUT if timeout is None else timeout)
        for worker, process in enumerate(self._processes):
            if self._board is not None and process.exitcode is None and not terminate:
                self._board.post(worker, Command.CLOSE)
            if self._board is None or terminate:
                process.kill()
        for process, channel in zip(self._processes, self._channels, strict=True):
            while process.exitcode is None and time.monotonic() < end:
                with contextlib.suppress(Exception):
                    self._take_answers()  # one that waits for us to take out its message cannot end
                process.join(min(_LOOK, max(0.0, end - time.monotonic())))
            if process.exitcode is None:
                process.kill()
            process.join()
            process.close()
            channel.close()
        self._processes.clear()
        self._channels.clear()
        self._board = None
        self._mailboxes.clear()
        self.file.close()

    def __del__(self) -> None:
        if getattr(self, "_processes", None):  # never closed
            with contextlib.suppress(Exception):  # the interpreter may be ending
                self.close(terminate=True)


def raise_failures(failures: list[Failure], batch: Any) -> None:
    """Raise EnvError for the failures of envs, from the first one's own exception."""
    ordered = sorted(failures, key=lambda failure: failure.env)
    raise EnvError([(one.env, one.message) for one in ordered], batch) from ordered[0].error


def _can_travel(env_fn: Callable[[], Any]) -> bool:
    try:
        dumps(env_fn)
    except Exception:
        return False
    return True


def _how_it_ended(exitcode: int | None) -> str:
    if exitcode is None:
        return "closed its channel"
    if exitcode >= 0:
        return f"exited with status {exitcode}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-exitcode).name}"
    return f"was killed by signal {-exitcode}"
