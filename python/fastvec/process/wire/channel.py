"""Messages between the parent and a worker: what is no array."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections import deque
from collections.abc import Iterator

__all__ = ["Channel"]

_HEADER = struct.Struct("<Q")
_CHUNK = 1 << 16


class Channel:
    """One end of a pair of connected sockets. Sends whole messages; can be given to a process that is being started."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._received = bytearray()
        self._unsent: deque[memoryview] = deque()

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two connected ends."""
        one, other = socket.socketpair()
        return cls(one), cls(other)

    def fileno(self) -> int:
        """The descriptor, for ``select``."""
        return self._socket.fileno()

    def post(self, message: bytes) -> bool:
        """Send as much as goes without waiting; whether that is all. The rest is kept, for :meth:`flush`.

        Raises:
            OSError: the other end is gone.
        """
        self._unsent.append(memoryview(_HEADER.pack(len(message)) + message))
        return self.flush()

    def flush(self) -> bool:
        """Send more of what was posted, as much as goes without waiting; whether that is all.

        Raises:
            OSError: the other end is gone; what was posted is dropped.
        """
        unsent = self._unsent
        while unsent:
            try:
                sent = self._socket.send(unsent[0], socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            except OSError:
                unsent.clear()
                raise
            if sent == len(unsent[0]):
                unsent.popleft()
            else:
                unsent[0] = unsent[0][sent:]
        return True

    def drain(self) -> None:
        """Send what was posted, however long it takes."""
        while self._unsent:
            self._socket.sendall(self._unsent.popleft())

    def send(self, message: bytes) -> None:
        """Send a message, however long it takes."""
        self.post(message)
        self.drain()

    def receive(self) -> bytes:
        """The next message.

        Raises:
            EOFError: the other end is gone.
        """
        self._fill(_HEADER.size)
        (size,) = _HEADER.unpack_from(self._received)
        end = _HEADER.size + size
        self._fill(end)
        message = bytes(memoryview(self._received)[_HEADER.size : end])
        del self._received[:end]
        return message

    def fetch(self) -> None:
        """Take in what has come, without waiting for more: the other end may be waiting to send the rest."""
        with contextlib.suppress(OSError):  # there is no more now
            while data := self._socket.recv(_CHUNK, socket.MSG_DONTWAIT):
                self._received += data

    def rest(self) -> Iterator[bytes]:
        """The whole messages that have come, without waiting for more."""
        self.fetch()
        received, begin = memoryview(self._received), 0
        while begin + _HEADER.size <= len(received):
            (size,) = _HEADER.unpack_from(received, begin)
            end = begin + _HEADER.size + size
            if end > len(received):
                return
            yield bytes(received[begin + _HEADER.size : end])
            begin = end

    @property
    def has_received_more(self) -> bool:
        """Whether the next message, or its beginning, came with the last one: ``select`` does not tell of it then."""
        return bool(self._received)

    def _fill(self, size: int) -> None:
        while len(self._received) < size:
            try:
                data = self._socket.recv(max(_CHUNK, size - len(self._received)))
            except ConnectionError:
                data = b""
            if not data:
                raise EOFError("the other end of the channel is closed")
            self._received += data

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
