"""Working on parts of a minibatch in several threads.

A minibatch of a small network is some dozens of operations of a few hundred microseconds. Cutting each of them in two
(what PyTorch's own threads do) means that the threads meet dozens of times; cutting the minibatch in two means that
they meet once. Where another program wants the core too, each meeting can cost a time slice of the system's: two
trainings beside each other on two cores ran at 0.2 to 0.4 of their speed with PyTorch's threads, and at 0.6 to 0.7 with
these. Compiled code lets go of Python's lock, so the parts run side by side.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any

import torch

MIN_ROWS = 128
"""Rows below which products of matrices slow down too much for a part of a minibatch to gain."""


def shards_for(rows: int, threads: int, *, min_rows: int) -> int:
    """Into how many equal parts of at least ``min_rows`` a minibatch of ``rows`` is cut for ``threads``."""
    return next(n for n in range(max(threads, 1), 0, -1) if n == 1 or (rows % n == 0 and rows // n >= min_rows))


class MinibatchThreads:
    """``count - 1`` threads and the caller's, in which gradients must be off as well.

    They wait without spinning, and end when this object is gone.
    """

    def __init__(self, count: int, *, torch_threads: int) -> None:
        self.count = count
        self._jobs: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(count - 1)]
        self._results: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(count - 1)]
        for jobs, results in zip(self._jobs, self._results, strict=True):
            Thread(target=_work, args=(jobs, results, torch_threads), name="fastvec-shard", daemon=True).start()
        self._seen: set[Callable[..., Any]] = set()
        self._call = 0
        weakref.finalize(self, _dismiss, self._jobs)

    def map(self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """``[function(*a) for a in arguments]``, in the caller's thread and the others at the same time.

        The first call with a function is made in the caller's thread alone, since that may compile it. An error is
        raised here, after all threads have finished. A call that Ctrl-C breaks off leaves its answers behind: calls are
        numbered, and the next one passes those over.
        """
        if function not in self._seen:
            self._seen.add(function)
            return [function(*a) for a in arguments]
        shares = [arguments[i :: self.count] for i in range(self.count)]
        self._call += 1
        for jobs, share in zip(self._jobs, shares[1:], strict=True):
            jobs.put((self._call, function, share))
        answers = [_attempt(function, shares[0]), *(self._answer(results) for results in self._results)]
        for _, error in answers:
            if error is not None:
                raise error
        values: list[Any] = [None] * len(arguments)
        for i, (share, _) in enumerate(answers):
            values[i :: self.count] = share
        return values

    def _answer(self, results: SimpleQueue[Any]) -> Any:
        """What a thread made of its share of this call."""
        while True:
            call, answer = results.get()
            if call == self._call:
                return answer


def _attempt(function: Callable[..., Any], share: Sequence[tuple[Any, ...]]) -> tuple[list[Any], BaseException | None]:
    try:
        return [function(*a) for a in share], None
    except BaseException as error:
        return [], error


def _work(jobs: SimpleQueue[Any], results: SimpleQueue[Any], torch_threads: int) -> None:
    torch.set_num_threads(torch_threads)
    torch.set_grad_enabled(False)  # a thread's own setting; compiled code is compiled again where it differs
    while (job := jobs.get()) is not None:
        call, function, share = job
        results.put((call, _attempt(function, share)))
        del job, function, share


def _dismiss(queues: list[SimpleQueue[Any]]) -> None:
    for jobs in queues:
        jobs.put(None)
