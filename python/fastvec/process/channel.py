"""Messages between the parent and a worker: what is no array."""

from __future__ import annotations

import pickle
import select
import socket
import struct
from typing import Any

__all__ = ["Channel", "dumps"]

_HEADER = struct.Struct("<Q")
_CHUNK = 1 << 16


class Channel:
    """One end of a pair of connected sockets. Sends whole messages; travels to a process that is being started."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._buffer = bytearray()

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two connected ends."""
        one, other = socket.socketpair()
        return cls(one), cls(other)

    def fileno(self) -> int:
        """The descriptor, for ``select``."""
        return self._socket.fileno()

    def begin_send(self, message: bytes) -> memoryview:
        """Send as much as goes without waiting; returns the rest."""
        data = memoryview(_HEADER.pack(len(message)) + message)
        return self.continue_send(data)

    def continue_send(self, rest: memoryview) -> memoryview:
        """Send more of what ``begin_send`` returned, as much as goes without waiting."""
        while rest:
            try:
                rest = rest[self._socket.send(rest, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                break
        return rest

    def finish_send(self, rest: memoryview) -> None:
        """Send the rest, however long it takes."""
        if rest:
            self._socket.sendall(rest)

    def wait_until_writable(self, timeout: float) -> None:
        """Return when more can be sent, or after ``timeout`` seconds."""
        select.select([], [self._socket], [], timeout)

    def send(self, message: bytes) -> None:
        """Send a message, however long it takes."""
        self.finish_send(self.begin_send(message))

    def receive(self) -> bytes:
        """The next message.

        Raises:
            EOFError: the other end is gone.
        """
        self._fill(_HEADER.size)
        (size,) = _HEADER.unpack_from(self._buffer)
        end = _HEADER.size + size
        self._fill(end)
        message = bytes(memoryview(self._buffer)[_HEADER.size : end])
        del self._buffer[:end]
        return message

    def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            try:
                data = self._socket.recv(max(_CHUNK, size - len(self._buffer)))
            except ConnectionError:
                data = b""
            if not data:
                raise EOFError("the other end of the channel is closed")
            self._buffer += data

    def close(self) -> None:
        """Close this end."""
        self._socket.close()


def dumps(value: Any) -> bytes:
    """Pickle, with cloudpickle where plain pickle cannot (lambdas, local classes)."""
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:
        try:
            import cloudpickle
        except ImportError:
            raise
        return cloudpickle.dumps(value)
