"""How the calls of a vector reach its pool: one at a time, in one piece or in two halves, with or without a timeout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from fastvec.errors import AsyncStateError, CallTimeoutError, ResetNeededError
from fastvec.process.inline import InlinePool
from fastvec.process.parent.closing import Patience
from fastvec.process.parent.episodes import Episodes
from fastvec.process.parent.outstanding import Outstanding
from fastvec.process.parent.pool import WorkerPool
from fastvec.vector.arguments import checked_timeout
from fastvec.vector.one_caller import OneCaller
from fastvec.vector.pending import Wait
from fastvec.vector.vector_env import VectorEnv

__all__ = ["PoolCalls", "PostedCall"]


@dataclass(frozen=True, eq=False)
class PostedCall:
    """A call that was handed to all workers.

    Attributes:
        finish: what to note once it is done, also when nobody wants its result.
        result: from the workers' messages to what the call returns, or raises.
    """

    finish: Callable[[], None]
    result: Callable[[list[Any]], Any]


class PoolCalls(VectorEnv):
    """A vector env whose envs are a pool's: what its calls have in common, whatever they ask of the envs.

    A call that is given up, because it timed out or Ctrl-C came, goes on in the workers: the call after it waits for
    their replies and drops them. What is outstanding is in the pool's ledger, and nowhere else.
    """

    _pool: WorkerPool | InlinePool

    def _use_pool(self, pool: WorkerPool | InlinePool) -> None:
        self._pool = pool
        self._outstanding: Outstanding = pool.outstanding
        self._caller = OneCaller(self._home)
        self._episodes = Episodes(self.num_envs, self.autoreset_mode)

    # -- one call -------------------------------------------------------------------------------------------

    def _call(self, what: str, timeout: float | None, *, in_flight: bool = False, waiting: bool = False) -> _Call:
        """One call under way: the vector is open, nobody else is inside, and nothing old is unanswered.

        Args:
            in_flight: envs may be in flight.
            waiting: it is what waits for the pending call.
        """
        return _Call(self, what, checked_timeout(timeout), in_flight, waiting)

    def _enter(self, what: str, timeout: float | None, in_flight: bool, waiting: bool) -> None:
        if waiting:
            self._require_open()
        else:
            self._require_ready(what)
        self._pool.require_alive()
        outstanding = self._outstanding
        if outstanding.was_broken_off:
            outstanding.was_broken_off = False
            self._episodes.forget()
            if waiting:
                raise ResetNeededError(f"{what}: the call was broken off in the middle; call reset() first")
        if not waiting and outstanding.has_abandoned_call:
            self._settle(what, timeout)
        if outstanding.num_in_flight and not in_flight:
            raise AsyncStateError(
                f"{what}: expected no env in flight, got {outstanding.num_in_flight}; recv() them first"
            )

    def _complete(self, posted: PostedCall, timeout: float | None) -> Any:
        """What the call returns, once all workers have replied."""
        return posted.result(self._replies(posted, timeout))

    def _replies(self, posted: PostedCall, timeout: float | None) -> list[Any]:
        """The workers' messages, taken out of the ledger."""
        outstanding = self._outstanding
        outstanding.begin_call(posted.finish)
        if not self._pool.wait(len(self._pool.shares), timeout):
            raise CallTimeoutError(f"{self._pool.describe_unanswered()} did not answer within {timeout} seconds")
        messages = outstanding.end_call()
        posted.finish()
        return messages

    def _settle(self, what: str, timeout: float | None) -> None:
        """Wait for a call that was given up (it timed out, or Ctrl-C came) and drop what it returns."""
        outstanding = self._outstanding
        if not self._pool.wait(outstanding.num_unanswered + len(outstanding.answered), timeout):
            raise CallTimeoutError(
                f"{what}: {self._pool.describe_unanswered()} did not finish the call before within {timeout} seconds"
            )
        outstanding.settle()

    # -- calls in two halves --------------------------------------------------------------------------------

    def _begin_with(self, what: str, post: Callable[[], PostedCall]) -> Wait:
        with self._call(f"{what}_async", None):
            posted = post()
            self._outstanding.begin_call(posted.finish)
            self._pool.flush()  # Ctrl-C may come
            self._outstanding.leave_pending()

        outcome: Callable[[], Any] | None = None  # kept: Ctrl-C that was held back comes where the block below ends

        def wait(timeout: float | None) -> Any:
            nonlocal outcome
            if outcome is None:
                with self._call(f"{what}_wait", timeout, waiting=True):
                    messages = self._replies(posted, timeout)
                    outcome = _outcome(posted, messages)
            return outcome()

        return wait

    def _drop(self) -> None:
        self._outstanding.abandon_call()

    # -- the end --------------------------------------------------------------------------------------------

    def close_extras(self, *, timeout: float | None = None, terminate: bool = False) -> None:
        """Close the envs and end the workers; arrays that were returned stay valid.

        A worker that has to be killed is named in a RuntimeWarning. Ctrl-C while it waits kills those that are left.

        Args:
            timeout: seconds that the workers have, before they are killed. None: as many as the envs need to close;
                but where a call timed out before, and hangs still, as long as that call had, and 2 at least.
            terminate: kill them at once; the envs are not closed.

        Raises:
            fastvec.EnvError: an env raised an error when it was closed; all others were closed nevertheless.
        """
        try:
            if hasattr(self, "_pool"):
                self._pool.close(None if timeout is None else Patience(to_close=timeout), terminate=terminate)
        finally:
            self.closed = True

    def __del__(self) -> None:
        if not self.closed and hasattr(self, "_pool"):
            self.closed = True
            self._pool.forget()


def _outcome(posted: PostedCall, messages: list[Any]) -> Callable[[], Any]:
    """A function that returns, or raises, what the call does."""
    try:
        result = posted.result(messages)
    except Exception as error:
        failure = error  # `error` is unbound at the end of this block

        def fail() -> NoReturn:
            raise failure

        return fail
    return lambda: result


class _Call:
    """The ``with`` block of a call; as a generator it would take several times as long."""

    __slots__ = ("_arguments", "_vector")

    def __init__(self, vector: PoolCalls, *arguments: Any) -> None:
        self._vector = vector
        self._arguments = arguments

    def __enter__(self) -> None:
        vector = self._vector
        vector._pool.interrupts.__enter__()
        try:
            vector._caller.__enter__()
            try:
                vector._enter(*self._arguments)
            except BaseException:
                vector._caller.__exit__()
                raise
        except BaseException:
            vector._pool.interrupts.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        self._vector._caller.__exit__()
        self._vector._pool.interrupts.__exit__()
