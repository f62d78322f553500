"""The worker processes of a vector: commands to them, their replies, and what to do when one is lost."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import select
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from multiprocessing.util import Finalize
from typing import Any

from fastvec import _core
from fastvec.errors import WorkerError
from fastvec.process.parent.closing import PATIENCE_IF_NOT_CLOSED, Patience, close_at_exit, end_workers, warn_of
from fastvec.process.parent.failures import raise_failures
from fastvec.process.parent.guard import refuse_in_an_import_of_main
from fastvec.process.parent.interrupts import Interrupts
from fastvec.process.parent.outstanding import Outstanding
from fastvec.process.parent.starting import WorkerStarter
from fastvec.process.parent.worker_handle import WorkerHandle, handshake
from fastvec.process.wire.pickling import dumps_for
from fastvec.process.wire.protocol import Attachment, Command, Failure
from fastvec.process.wire.reply_transport import MAILBOX_SIZE, ReplyReceiver
from fastvec.process.wire.shared_memory import SharedFile

__all__ = ["WorkerPool"]

_LOOK = 0.05  # seconds between two looks at whether the workers live, while waiting
_SECOND_CHANCE = 2.0  # seconds at least that a call which timed out has to end when the vector is closed
_REPEATED = ("step", "step_one", "reset", "reset_one")  # messages that a worker's replacement is sent again


def _equal_shares(count: int, parts: int) -> list[range]:
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
        outstanding: what the workers were told and the caller has not taken. Calls are never broken off: workers
            complete what they were told, whatever becomes of the call.
        workers: the workers; none once the pool is closed.
        file: what all processes map: the command queues, then whatever the vector puts behind them.
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
        refuse_in_an_import_of_main()
        self.interrupts = Interrupts()
        self.shares = _equal_shares(len(env_fns), num_workers)
        start_context: Any = multiprocessing.get_context(context)
        self._restart = restart
        self._home = _core.Home()
        self._attachment: Attachment | None = None
        self._broken: str | None = None
        method = start_context.get_start_method()
        self._dumps = dumps_for(method)
        self._starter = WorkerStarter(env_fns, self.shares, method, threads)
        self.outstanding = Outstanding(self.shares)
        self._announced: list[bytes] = []  # messages that hold for good, also for replacements
        self.file = SharedFile()
        self._queues: Any = None
        self._receive: Callable[[], None] = lambda: None  # takes in the replies that have come, once there may be some
        self._timed_out: float | None = None  # of the last wait, if that was in vain
        self.workers: list[WorkerHandle] = []
        self._at_exit = Finalize(None, close_at_exit, args=(weakref.ref(self),), exitpriority=1)
        try:
            for worker, share in enumerate(self.shares):
                self.workers.append(WorkerHandle(worker, share, start_context))
                self._starter.start(worker, self.workers[-1], self.file)
        except BaseException:
            self.close(terminate=True)
            raise

    @property
    def queues_size(self) -> int:
        """Bytes at the start of the file that the command queues take."""
        return self._starter.queues_size

    # -- starting -------------------------------------------------------------------------------------------

    def descriptions(self) -> list[dict[str, Any]]:
        """What each worker says of its envs, once all have made them.

        Raises:
            EnvError: an env could not be made. WorkerError: a worker died over it.
        """
        replies = handshake(self.workers)
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
        self._queues = _core.CommandQueues(memory, 0, len(self.shares), self._starter.capacity)
        offset = attachment.mail_offset
        mailboxes = [
            memoryview(memory.block(offset + worker * MAILBOX_SIZE, MAILBOX_SIZE)) for worker in range(len(self.shares))
        ]
        workers = self.workers
        channel_to = lambda worker: workers[worker].channel  # noqa: E731
        self._receive = ReplyReceiver(self._queues, mailboxes, channel_to, self.outstanding.answer).receive
        message = self._dumps(attachment)
        for worker in self.workers:
            with contextlib.suppress(OSError):  # the worker's end is noticed below
                worker.channel.send(message)
        for _, problem in handshake(self.workers):
            if problem:
                raise RuntimeError(problem)

    # -- commands -------------------------------------------------------------------------------------------

    def post_all(self, kind: int, first: int, second: int) -> None:
        """Give every worker a command about all its envs, to which each replies once."""
        self.outstanding.post_all((kind, first, second, None))
        self._queues.post_all(kind, first, second)

    def post_envs(self, kind: int, commands: Sequence[tuple[int, int, int]], second: int) -> None:
        """Give commands about single envs that are not in flight, to each of which there is one reply.

        Args:
            kind: of all of them.
            commands: ``(worker, env, first)`` of each: ``first`` is the command's first number.
            second: the second number of all of them.
        """
        self.outstanding.post_each([(worker, env, (kind, first, second, None)) for worker, env, first in commands])
        for worker, _, first in commands:
            self._queues.post(worker, kind, first, second)

    def post_messages(self, name: str, contents: Iterable[tuple[int, int, tuple[Any, ...]]]) -> None:
        """Post messages, to each of which its worker replies once. What does not go at once goes in :meth:`wait`.

        Args:
            contents: ``(worker, env, arguments)`` of each; env -1: it is about all. If some cannot be pickled, none is
                posted.
        """
        pickled = [(worker, env, self._dumps((name, arguments))) for worker, env, arguments in contents]
        self.outstanding.post_each([(worker, env, (Command.MESSAGE, 0, 0, data)) for worker, env, data in pickled])
        for worker, _, message in pickled:
            self._post_message(worker, message)

    def announce(self, name: str, *arguments: Any) -> None:
        """Post a message to all workers that holds for good: to those that replace them, too."""
        message = self._dumps((name, arguments))
        self._announced.append(message)
        for worker in range(len(self.shares)):
            self._post_message(worker, message)

    def _post_message(self, worker: int, message: bytes) -> None:
        self._queues.post(worker, Command.MESSAGE)
        unsent = self.outstanding.unsent
        unsent.add(worker)
        with contextlib.suppress(OSError):  # the worker is gone: whoever waits for its reply notices
            if not self.workers[worker].channel.post(message):
                return
        unsent.discard(worker)

    def flush(self) -> None:
        """Wait until all that was posted has gone."""
        while self.outstanding.unsent:
            self._send_more(_LOOK)
            self._notice_the_lost()

    def _send_more(self, timeout: float) -> None:
        # A worker may be waiting for us to take out a message of its own.
        self._receive()
        unsent = self.outstanding.unsent
        channels = [self.workers[worker].channel for worker in unsent]
        self.interrupts.during(lambda: select.select([], channels, [], timeout))
        for worker in list(unsent):
            with contextlib.suppress(OSError):
                if not self.workers[worker].channel.flush():
                    continue
            unsent.discard(worker)

    # -- replies --------------------------------------------------------------------------------------------

    def wait(self, count: int, timeout: float | None, spin: float = 0.0) -> bool:
        """Wait until ``count`` replies are there to be taken; False if they are not after ``timeout`` seconds.

        Raises:
            WorkerError: a worker is lost (and not replaced).
        """
        self._timed_out = None
        outstanding = self.outstanding
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            missing = count - len(outstanding.answered)
            if missing <= 0:
                return True
            if self._broken is not None:
                self.require_alive()
            look = _LOOK if end is None else min(_LOOK, max(0.0, end - time.monotonic()))
            if outstanding.unsent:
                self._send_more(look)
            elif self.interrupts.during(partial(self._queues.wait, missing, look, spin)):
                self._receive()
                continue
            if not self._notice_the_lost() and end is not None and time.monotonic() >= end:
                self._receive()
                if len(outstanding.answered) >= count:
                    return True
                self._timed_out = timeout
                return False

    def describe_unanswered(self) -> str:
        """The workers that owe a reply, with their envs."""
        return ", ".join(self.workers[worker].describe() for worker in self.outstanding.debtors())

    # -- lost workers ---------------------------------------------------------------------------------------

    def require_alive(self) -> None:
        """Raise WorkerError if a worker is known to be lost for good."""
        if self._broken is not None:
            raise WorkerError(self._broken)

    def _notice_the_lost(self) -> bool:
        """Replace workers that have ended, or raise; whether there were any."""
        lost = [index for index, worker in enumerate(self.workers) if worker.is_lost]
        if not lost:
            return False
        self._receive()  # what they did before
        for index in lost:
            error = self.workers[index].error()
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
        if self.outstanding.lose(index) > 1:
            self._broken = f"{reason}; so did the worker that replaced it"
            raise WorkerError(self._broken)
        worker = self.workers[index]
        self._queues.clear(index)
        self._starter.start(index, worker, self.file, reason)
        (reply,) = self.interrupts.during(lambda: handshake([worker]))
        if reply[0] == "failed":
            self._broken = f"{reason}; it cannot be replaced: {reply[1][0].summary}"
            raise WorkerError(self._broken)
        worker.channel.send(self._dumps(self._attachment))
        self.interrupts.during(lambda: handshake([worker]))
        for message in self._announced:
            self._post_message(index, message)
        refused = False
        for env, command in self.outstanding.withdraw(index):
            kind, first, second, content = command
            if content is not None and pickle.loads(content)[0] not in _REPEATED:
                refused = True
                continue
            self.outstanding.post_again(index, env, command)
            if content is None:
                self._queues.post(index, kind, first, second)
            else:
                self._post_message(index, content)
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
            patience = patience.with_a_reply_in(max(_SECOND_CHANCE, self._timed_out))
        problems: list[str] = []
        try:
            if not terminate:
                self._ask_to_close()
                problems = end_workers(
                    self.workers,
                    patience,
                    owes_a_reply=self.outstanding.owes,
                    attend=self._attend,
                )
        finally:
            failures = self._end()
        if not quietly:
            warn_of(problems)
            if failures:
                raise_failures(failures, None)

    def _ask_to_close(self) -> None:
        for index, worker in enumerate(self.workers):
            if self._queues is None:
                worker.dismiss()
            elif not worker.is_lost:
                self._queues.post(index, Command.CLOSE)

    def _attend(self) -> None:
        """Send workers the rest of what they wait for, and take in what they wait to be rid of."""
        if self._queues is not None:
            self._send_more(0.0)
        for worker in self.workers:
            worker.channel.fetch()

    def _end(self) -> list[Failure]:
        """Kill what is left and free everything; the failures of envs that were closed."""
        failures: list[Failure] = []
        for worker in self.workers:
            worker.kill()
        for worker in self.workers:
            worker.join()
            failures += worker.closing_failures()
            worker.forget()
        self.workers.clear()
        self._queues = None
        self._receive = lambda: None
        self.file.close()
        self._at_exit.cancel()
        return failures

    def forget(self) -> None:
        """Close the envs of a vector that is dropped, in their own time but with less patience than is asked for."""
        self.close(PATIENCE_IF_NOT_CLOSED)

    def __del__(self) -> None:
        if getattr(self, "workers", None):  # never closed
            with contextlib.suppress(Exception):  # the interpreter may be ending
                self.close(terminate=True)
