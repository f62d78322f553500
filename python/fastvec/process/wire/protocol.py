"""What the parent and its workers agree on."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from fastvec.env_error import pack, unpack
from fastvec.process.wire.channel import Channel
from fastvec.process.wire.pickling import dumps
from fastvec.process.wire.registrations import Registrations
from fastvec.process.wire.shared_memory import SharedFile

__all__ = [
    "BEGUN",
    "CLOSED",
    "LOST_KEY",
    "Attachment",
    "Command",
    "Failure",
    "Trial",
    "WorkerStart",
]

BEGUN = ("begun",)  # the first message of a worker
CLOSED = "closed"  # beginning of the last message of a worker: (CLOSED, failures)
LOST_KEY = "worker_error"  # info of an env whose worker was replaced


class Command(IntEnum):
    """Kinds of commands on the command queues, with their two numbers."""

    CLOSE = 0
    STEP = 1  # buffer, action format: all envs; one reply
    STEP_ONE = 2  # row, action format: one env, into the buffer for asynchronous use; one reply
    MESSAGE = 3  # a message (name, arguments) comes through the channel


@dataclass(frozen=True)
class WorkerStart:
    """What a worker needs to make its envs.

    Attributes:
        index: of the worker.
        first: index of its first env.
        env_fns: what makes its envs.
        registrations: env ids that a worker which was not forked does not know by itself.
        queues_size: bytes of the command queues at the start of the file.
        lost: not None: it replaces a worker that was lost, for this reason.
    """

    index: int
    first: int
    env_fns: Any
    registrations: Registrations | None
    workers: int
    capacity: int
    queues_size: int
    file: SharedFile
    channel: Channel
    parent: int
    threads: int | None
    spin: float
    lost: str | None


@dataclass(frozen=True)
class Attachment:
    """What a worker needs to step its envs, once the parent knows their spaces."""

    observation_mode: Any
    single_observation_space: spaces.Space[Any]
    single_action_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    autoreset_mode: AutoresetMode
    num_envs: int
    mail_offset: int
    actions_offset: int
    buffers_offset: int
    memory_size: int


@dataclass(frozen=True)
class Trial:
    """In place of an attachment: the worker's env is to be tried, and the worker to end.

    Attributes:
        round_trips: messages that it sends back after that.
    """

    round_trips: int


@dataclass(frozen=True)
class Failure:
    """An exception of one env. Pickled, it takes along what can be of the exception, and its text in any case."""

    env: int
    summary: str
    traceback: str
    error: BaseException | None = None

    @classmethod
    def of(cls, env: int, error: BaseException) -> Failure:
        """The failure that ``error``, just caught, is."""
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        summary = "".join(traceback.format_exception_only(type(error), error)).strip()
        return cls(env, summary, "".join(lines), error)

    def __reduce__(self) -> Any:
        return _arrived, (self.env, self.summary, self.traceback, pack(self.error, dumps))

    @property
    def message(self) -> str:
        """For ``EnvError``: the exception and the env's traceback."""
        return f"{self.summary}\n\nraised in the env:\n{self.traceback}"


def _arrived(env: int, summary: str, text: str, error: bytes | None) -> Failure:
    return Failure(env, summary, text, unpack(error))
