"""A worker process: makes its share of the envs, and serves them."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import pickle
import signal
from collections.abc import Callable, Sequence
from functools import partial

import gymnasium

from fastvec import _core
from fastvec.process.wire.pickling import dumps
from fastvec.process.wire.protocol import BEGUN, CLOSED, Attachment, Command, Failure, Trial, WorkerStart
from fastvec.process.wire.registrations import Registrations
from fastvec.process.wire.reply_transport import MAILBOX_SIZE, ReplySender
from fastvec.process.wire.threads import limit_threads
from fastvec.process.worker.loop import WorkerLoop
from fastvec.process.worker.making import describe, make_envs, space_problem
from fastvec.process.worker.replies import Replies, dumps_failures
from fastvec.process.worker.trial import try_env

__all__ = ["run"]


def run(start: WorkerStart) -> None:
    """The main function of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    parent = multiprocessing.parent_process()
    lifeline = -1 if parent is None else int(parent.sentinel)
    _core.die_with(start.parent, lifeline)
    limit_threads(start.threads)
    envs: list[gymnasium.Env] = []
    try:
        start.channel.send(dumps(BEGUN))
        if _make_envs(start, envs):
            attachment = _attach(start, envs)
            if attachment is not None:
                _serve(start, attachment, envs)
    except (EOFError, ConnectionError):  # the parent closed the channel
        pass
    finally:
        _close_envs(start, envs)
        start.channel.close()


def _close_envs(start: WorkerStart, envs: list[gymnasium.Env]) -> None:
    failures = []
    for i, env in enumerate(envs, start.first):
        try:
            env.close()
        except Exception as error:
            failures.append(Failure.of(i, error))
    if failures:
        with contextlib.suppress(OSError):  # nobody wants to know
            start.channel.send(dumps_failures(failures, CLOSED))


def _make_envs(start: WorkerStart, envs: list[gymnasium.Env]) -> bool:
    try:
        env_fns = [partial(_made, make, start.registrations) for make in _env_fns(start)]
    except Exception as error:
        failure: Failure | None = Failure.of(start.first, error)
    else:
        failure = make_envs(env_fns, start.first, envs)
    start.channel.send(dumps_failures([failure], "failed") if failure else describe(start.first, envs))
    return failure is None


def _env_fns(start: WorkerStart) -> Sequence[Callable[[], gymnasium.Env]]:
    if start.registrations is not None:
        start.registrations.install()
    return pickle.loads(start.env_fns) if isinstance(start.env_fns, bytes) else start.env_fns


def _made(make: Callable[[], gymnasium.Env], registrations: Registrations | None) -> gymnasium.Env:
    try:
        return make()
    except gymnasium.error.UnregisteredEnv:  # by a module, perhaps, that only the parent has imported
        if registrations is None or not registrations.install_others():
            raise
        return make()


def _attach(start: WorkerStart, envs: list[gymnasium.Env]) -> Attachment | None:
    attachment: Attachment | Trial | None = pickle.loads(start.channel.receive())
    if isinstance(attachment, Trial):
        try_env(envs[0], attachment, start.channel)
        return None
    if attachment is None:  # another worker failed
        return None
    problem = space_problem(attachment, start.first, envs)
    start.channel.send(dumps(("attached", problem)))
    return None if problem else attachment


def _serve(start: WorkerStart, attachment: Attachment, envs: list[gymnasium.Env]) -> None:
    """Do what the parent says until it says to close."""
    memory = start.file.map(attachment.memory_size)
    queues = _core.CommandQueues(memory, 0, start.workers, start.capacity)
    mailbox = memory.block(attachment.mail_offset + start.index * MAILBOX_SIZE, MAILBOX_SIZE)
    sender = ReplySender(queues, start.index, memoryview(mailbox), start.channel)
    loop = WorkerLoop(
        envs,
        start.first,
        attachment,
        memory,
        Replies(start.first, sender.send),
        caught=(Exception, SystemExit, KeyboardInterrupt),  # the env's own: Ctrl-C does not come here
        lost=start.lost,
    )
    gc.collect()
    gc.freeze()  # what was made so far stays; the collector need not look at it again
    while True:
        kind, first, second = queues.next(start.index, start.spin)
        if kind == Command.MESSAGE:
            loop.handle(start.channel.receive())
        elif kind == Command.CLOSE:
            return
        else:
            loop.obey(kind, first, second)
