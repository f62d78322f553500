"""The ledger of a vector: what was asked of its envs, and has not been returned to its caller yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["ALL_ENVS", "Command", "Outstanding", "Reply"]

ALL_ENVS = -1  # in place of an env's index: a command about all envs of its worker

Command = tuple[int, int, int, "bytes | None"]
"""A command as it was posted: kind, its two numbers, and its message (None: it has none)."""


Reply = tuple[int, int, Any]
"""A reply to one command: worker, env (:data:`ALL_ENVS`: about all), and the message (None: nothing but numbers)."""


class Outstanding:
    """Commands on their way to replies, replies on their way to the caller, and the calls and envs that wait for them.

    A command is in one of three states: *unanswered* (posted; part of its message may be *unsent*), *answered* (its
    reply is here, and nobody has taken it), and gone. Commands about all envs belong to a call of the whole vector, of
    which there is one at a time. It is *under way* until its replies are taken; it may be left *pending*, for a second
    half to wait for, or be *abandoned*, after a timeout or Ctrl-C: then its replies are dropped before the next call.
    A command about a single env makes that env *in flight* until its reply is taken.

    :meth:`check` says what always holds. The ledger does not send, receive or wait.

    Not for use by several threads at once.

    Args:
        shares: the envs of each worker, ascending and without gaps.

    Attributes:
        unsent: workers whose channels hold parts of messages that did not go without waiting.
        answered: the replies that nobody has taken, in the order in which they came. To be read only.
        num_in_flight: number of envs that were handed in and whose replies were not taken.
        has_abandoned_call: a call was given up, and :meth:`settle` has not ended it.
        was_broken_off: a call ended in the middle, with some envs done and some not; set by :meth:`break_off`, and
            reset by whoever has dealt with it.
    """

    def __init__(self, shares: Sequence[range]) -> None:
        self.unsent: set[int] = set()
        self.num_in_flight = 0
        self.was_broken_off = False
        self._unanswered: list[list[tuple[int, Command]]] = [[] for _ in shares]  # by worker: env, command
        self.answered: list[Reply] = []
        self.has_abandoned_call = False
        self._losses = [0] * len(shares)
        self._in_flight = np.zeros(shares[-1].stop, dtype=np.bool_)
        self._finish: Callable[[], None] | None = None

    # -- commands -------------------------------------------------------------------------------------------

    def post_all(self, command: Command) -> None:
        """Note a command about all envs to every worker, to which each will reply once."""
        entry = ALL_ENVS, command
        for unanswered in self._unanswered:
            unanswered.append(entry)

    def post_each(self, commands: Sequence[tuple[int, int, Command]]) -> None:
        """Note ``(worker, env, command)`` of several, to each of which its worker will reply once.

        Their envs, where they are about single ones, are in flight from now on; they were not before.
        """
        for worker, env, command in commands:
            self._unanswered[worker].append((env, command))
        envs = [env for _, env, _ in commands if env != ALL_ENVS]
        if envs:
            self._in_flight[envs] = True
            self.num_in_flight += len(envs)

    def oldest(self, worker: int) -> Command:
        """The worker's command that has waited longest.

        Raises:
            IndexError: it has none.
        """
        return self._unanswered[worker][0][1]

    def owes(self, worker: int) -> bool:
        """Whether a worker has commands without a reply."""
        return bool(self._unanswered[worker])

    def debtors(self) -> list[int]:
        """The workers that have commands without a reply."""
        return [worker for worker, unanswered in enumerate(self._unanswered) if unanswered]

    @property
    def num_unanswered(self) -> int:
        """Number of commands without a reply."""
        return sum(map(len, self._unanswered))

    # -- replies --------------------------------------------------------------------------------------------

    def answer(self, worker: int, env: int, message: Any) -> None:
        """Note a reply: to the worker's oldest command about ``env``.

        Raises:
            LookupError: there is none.
        """
        unanswered = self._unanswered[worker]
        if unanswered and unanswered[0][0] == env:
            del unanswered[0]
        else:  # single envs may be done in another order
            place = next((i for i, (about, _) in enumerate(unanswered) if about == env), None)
            if place is None:
                raise LookupError(f"expected a reply to a command, got one of worker {worker} about env {env}")
            del unanswered[place]
        self._losses[worker] = 0
        self.answered.append((worker, env, message))

    def take(self, count: int) -> list[Reply]:
        """The first ``count`` replies, in the order in which they came; their envs are no longer in flight."""
        taken, self.answered = self.answered[:count], self.answered[count:]
        envs = [env for _, env, _ in taken if env != ALL_ENVS]
        if envs:
            self._in_flight[envs] = False
            self.num_in_flight -= len(envs)
        return taken

    def busy(self, envs: np.ndarray) -> list[int]:
        """Those of ``envs`` (int64, shape ``(k,)``) that are in flight."""
        return envs[self._in_flight[envs]].tolist()

    # -- calls of the whole vector --------------------------------------------------------------------------

    def begin_call(self, finish: Callable[[], None]) -> None:
        """Note the call under way. Unless it ends or is left pending, it counts as abandoned.

        Args:
            finish: what is to be done once all workers have replied, also when nobody wants the result.
        """
        self._finish = finish
        self.has_abandoned_call = True

    def end_call(self) -> list[Any]:
        """Take the replies to the call under way: each worker's message, by worker."""
        messages: list[Any] = [None] * len(self._unanswered)
        for worker, _, message in self.answered:
            messages[worker] = message
        self.answered = []
        self._finish = None
        self.has_abandoned_call = False
        return messages

    def leave_pending(self) -> None:
        """Note that the second half of the call under way will wait for it."""
        self.has_abandoned_call = False

    def abandon_call(self) -> None:
        """Note that nobody will wait for the pending call, if there still is one."""
        self.has_abandoned_call = self._finish is not None

    def settle(self) -> None:
        """End the abandoned call, to which all workers have replied: drop the replies, and do what it left to do."""
        self.answered = []
        finish, self._finish = self._finish, None
        self.has_abandoned_call = False
        if finish is not None:
            finish()

    def break_off(self) -> None:
        """Forget everything, after a call that ended in the middle: it is unknown how far the envs came."""
        self.was_broken_off = True
        for unanswered in self._unanswered:
            unanswered.clear()
        self.unsent.clear()
        self.answered = []
        self._in_flight[:] = False
        self.num_in_flight = 0
        self._finish = None
        self.has_abandoned_call = False

    # -- lost workers ---------------------------------------------------------------------------------------

    def lose(self, worker: int) -> int:
        """Note that a worker is lost: nothing of it is unsent any more. How often it was since its last reply."""
        self.unsent.discard(worker)
        self._losses[worker] += 1
        return self._losses[worker]

    def withdraw(self, worker: int) -> list[tuple[int, Command]]:
        """The worker's commands without a reply, oldest first, as ``(env, command)``; they are to be posted anew.

        Those about single envs must all be, with :meth:`post_again`: their envs stay in flight.
        """
        withdrawn, self._unanswered[worker] = self._unanswered[worker], []
        return withdrawn

    def post_again(self, worker: int, env: int, command: Command) -> None:
        """Note a command that was withdrawn, for the worker that replaces the lost one."""
        self._unanswered[worker].append((env, command))

    # -- the invariant --------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise AssertionError unless the ledger agrees with itself. For tests: it takes a while.

        An env is in flight exactly if there is one command about it, without a reply or with one that nobody has taken;
        while there is a call of the whole vector, no env is in flight, and no worker has more than one command.
        """
        posted = [(worker, env) for worker, entries in enumerate(self._unanswered) for env, _ in entries]
        replied = [(worker, env) for worker, env, _ in self.answered]
        singles = sorted(env for _, env in (*posted, *replied) if env != ALL_ENVS)
        workers = [worker for worker, env in (*posted, *replied) if env == ALL_ENVS]
        assert singles == np.flatnonzero(self._in_flight).tolist(), "in flight: exactly the envs with one command each"
        assert self.num_in_flight == len(singles), "num_in_flight counts them"
        assert len(workers) == len(set(workers)), "one command about all envs for each worker"
        assert not (workers and singles), "a call of the whole vector, or single envs"
        assert not (singles and self._finish is not None), "no env is in flight during a call of the whole vector"
        assert self.unsent <= set(range(len(self._unanswered))), "unsent: workers"
        assert not self.has_abandoned_call or self._finish is not None, "what was abandoned is a call"
