"""What it takes to start the workers of a vector, and others in their place."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from fastvec import _core
from fastvec.process.parent.worker_handle import WorkerHandle
from fastvec.process.wire.channel import Channel
from fastvec.process.wire.pickling import dumps_by_value
from fastvec.process.wire.protocol import WorkerStart
from fastvec.process.wire.registrations import Registrations
from fastvec.process.wire.shared_memory import SharedFile
from fastvec.vector.cores import usable_cores

__all__ = ["WorkerStarter"]

# Seconds that a worker spins for its next command before it parks, while commands come that fast. A worker that has
# finished waits for the slowest one and for the caller; if it parks meanwhile, it may wake up on the slowest one's
# core and stay there for milliseconds. 64 CartPoles on two cores, over SyncVectorEnv, as medians of 60 short rounds:
# 0.99 without spinning, 1.45 with 0.2 ms, 1.46 with 1 ms, 1.57 with 2 ms; 64 Pendulums: 1.33, 1.56, 1.59, 1.61. A
# caller that computes between its steps is not slowed by it: who spins gives the core away all the time. The least of
# them that gains most: where a caller computes for longer, and wants all cores for it, the workers do not spin at all.
_SPIN = 2e-4


class WorkerStarter:
    """Starts workers, each with its own envs.

    Args:
        env_fns: one callable per env.
        shares: the envs of each worker.
        start_method: of ``multiprocessing``.
        threads: threads that libraries may use in each worker; None: as many as they like.

    Attributes:
        capacity: commands and replies that each worker's queue holds at most.
        queues_size: bytes that the command queues take.

    Raises:
        TypeError: a callable cannot be sent to a worker; the message says what to do.
    """

    def __init__(
        self, env_fns: Sequence[Callable[[], Any]], shares: Sequence[range], start_method: str, threads: int | None
    ) -> None:
        self.capacity = 4 * max(len(share) for share in shares) + 16
        self.queues_size = _core.CommandQueues.size(len(shares), self.capacity)
        self._num_workers = len(shares)
        self._threads = threads
        self._spin = _SPIN if usable_cores() > 1 else 0.0
        self._env_fns = [_picklable_env_fns(env_fns, share, start_method) for share in shares]
        self._registrations = None if start_method == "fork" else Registrations.of_this_process(env_fns)

    def start(self, worker: int, handle: WorkerHandle, file: SharedFile, lost: str | None = None) -> None:
        """Start a process for a worker.

        Args:
            worker: its index.
            handle: the parent's, which holds the process then.
            file: what all processes map.
            lost: not None: it replaces a worker that was lost, for this reason.
        """

        def start(channel: Channel) -> WorkerStart:
            return WorkerStart(
                index=worker,
                first=handle.share.start,
                env_fns=self._env_fns[worker],
                registrations=self._registrations,
                workers=self._num_workers,
                capacity=self.capacity,
                queues_size=self.queues_size,
                file=file,
                channel=channel,
                parent=os.getpid(),
                threads=self._threads,
                spin=self._spin,
                lost=lost,
            )

        handle.start(start)


def _picklable_env_fns(env_fns: Sequence[Callable[[], Any]], share: range, start_method: str) -> Any:
    """The callables of a worker, as they reach it: as they are with fork, pickled otherwise.

    Raises:
        TypeError: one cannot be pickled; the message says what to do.
    """
    chosen = [env_fns[i] for i in share]
    if start_method == "fork":
        return chosen
    try:
        return dumps_by_value(chosen)
    except Exception as error:
        culprit = next((i for i in share if not _is_picklable(env_fns[i])), share.start)
        raise TypeError(
            f"the callable of env {culprit} ({env_fns[culprit]!r}) cannot be sent to a worker, because "
            f"something that it refers to cannot be pickled ({type(error).__name__}: {error}). Create such "
            f"things (locks, open files, sockets, GPU tensors) inside the callable, install cloudpickle if the "
            f"callable is a lambda or a local function, or use context='fork'."
        ) from error


def _is_picklable(env_fn: Callable[[], Any]) -> bool:
    try:
        dumps_by_value(env_fn)
    except Exception:
        return False
    return True
