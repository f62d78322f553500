"""How a reply gets from a worker to the parent: the one place that decides.

The numbers of a batch are in shared memory already. That a command is done is told through the command queues, with
flags that say where the rest of the reply is:

- nowhere, if there is nothing but numbers to tell: most steps;
- in the worker's mailbox, if it is about all its envs and fits: no system call, and no copy but pickle's own;
- in the channel: what is larger, and what is about a single env, since several of these may be on their way.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from fastvec import _core
from fastvec.process.wire.channel import Channel

__all__ = ["MAILBOX_SIZE", "ReplyReceiver", "ReplySender"]

MAILBOX_SIZE = 1 << 16  # bytes of each worker's mailbox, for one message

_IN_CHANNEL = 1
_IN_MAILBOX = 2  # the message's size is in the bits above
_SIZE_SHIFT = 2


class ReplySender:
    """The worker's end.

    Args:
        queues: where replies are announced.
        worker: index of the worker.
        mailbox: the worker's, of ``MAILBOX_SIZE`` bytes.
        channel: to the parent.
    """

    def __init__(self, queues: _core.CommandQueues, worker: int, mailbox: memoryview, channel: Channel) -> None:
        self._queues = queues
        self._worker = worker
        self._mailbox = mailbox
        self._channel = channel

    def send(self, env: int, message: bytes | None) -> None:
        """Reply to a command about an env (-1: about all), with a pickled message or with nothing but numbers."""
        if message is None:
            self._queues.reply(self._worker, env, 0)
            return
        if env < 0 and len(message) <= MAILBOX_SIZE:  # one such reply at a time: the parent has read the last
            self._mailbox[: len(message)] = message
            self._queues.reply(self._worker, env, _IN_MAILBOX | len(message) << _SIZE_SHIFT)
            return
        # The reply must be announced even if the message does not fit into the channel yet: only then does the parent
        # take it out, and at once.
        is_sent = self._channel.post(message)
        self._queues.reply(self._worker, env, _IN_CHANNEL, not is_sent)
        self._channel.drain()


class ReplyReceiver:
    """The parent's end, for all workers.

    Args:
        queues: where replies are announced.
        mailboxes: each worker's.
        channel_to: the channel to a worker: another one once the worker was replaced.
        deliver: called with ``(worker, env, message or None)`` of each reply.
    """

    def __init__(
        self,
        queues: _core.CommandQueues,
        mailboxes: Sequence[memoryview],
        channel_to: Callable[[int], Channel],
        deliver: Callable[[int, int, Any], None],
    ) -> None:
        self._queues = queues
        self._mailboxes = mailboxes
        self._channel_to = channel_to
        self._deliver = deliver

    def receive(self) -> None:
        """Deliver the replies that have come, in order, but for those whose worker died while it sent the message."""
        deliver = self._deliver
        for worker, env, flags in self._queues.collect():
            if not flags:
                deliver(worker, env, None)
            elif flags & _IN_MAILBOX:
                deliver(worker, env, pickle.loads(self._mailboxes[worker][: flags >> _SIZE_SHIFT]))
            else:
                with contextlib.suppress(EOFError):
                    deliver(worker, env, pickle.loads(self._channel_to(worker).receive()))
