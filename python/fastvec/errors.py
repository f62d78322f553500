"""The exceptions of fastvec.

Each derives from what Gymnasium (or NumPy, or Python) raises in the same case, so that code written for
``gymnasium.vector.SyncVectorEnv`` catches it: that class reports an invalid action or a finished env by
``AssertionError``, hence the bases here.
"""

from __future__ import annotations

import multiprocessing

import gymnasium.error

from fastvec.env_error import EnvError

__all__ = [
    "ActionTypeError",
    "AsyncStateError",
    "CallTimeoutError",
    "ClosedError",
    "EnvError",
    "ForkedError",
    "InvalidActionError",
    "ResetNeededError",
    "StateError",
    "UnknownEnvError",
    "WorkerError",
]


class InvalidActionError(gymnasium.error.InvalidAction, ValueError, AssertionError):
    """An action has the wrong shape or lies outside its space. No env was stepped."""


class ActionTypeError(InvalidActionError, TypeError):
    """An action has a dtype that its space does not take. No env was stepped."""


class ResetNeededError(gymnasium.error.ResetNeeded, AssertionError):
    """``step`` before ``reset``, or of a finished env with autoreset disabled. No env was stepped."""


class ClosedError(gymnasium.error.ClosedEnvironmentError):
    """The vector env is closed."""


class ForkedError(RuntimeError):
    """This process was forked from the one that made the vector env, which alone can use it.

    The envs' threads and worker processes are the parent's; what the child has is a copy that nobody serves. Make a
    vector in the child, and hand over where the parent's stands with ``get_state`` and ``set_state``.
    """


class AsyncStateError(gymnasium.error.AlreadyPendingCallError, gymnasium.error.NoAsyncCallError):
    """``send``, ``recv``, ``reset`` or ``step`` at a time when it cannot be: nothing in flight, or something."""

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)  # the bases' own want a name, each in its turn
        self.name = message.partition(":")[0]


class CallTimeoutError(multiprocessing.TimeoutError, TimeoutError):
    """Envs did not finish within the time that the call was given; what they were asked to do goes on."""


def already_pending(what: str, pending: str) -> gymnasium.error.AlreadyPendingCallError:
    """What to raise where ``what`` is called while a call of the kind ``pending`` is waited for."""
    return gymnasium.error.AlreadyPendingCallError(
        f"Calling `{what}` while waiting for a pending call to `{pending}` to complete; call `{pending}_wait` first.",
        pending,
    )


class OutTypeError(TypeError):
    """An ``out`` array has the wrong type or dtype."""


class OutValueError(ValueError):
    """An ``out`` array has the wrong shape or layout."""


class StateError(ValueError):
    """A saved state is damaged, or belongs to another env, other arguments or another version."""


class UnknownEnvError(gymnasium.error.NameNotFound, KeyError):
    """There is no env with this id."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr


class WorkerError(RuntimeError):
    """A worker process was killed or exited; the message says which envs it had, and how it ended.

    The vector can only be closed then, unless it was made with ``restart_workers=True``.
    """
