"""Calls in two halves, as ``gymnasium.vector.AsyncVectorEnv`` has them: ``step_async`` and ``step_wait``, and so on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gymnasium.error import NoAsyncCallError
from gymnasium.vector.async_vector_env import AsyncState

from fastvec.errors import AsyncStateError, CallTimeoutError, already_pending
from fastvec.vector.arguments import checked_timeout

__all__ = ["AsyncCalls", "Wait"]

# Waits for what was begun, for so many seconds at most (None: as long as it takes), and returns the call's result.
# CallTimeoutError: it is not done yet, and may be waited for again.
Wait = Callable[[float | None], Any]


@dataclass(eq=False)
class _Pending:
    state: AsyncState
    wait: Wait
    is_overdue: bool = False  # it was waited for in vain: other calls may come first, and drop it


class AsyncCalls:
    """``reset``, ``step`` and ``call`` in two halves: begin, do something else, wait.

    One call can be pending at a time. Until it is waited for, every other one (``close`` is none) raises
    ``gymnasium.error.AlreadyPendingCallError``; waiting for what was not begun raises
    ``gymnasium.error.NoAsyncCallError``. What is begun starts at once, in the threads or worker processes of the
    vector (where envs run in the calling process: when they are waited for), and what the waiting half returns has the
    bytes of the call in one.

    When the wait times out (:class:`fastvec.errors.CallTimeoutError`, a ``multiprocessing.TimeoutError``) or Ctrl-C
    ends it, nothing is lost: wait again. Another call may also come now; it waits for the pending one first, and what
    that did is dropped.
    """

    _pending: _Pending | None = None

    def reset_async(
        self, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None, *, out: Any = None
    ) -> None:
        """Begin a :meth:`reset`. Arguments and errors as there."""
        self._begin(AsyncState.WAITING_RESET, lambda: self._begin_reset(seed, options, out))

    def reset_wait(self, timeout: float | None = None) -> tuple[Any, dict[str, Any]]:
        """What :meth:`reset` returns or raises, once it is done.

        Args:
            timeout: seconds to wait at most.

        Raises:
            fastvec.errors.CallTimeoutError: it is not done yet.
            gymnasium.error.NoAsyncCallError: no ``reset_async`` before.
        """
        return self._finish(AsyncState.WAITING_RESET, timeout)

    def step_async(self, actions: Any, *, out: Any = None) -> None:
        """Begin a :meth:`step`. The actions are copied; with ``copy=False`` and in ``out`` the envs are writing now.

        Raises what :meth:`step` does for actions and envs that it refuses; what envs raise comes from
        :meth:`step_wait`.
        """
        self._begin(AsyncState.WAITING_STEP, lambda: self._begin_step(actions, out))

    def step_wait(self, timeout: float | None = None) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """What :meth:`step` returns or raises, once it is done; see :meth:`reset_wait`."""
        return self._finish(AsyncState.WAITING_STEP, timeout)

    def call_async(self, name: str, /, *args: Any, **kwargs: Any) -> None:
        """Begin a :meth:`call`. Native and Atari vectors make the call here."""
        self._begin(AsyncState.WAITING_CALL, lambda: self._begin_call(name, args, kwargs))

    def call_wait(self, timeout: float | None = None) -> tuple[Any, ...]:
        """What :meth:`call` returns or raises, once it is done; see :meth:`reset_wait`."""
        return self._finish(AsyncState.WAITING_CALL, timeout)

    # -- for the backends -----------------------------------------------------------------------------------

    def _begin_reset(self, seed: Any, options: Any, out: Any) -> Wait:
        raise NotImplementedError

    def _begin_step(self, actions: Any, out: Any) -> Wait:
        raise NotImplementedError

    def _begin_call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Wait:
        raise NotImplementedError

    def _call_at_once(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Wait:
        """The call, made here and now, for those that have nobody else to make it; what it gave is kept."""
        outcome: Any = None
        failure: Exception | None = None
        try:
            outcome = self.call(name, *args, **kwargs)  # type: ignore[attr-defined]
        except AsyncStateError:  # it was not made
            raise
        except Exception as error:
            failure = error

        def wait(timeout: float | None) -> Any:
            if failure is not None:
                raise failure
            return outcome

        return wait

    def _drop(self) -> None:
        """The pending call is overdue, and another one comes: let it be waited for, and what it did be dropped."""

    def _require_open(self) -> None:
        raise NotImplementedError

    def _require_ready(self, what: str) -> None:
        """Raise unless the vector is open and no call is pending. One that is overdue is dropped."""
        self._require_open()
        pending = self._pending
        if pending is None:
            return
        if not pending.is_overdue:
            raise already_pending(what, pending.state.value)
        self._pending = None
        self._drop()

    # -- one pending call -----------------------------------------------------------------------------------

    @property
    def _state(self) -> AsyncState:
        """As AsyncVectorEnv's: what is pending, and nothing once its wait has timed out."""
        pending = self._pending
        return AsyncState.DEFAULT if pending is None or pending.is_overdue else pending.state

    def _begin(self, state: AsyncState, begin: Callable[[], Wait]) -> None:
        self._require_ready(f"{state.value}_async")
        self._pending = _Pending(state, begin())

    def _finish(self, state: AsyncState, timeout: float | None) -> Any:
        self._require_open()
        pending = self._pending
        if pending is None or pending.state is not state:
            raise NoAsyncCallError(
                f"Calling `{state.value}_wait` without any prior call to `{state.value}_async`.", state.value
            )
        seconds = checked_timeout(timeout)
        pending.is_overdue = True
        try:
            result = pending.wait(seconds)
        except (CallTimeoutError, KeyboardInterrupt):
            raise
        except BaseException:
            self._pending = None
            raise
        self._pending = None
        return result
