"""The envs of a vector in the calling process, behind the face of a :class:`WorkerPool`."""

from __future__ import annotations

import contextlib
import math
import pickle
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.util import Finalize
from typing import Any

import gymnasium
import numpy as np

from fastvec import _core
from fastvec.process.parent.closing import Patience, close_at_exit
from fastvec.process.parent.failures import raise_failures
from fastvec.process.parent.outstanding import Outstanding
from fastvec.process.wire.infos import encode_here
from fastvec.process.wire.pickling import dumps
from fastvec.process.wire.protocol import Attachment, Command, Failure
from fastvec.process.wire.shared_memory import SharedFile
from fastvec.process.worker.loop import WorkerLoop
from fastvec.process.worker.making import describe, make_envs, space_problem
from fastvec.process.worker.replies import Replies

__all__ = ["InlinePool"]

_ME = 0  # the calling process, as the only worker


class InlinePool:
    """A pool of no workers: the caller does what it posts when it waits for the replies.

    The envs are stepped by a worker's own code: the numbers, infos and errors are those of a vector with workers, and
    what ``call`` gives and takes is a copy as there. Infos and observations are copied, too, but not pickled, so they
    may hold what cannot be. A call does not return before the envs do: if it takes longer than its timeout, it says
    so when it is over.

    Args:
        env_fns: one callable per env.

    Attributes:
        interrupts: holds nothing back: Ctrl-C comes in the env that is being stepped, which may be one that hangs.
            The call is broken off then: some envs did what they were told, and some did not.
        shares: all envs, as those of one worker.
        outstanding: what was posted and the caller has not taken.
        queues_size: bytes at the start of the file that the pool needs: none.
    """

    queues_size = 0

    def __init__(self, env_fns: Sequence[Callable[[], gymnasium.Env]]) -> None:
        self.interrupts = contextlib.nullcontext()
        self.shares = [range(len(env_fns))]
        self.outstanding = Outstanding(self.shares)
        self._home = _core.Home()
        self._at_exit = Finalize(None, close_at_exit, args=(weakref.ref(self),), exitpriority=1)
        self.file = SharedFile()
        self._envs: list[gymnasium.Env] = []
        self._replies = InlineReplies()
        self._loop: WorkerLoop | None = None
        try:
            failure = make_envs(env_fns, 0, self._envs)
            if failure is not None:
                raise_failures([failure], None)
        except BaseException:
            self.close(quietly=True)
            raise

    def descriptions(self) -> list[dict[str, Any]]:
        """As a worker describes its envs; the spaces are copies.

        Raises:
            EnvError: the spaces cannot be copied.
        """
        kind, content = pickle.loads(describe(0, self._envs))
        if kind == "failed":
            raise_failures(content, None)
        return [content]

    def attach(self, attachment: Attachment, memory: _core.SharedMemory) -> None:
        """Let the envs write to the memory.

        Raises:
            RuntimeError: the spaces of the envs cannot be batched.
        """
        problem = space_problem(attachment, 0, self._envs)
        if problem:
            raise RuntimeError(problem)
        self._loop = WorkerLoop(self._envs, 0, attachment, memory, self._replies, encode_here)

    # -- commands -------------------------------------------------------------------------------------------

    def post_all(self, kind: int, first: int, second: int) -> None:
        """Give a command about all envs, to which there is one reply."""
        self.outstanding.post_all((kind, first, second, None))

    def post_envs(self, kind: int, commands: Sequence[tuple[int, int, int]], second: int) -> None:
        """Give commands about single envs, see :meth:`WorkerPool.post_envs`."""
        self.outstanding.post_each([(worker, env, (kind, first, second, None)) for worker, env, first in commands])

    def post_messages(self, name: str, contents: Iterable[tuple[int, int, tuple[Any, ...]]]) -> None:
        """Give messages, see :meth:`WorkerPool.post_messages`."""
        pickled = [(worker, env, dumps((name, arguments))) for worker, env, arguments in contents]
        self.outstanding.post_each([(worker, env, (Command.MESSAGE, 0, 0, data)) for worker, env, data in pickled])

    def announce(self, name: str, *arguments: Any) -> None:
        """Do what a message that holds for good says."""
        self._attached.handle(dumps((name, arguments)))

    def flush(self) -> None:
        """Nothing is on its way anywhere."""

    # -- replies --------------------------------------------------------------------------------------------

    def wait(self, count: int, timeout: float | None, spin: float = 0.0) -> bool:
        """Do what was posted until ``count`` replies are there; False if that took longer than ``timeout`` seconds."""
        outstanding = self.outstanding
        if len(outstanding.answered) >= count:
            return True
        end = math.inf if timeout is None else time.monotonic() + timeout
        while len(outstanding.answered) < count:
            kind, first, second, message = outstanding.oldest(_ME)
            try:
                if message is None:
                    self._attached.obey(kind, first, second)
                else:
                    self._attached.handle(message)
                outstanding.answer(_ME, *self._replies.kept.pop())
            except BaseException:
                self._break_off()
                raise
            if time.monotonic() >= end:
                return False  # also with the last one, as it would be too late for a worker's reply
        return True

    @property
    def steps_arrays(self) -> bool:
        """Whether :meth:`step_at_once` takes actions as one array."""
        return self._attached.steps_arrays

    def step_at_once(self, arrays: list[np.ndarray], actions: np.ndarray) -> Any:
        """Step all envs into these arrays, with nothing in between: the message of the reply, or None."""
        try:
            self._attached.step_into(arrays, actions)
        except BaseException:
            self._break_off()
            raise
        return self._replies.kept.pop()[1]

    def _break_off(self) -> None:
        self.outstanding.break_off()
        self._replies.kept.clear()

    @property
    def _attached(self) -> WorkerLoop:
        assert self._loop is not None
        return self._loop

    def describe_unanswered(self) -> str:
        """Who owes a reply."""
        return f"the envs (0 to {len(self._envs) - 1}, in the calling process)"

    def require_alive(self) -> None:
        """The calling process lives."""

    # -- the end --------------------------------------------------------------------------------------------

    def close(self, patience: Patience | None = None, *, terminate: bool = False, quietly: bool = False) -> None:
        """Close the envs, however long it takes.

        Args:
            patience, terminate: for workers.
            quietly: raise nothing.

        Raises:
            EnvError: an env raised an error when it was closed; all others were closed nevertheless.
        """
        failures = []
        for i, env in enumerate(self._let_go()):
            try:
                env.close()
            except Exception as error:
                failures.append(Failure.of(i, error))
        if failures and not quietly:
            raise_failures(failures, None)

    def forget(self) -> None:
        """Let go of the envs of a vector that is dropped, as SyncVectorEnv does: they are not closed.

        That would come at any time, within another env's step too, and some envs close what all of a process share
        (pygame's window).
        """
        self._let_go()

    def _let_go(self) -> list[gymnasium.Env]:
        """Hold on to nothing any more: the envs that there were, and are this process's."""
        self._at_exit.cancel()
        if not self._home.is_here():  # the envs are the parent's, with what they have outside this process
            return []
        envs, self._envs = self._envs, []
        self._loop = None
        self.file.close()
        return envs


class InlineReplies(Replies):
    """Replies that are kept, and not pickled where they are about a batch.

    Attributes:
        kept: the reply to the command that was done last, until it is taken out: env (-1: all), and message or None.
    """

    def __init__(self) -> None:
        super().__init__(0, self._keep)
        self.kept: list[tuple[int, Any]] = []

    def reply_batch(
        self, env: int, infos: list[Any] | None, failures: list[Failure], others: list[list[Any]] | None = None
    ) -> None:
        """Keep the reply to a command about a batch, see :meth:`Replies.reply_batch`."""
        said = infos is not None or failures or others
        self.kept.append((env, (failures, infos, others) if said else None))

    def _keep(self, env: int, message: bytes | None) -> None:
        self.kept.append((env, None if message is None else pickle.loads(message)))
