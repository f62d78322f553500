"""The envs of a vector in the calling process, behind the face of a :class:`WorkerPool`."""

from __future__ import annotations

import contextlib
import math
import pickle
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.util import Finalize
from typing import Any

import gymnasium
import numpy as np

from fastvec import _core
from fastvec.process.parent.closing import Patience
from fastvec.process.parent.pool import close_at_exit, raise_failures
from fastvec.process.wire.infos import encode_here
from fastvec.process.wire.pickling import dumps
from fastvec.process.wire.protocol import Attachment, Command, Failure
from fastvec.process.wire.shared_memory import SharedFile
from fastvec.process.worker.loop import Server
from fastvec.process.worker.making import describe, make_envs, space_problem
from fastvec.process.worker.replies import Answers

__all__ = ["InlinePool"]

_Posted = tuple[int, int, int, bytes | None]  # kind, two numbers, message


class InlinePool:
    """A pool of no workers: the caller does what it posts when it waits for the answers.

    The envs are served by a worker's own code: the numbers, infos and errors are those of a vector with workers, and
    what ``call`` gives and takes is a copy as there. Infos and observations are copied, too, but not pickled, so they
    may hold what cannot be. A call does not return before the envs do: if it takes longer than its timeout, it says
    so when it is over.

    Args:
        env_fns: one callable per env.

    Attributes:
        interrupts: holds nothing back: Ctrl-C comes in the env that is being stepped, which may be one that hangs.
        shares: all envs, as those of one worker.
        board_size: bytes at the start of the file that the pool needs: none.
        is_spoiled: a call was broken off in the middle: some envs did what they were told, and some did not.
    """

    board_size = 0

    def __init__(self, env_fns: Sequence[Callable[[], gymnasium.Env]]) -> None:
        self.interrupts = contextlib.nullcontext()
        self.shares = [range(len(env_fns))]
        self.is_spoiled = False
        self._home = _core.Home()
        self._at_exit = Finalize(None, close_at_exit, args=(weakref.ref(self),), exitpriority=1)
        self.file = SharedFile()
        self._envs: list[gymnasium.Env] = []
        self._answers: list[tuple[int, int, Any]] = []  # worker, env, message
        self._posted: deque[_Posted] = deque()
        self._server: Server | None = None
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
        self._server = Server(self._envs, 0, attachment, memory, _InlineAnswers(self._answers), encode_here)

    # -- commands -------------------------------------------------------------------------------------------

    def post_all(self, kind: int, first: int, second: int) -> None:
        """Give a command that is answered once."""
        self._posted.append((kind, first, second, None))

    def post(self, worker: int, kind: int, first: int, second: int) -> None:
        """Give a command that is answered once."""
        self._posted.append((kind, first, second, None))

    def message(self, worker: int, name: str, *arguments: Any, row: int = -1) -> None:
        """Give a message that is answered once."""
        self._posted.append((Command.MESSAGE, row, 0, dumps((name, arguments))))

    def announce(self, name: str, *arguments: Any) -> None:
        """Do what a message that holds for good says."""
        self._serving.handle(dumps((name, arguments)))

    def flush(self) -> None:
        """Nothing is on its way anywhere."""

    # -- answers --------------------------------------------------------------------------------------------

    def wait(self, count: int, timeout: float | None, spin: float = 0.0) -> bool:
        """Do what was posted until ``count`` answers are there; False if that took longer than ``timeout`` seconds."""
        if len(self._answers) >= count:
            return True
        end = math.inf if timeout is None else time.monotonic() + timeout
        while len(self._answers) < count:
            kind, first, second, message = self._posted.popleft()
            try:
                self._do(kind, first, second, message)
            except BaseException:
                self._spoil()
                raise
            if time.monotonic() >= end:
                return False  # also with the last one, as it would be too late for a worker's answer
        return True

    @property
    def steps_arrays(self) -> bool:
        """Whether :meth:`step_at_once` takes actions as one array."""
        return self._serving.steps_arrays

    def step_at_once(self, arrays: list[np.ndarray], actions: np.ndarray) -> Any:
        """Step all envs into these arrays, with nothing in between: the message of the answer, or None."""
        try:
            self._serving.step_into(arrays, actions)
        except BaseException:
            self._spoil()
            raise
        return self._answers.pop()[2]

    def _do(self, kind: int, first: int, second: int, message: bytes | None) -> None:
        if message is None:
            self._serving.obey(kind, first, second)
        else:
            self._serving.handle(message)

    def _spoil(self) -> None:
        self.is_spoiled = True
        self._posted.clear()
        self._answers.clear()

    @property
    def _serving(self) -> Server:
        assert self._server is not None
        return self._server

    def take(self, count: int) -> list[tuple[int, int, Any]]:
        """``(worker, env, message or None)`` of the first ``count`` answers, in order."""
        taken = self._answers[:count]
        del self._answers[:count]
        return taken

    @property
    def unanswered(self) -> int:
        """Commands without an answer."""
        return len(self._posted)

    @property
    def answered(self) -> int:
        """Answers that nobody has taken."""
        return len(self._answers)

    def describe_unanswered(self) -> str:
        """Who owes an answer."""
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
        self._at_exit.cancel()
        if not self._home.is_here():  # the envs are the parent's, with what they have outside this process
            return
        envs, self._envs = self._envs, []
        self._server = None
        self._posted.clear()
        self.file.close()
        failures = []
        for i, env in enumerate(envs):
            try:
                env.close()
            except Exception as error:
                failures.append(Failure.of(i, error))
        if failures and not quietly:
            raise_failures(failures, None)


class _InlineAnswers(Answers):
    """Answers that are kept until they are taken."""

    def __init__(self, kept: list[tuple[int, int, Any]]) -> None:
        super().__init__(0)
        self._kept = kept

    def give_batch(
        self, env: int, infos: list[Any] | None, failures: list[Failure], others: list[list[Any]] | None = None
    ) -> None:
        said = infos is not None or failures or others
        self._kept.append((0, env, (failures, infos, others) if said else None))

    def _send(self, env: int, message: bytes | None) -> None:
        self._kept.append((0, env, None if message is None else pickle.loads(message)))
