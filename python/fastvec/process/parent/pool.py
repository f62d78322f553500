"""The worker processes of a vector: commands to them, their answers, and what to do when one is lost."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import select
import time
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.util import Finalize
from typing import Any

from fastvec import _core
from fastvec.env_error import env_error
from fastvec.errors import WorkerError
from fastvec.process.parent.closing import Patience, end_workers, warn_of
from fastvec.process.parent.guard import refuse_in_an_import_of_main
from fastvec.process.parent.interrupts import Interrupts
from fastvec.process.parent.worker_handle import WorkerProcess, handshake, travelling
from fastvec.process.wire.channel import Channel
from fastvec.process.wire.pickling import dumps_for
from fastvec.process.wire.protocol import (
    HAS_MAIL,
    HAS_PAYLOAD,
    MAIL_SHIFT,
    MAILBOX_SIZE,
    Attachment,
    Command,
    Failure,
    Trial,
    WorkerStart,
)
from fastvec.process.wire.registrations import Registrations
from fastvec.process.wire.shared_memory import SharedFile
from fastvec.vector.cores import usable_cores

__all__ = ["FORGOTTEN", "WorkerPool", "chunks", "close_at_exit", "raise_failures"]

_LOOK = 0.05  # seconds between two looks at whether the workers live, while waiting
_SECOND_CHANCE = 2.0  # seconds at least that a call which timed out has to end when the vector is closed
FORGOTTEN = Patience(to_close=30.0, to_answer=5.0)  # with a vector that is dropped, or open when the program ends
_REPEATED = ("step", "step_one", "reset", "reset_one")  # messages that a worker's replacement is sent again
# Seconds that a worker spins for its next command before it parks, while commands come that fast. A worker that has
# finished waits for the slowest one and for the caller; if it parks meanwhile, it may wake up on the slowest one's
# core and stay there for milliseconds. 64 CartPoles on two cores, over SyncVectorEnv, as medians of 60 short rounds:
# 0.99 without spinning, 1.45 with 0.2 ms, 1.46 with 1 ms, 1.57 with 2 ms; 64 Pendulums: 1.33, 1.56, 1.59, 1.61. A
# caller that computes between its steps is not slowed by it: who spins gives the core away all the time. The least of
# them that gains most: where a caller computes for longer, and wants all cores for it, the workers do not spin at all.
_SPIN = 2e-4

Posted = tuple[int, int, int, bytes | None]  # kind, two numbers, message


def chunks(count: int, parts: int) -> list[range]:
    """``range(count)`` in contiguous parts of nearly the same length."""
    return [range(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


class WorkerPool:
    """Worker processes with an equal share of the envs each.

    Once they are attached, its methods are called inside ``interrupts``: an exception that came between two of their
    lines would leave the pool and its workers in disagreement.

    Args:
        env_fns: one callable per env.
        num_workers: at most one per env.
        context: start method of ``multiprocessing``, or None for its default.
        threads: threads that libraries may use in each worker; None: as many as they like.
        restart: replace workers that are lost.

    Attributes:
        interrupts: holds Ctrl-C back.
        shares: the envs of each worker.
        is_spoiled: False: workers complete what they were told, whatever becomes of the call.
    """

    is_spoiled = False

    def __init__(
        self,
        env_fns: Sequence[Callable[[], Any]],
        num_workers: int,
        *,
        context: str | None,
        threads: int | None,
        restart: bool,
    ) -> None:
        refuse_in_an_import_of_main()
        self.interrupts = Interrupts()
        self.shares = chunks(len(env_fns), num_workers)
        start_context: Any = multiprocessing.get_context(context)
        self._threads = threads
        self._restart = restart
        self._home = _core.Home()
        self._capacity = 4 * max(len(share) for share in self.shares) + 16
        self._board_size = _core.CommandQueues.size(num_workers, self._capacity)
        self._spin = _SPIN if usable_cores() > 1 else 0.0
        self._attachment: Attachment | None = None
        self._broken: str | None = None
        method = start_context.get_start_method()
        self._dumps = dumps_for(method)
        self._env_fns = [travelling(env_fns, share, method) for share in self.shares]
        self._registrations = None if method == "fork" else Registrations.of_this_process(env_fns)
        self._posted: list[list[Posted]] = [[] for _ in self.shares]  # without an answer yet
        self._unsent: set[int] = set()  # workers whose channels hold what did not go without waiting
        self._losses = [0] * num_workers  # since the worker's last answer
        self._answers: list[tuple[int, int, Any]] = []  # worker, env, message
        self._announced: list[bytes] = []
        self.file = SharedFile()
        self._board: Any = None
        self._mailboxes: list[memoryview] = []
        self._timed_out: float | None = None  # of the last wait, if that was in vain
        self._workers: list[WorkerProcess] = []
        self._at_exit = Finalize(None, close_at_exit, args=(weakref.ref(self),), exitpriority=1)
        try:
            for worker, share in enumerate(self.shares):
                self._workers.append(WorkerProcess(worker, share, start_context))
                self._start(worker, self._workers[-1], None)
        except BaseException:
            self.close(terminate=True)
            raise

    @property
    def board_size(self) -> int:
        """Bytes at the start of the file that the command queues take."""
        return self._board_size

    # -- starting -------------------------------------------------------------------------------------------

    def _start(self, worker: int, process: WorkerProcess, lost: str | None) -> None:
        def start(channel: Channel) -> WorkerStart:
            return WorkerStart(
                index=worker,
                first=process.share.start,
                env_fns=self._env_fns[worker],
                registrations=self._registrations,
                workers=len(self.shares),
                capacity=self._capacity,
                board_size=self._board_size,
                file=self.file,
                channel=channel,
                parent=os.getpid(),
                threads=self._threads,
                spin=self._spin,
                lost=lost,
            )

        process.start(start)

    def descriptions(self) -> list[dict[str, Any]]:
        """What each worker says of its envs, once all have made them.

        Raises:
            EnvError: an env could not be made. WorkerError: a worker died over it.
        """
        replies = handshake(self._workers)
        failures = [failure for reply in replies if reply[0] == "failed" for failure in reply[1]]
        if failures:
            raise_failures(failures, None)
        return [reply[1] for reply in replies]

    def try_env(self, timeout: float, round_trips: int) -> tuple[Any, list[float]]:
        """In place of :meth:`attach`: have the first worker step its env for a moment, and end.

        Returns:
            what :func:`fastvec.process.worker.trial.try_env` tells, and the seconds of some messages there and back.

        Raises:
            TimeoutError, EOFError: the env hangs, or the worker died over it.
        """
        worker = self._workers[0]
        worker.channel.send(pickle.dumps(Trial(round_trips)))
        sources: list[Any] = [worker.channel, worker.sentinel]
        if not wait_for_any(sources, timeout):
            raise TimeoutError
        times = pickle.loads(worker.channel.receive())
        seconds = []
        for _ in range(round_trips):
            begin = time.perf_counter()
            worker.channel.send(b"")
            worker.channel.receive()
            seconds.append(time.perf_counter() - begin)
        return times, seconds

    def attach(self, attachment: Attachment, memory: _core.SharedMemory) -> None:
        """Give the workers the memory; they check their envs' spaces.

        Raises:
            RuntimeError: the spaces of the envs cannot be batched.
        """
        self._attachment = attachment
        self._board = _core.CommandQueues(memory, 0, len(self.shares), self._capacity)
        offset = attachment.mail_offset
        self._mailboxes = [
            memoryview(memory.block(offset + worker * MAILBOX_SIZE, MAILBOX_SIZE)) for worker in range(len(self.shares))
        ]
        message = self._dumps(attachment)
        for worker in self._workers:
            with contextlib.suppress(OSError):  # the worker's end is noticed below
                worker.channel.send(message)
        for _, problem in handshake(self._workers):
            if problem:
                raise RuntimeError(problem)

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
        """Post a message to a worker, which it answers once. What does not go at once goes in :meth:`wait`.

        Args:
            row: of the env that the answer is about; -1: about all.
        """
        message = self._dumps((name, arguments))
        self._posted[worker].append((Command.MESSAGE, row, 0, message))
        self._post_message(worker, message)

    def announce(self, name: str, *arguments: Any) -> None:
        """Post a message to all workers that holds for good: to those that replace them, too."""
        message = self._dumps((name, arguments))
        self._announced.append(message)
        for worker in range(len(self.shares)):
            self._post_message(worker, message)

    def _post_message(self, worker: int, message: bytes) -> None:
        self._board.post(worker, Command.MESSAGE)
        self._unsent.add(worker)
        with contextlib.suppress(OSError):  # the worker is gone: whoever waits for its answer notices
            if not self._workers[worker].channel.post(message):
                return
        self._unsent.discard(worker)

    def flush(self) -> None:
        """Wait until all that was posted has gone."""
        while self._unsent:
            self._send_more(_LOOK)
            self._notice_the_lost()

    def _send_more(self, timeout: float) -> None:
        # A worker may be waiting for us to take out a message of its own.
        self._take_answers()
        channels = [self._workers[worker].channel for worker in self._unsent]
        self.interrupts.during(lambda: select.select([], channels, [], timeout))
        for worker in list(self._unsent):
            with contextlib.suppress(OSError):
                if not self._workers[worker].channel.flush():
                    continue
            self._unsent.discard(worker)

    # -- answers --------------------------------------------------------------------------------------------

    def wait(self, count: int, timeout: float | None, spin: float = 0.0) -> bool:
        """Wait until ``count`` answers are there; False if they are not after ``timeout`` seconds.

        Raises:
            WorkerError: a worker is lost (and not replaced).
        """
        self._timed_out = None
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            missing = count - len(self._answers)
            if missing <= 0:
                return True
            self.require_alive()
            look = _LOOK if end is None else min(_LOOK, max(0.0, end - time.monotonic()))
            if self._unsent:
                self._send_more(look)
            elif self._await_answers(missing, look, spin):
                self._take_answers()
                continue
            if not self._notice_the_lost() and end is not None and time.monotonic() >= end:
                self._take_answers()
                if len(self._answers) >= count:
                    return True
                self._timed_out = timeout
                return False

    def _await_answers(self, count: int, timeout: float, spin: float) -> bool:
        return self.interrupts.during(lambda: self._board.wait(count, timeout, spin))

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
                    message = pickle.loads(self._workers[worker].channel.receive())
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
        return ", ".join(
            worker.describe() for worker, posted in zip(self._workers, self._posted, strict=True) if posted
        )

    # -- lost workers ---------------------------------------------------------------------------------------

    def require_alive(self) -> None:
        """Raise WorkerError if a worker is known to be lost for good."""
        if self._broken is not None:
            raise WorkerError(self._broken)

    def _notice_the_lost(self) -> bool:
        """Replace workers that have ended, or raise; whether there were any."""
        lost = [index for index, worker in enumerate(self._workers) if worker.is_lost]
        if not lost:
            return False
        self._take_answers()  # what they did before
        for index in lost:
            error = self._workers[index].error()
            if not self._restart:
                self._broken = str(error)
                raise error
            try:
                self._replace(index, str(error))
            except WorkerError:
                raise
            except BaseException:  # Ctrl-C, or the system gives no more processes
                self._broken = f"{error}; replacing it was interrupted"
                raise
        return True

    def _replace(self, index: int, reason: str) -> None:
        """Start another worker with the same envs, and have it do what the lost one was asked."""
        assert self._attachment is not None
        self._losses[index] += 1
        if self._losses[index] > 1:
            self._broken = f"{reason}; so did the worker that replaced it"
            raise WorkerError(self._broken)
        worker = self._workers[index]
        self._board.clear(index)
        self._unsent.discard(index)
        self._start(index, worker, reason)
        (reply,) = self.interrupts.during(lambda: handshake([worker]))
        if reply[0] == "failed":
            self._broken = f"{reason}; it cannot be replaced: {reply[1][0].summary}"
            raise WorkerError(self._broken)
        worker.channel.send(self._dumps(self._attachment))
        self.interrupts.during(lambda: handshake([worker]))
        for message in self._announced:
            self._post_message(index, message)
        posted, self._posted[index] = self._posted[index], []
        refused = False
        for command in posted:
            kind, first, second, content = command
            if content is None:
                self._posted[index].append(command)
                self._board.post(index, kind, first, second)
            elif pickle.loads(content)[0] in _REPEATED:
                self._posted[index].append(command)
                self._post_message(index, content)
            else:
                refused = True
        if refused:
            raise WorkerError(f"{reason}; it was replaced, and its envs need a reset")

    # -- the end --------------------------------------------------------------------------------------------

    def close(self, patience: Patience | None = None, *, terminate: bool = False, quietly: bool = False) -> None:
        """Close the envs and end the workers.

        Args:
            patience: None: as long as the envs need to close; but one that is in a call which timed out before has
                that long again, or a little longer.
            terminate: kill the workers at once.
            quietly: say nothing of what goes wrong.

        Raises:
            EnvError: an env raised an error when it was closed; all others were closed nevertheless.
        """
        if not self._home.is_here():  # the workers are the parent's
            return
        patience = patience or Patience()
        if self._timed_out is not None:
            patience = patience.with_an_answer_in(max(_SECOND_CHANCE, self._timed_out))
        problems: list[str] = []
        try:
            if not terminate:
                self._ask_to_close()
                problems = end_workers(
                    self._workers,
                    patience,
                    owes_an_answer=lambda worker: bool(self._posted[worker]),
                    attend=self._attend,
                )
        finally:
            failures = self._end()
        if not quietly:
            warn_of(problems)
            if failures:
                raise_failures(failures, None)

    def _ask_to_close(self) -> None:
        for index, worker in enumerate(self._workers):
            if self._board is None:
                worker.dismiss()
            elif not worker.is_lost:
                self._board.post(index, Command.CLOSE)

    def _attend(self) -> None:
        """Send workers the rest of what they wait for, and take in what they wait to be rid of."""
        if self._board is not None:
            self._send_more(0.0)
        for worker in self._workers:
            worker.channel.fetch()

    def _end(self) -> list[Failure]:
        """Kill what is left and free everything; the failures of envs that were closed."""
        failures: list[Failure] = []
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.join()
            failures += worker.last_words()
            worker.forget()
        self._workers.clear()
        self._board = None
        self._mailboxes.clear()
        self.file.close()
        self._at_exit.cancel()
        return failures

    def __del__(self) -> None:
        if getattr(self, "_workers", None):  # never closed
            with contextlib.suppress(Exception):  # the interpreter may be ending
                self.close(terminate=True)


def close_at_exit(reference: weakref.ref[Any]) -> None:
    """Close the envs of a vector that nobody closed, before ``multiprocessing`` ends the workers as daemons."""
    pool = reference()
    if pool is not None:
        pool.close(FORGOTTEN)


def raise_failures(failures: list[Failure], batch: Any) -> None:
    """Raise EnvError for the failures of envs, from the first one's own exception."""
    ordered = sorted(failures, key=lambda failure: failure.env)
    kinds = [None if one.error is None else type(one.error) for one in ordered]
    raise env_error([(one.env, one.message) for one in ordered], batch, ordered[0].error, kinds)
