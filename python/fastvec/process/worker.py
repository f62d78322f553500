"""A worker process: makes its share of the envs, and serves them."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
from collections.abc import Callable, Sequence

import gymnasium
from gymnasium.spaces.utils import is_space_dtype_shape_equiv

from fastvec import _core
from fastvec.process.answers import dumps_failures
from fastvec.process.pickling import dumps
from fastvec.process.protocol import BEGUN, CLOSED, Attachment, Failure, WorkerStart
from fastvec.process.registrations import Registrations
from fastvec.process.serving import Server
from fastvec.process.threads import limit_threads

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
                Server(start, attachment, envs).serve()
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
        for make in _env_fns(start):
            envs.append(_made(make, start.registrations))
    except Exception as error:
        start.channel.send(dumps_failures([Failure.of(start.first + len(envs), error)], "failed"))
        return False
    first = envs[0]
    description = {
        "observation_spaces": [env.observation_space for env in envs],
        "action_space": first.action_space,
        "metadata": dict(first.metadata),
        "render_mode": first.render_mode,
    }
    try:
        message = dumps(("made", description))
    except Exception as error:
        message = dumps_failures([Failure.of(start.first, error)], "failed")
    start.channel.send(message)
    return True


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
    attachment: Attachment | None = pickle.loads(start.channel.receive())
    if attachment is None:  # another worker failed
        return None
    problem = _space_problem(attachment, start.first, envs)
    start.channel.send(dumps(("attached", problem)))
    return None if problem else attachment


def _space_problem(attachment: Attachment, first: int, envs: list[gymnasium.Env]) -> str | None:
    """Why the spaces of these envs cannot be batched, or None: the rules of SyncVectorEnv."""
    expected = attachment.single_observation_space
    for i, env in enumerate(envs, first):
        if attachment.observation_mode == "same":
            if env.observation_space != expected:
                return (
                    f"observation_mode='same', but the observation space of env {i} is {env.observation_space}, "
                    f"and that of env 0 is {expected}; if this is meant, use observation_mode='different'"
                )
        elif not is_space_dtype_shape_equiv(env.observation_space, expected):
            return (
                f"expected observation spaces that share a shape and dtype: that of env {i} is "
                f"{env.observation_space}, the single one is {expected}"
            )
        if env.action_space != attachment.single_action_space:
            return (
                f"expected equal action spaces: that of env {i} is {env.action_space}, "
                f"that of env 0 is {attachment.single_action_space}"
            )
    return None
