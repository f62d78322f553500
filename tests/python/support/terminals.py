"""Commands in a window of a certain size, and what it shows then, by an emulator that knows nothing of them."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte

DEADLINE = 120.0
"""Seconds after which something has gone wrong."""

FASTVEC = (sys.executable, "-m", "fastvec")
_NOT_PASSED_ON = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "JPY_PARENT_PID", "MPLBACKEND", "TTY_COMPATIBLE"}


class Window:
    """A process in a terminal.

    Attributes:
        process: it has the terminal as its standard input, output and error.
        written: all that it has written.
    """

    def __init__(self, process: subprocess.Popen[bytes], keyboard: int) -> None:
        self.process = process
        self.written = b""
        self._keyboard = keyboard

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._keyboard, text.encode())

    def read(self, *, until: bytes | None = None) -> bytes:
        """Read until something stands there, or to the end: what was read this time."""
        start, deadline = len(self.written), time.monotonic() + DEADLINE
        while until is None or until not in self.written[start:]:
            if not select.select([self._keyboard], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{until!r} never came: {self.written.decode(errors='replace')}")
            try:
                piece = os.read(self._keyboard, 65536)
            except OSError:  # the process has ended, and nobody else has the terminal
                piece = b""
            if not piece:
                break
            self.written += piece
        return self.written[start:]


@contextmanager
def window(
    command: Sequence[str], *, columns: int = 60, lines: int = 50, folder: Path | None = None, **environment: str
) -> Iterator[Window]:
    """A command in a window of so many columns and lines; it has ended afterwards."""
    keyboard, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=clean_environment(environment),
        start_new_session=True,
    )
    os.close(terminal)
    try:
        yield Window(process, keyboard)
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)


def run_in_window(
    command: Sequence[str], *, columns: int = 60, folder: Path | None = None, **environment: str
) -> bytes:
    """All that a command writes into a window."""
    with window(command, columns=columns, folder=folder, **environment) as shown:
        return shown.read()


def run_in_pipe(command: Sequence[str], *, folder: Path | None = None) -> str:
    """What a command writes to a pipe, on both of its streams."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(command, **streams, cwd=folder, text=True, env=clean_environment({})).stdout


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of somebody at a terminal."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    return {**kept, "TERM": "xterm-256color", **more}


def screen(written: bytes, columns: int) -> list[str]:
    """The lines that a terminal of so many columns shows, which is so high that none scrolls away."""
    emulated = pyte.Screen(columns, 400)
    pyte.ByteStream(emulated).feed(written)
    shown = [line.rstrip() for line in emulated.display]
    while shown and not shown[-1]:
        shown.pop()
    return shown
