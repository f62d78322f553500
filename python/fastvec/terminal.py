"""What a stream is: how wide, whether in colours, whether it can be written over; and lines that fit it.

A file or a pipe has no width: a line stays a line there, and can be searched for.
"""

from __future__ import annotations

import io
import os
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TextIO

__all__ = ["columns", "fit", "fitted_output", "has_colors", "is_live", "is_terminal", "say"]

_STYLES = re.compile(r"\x1b\[[0-9;]*m")
_ROOM = 30
"""Columns that a text needs beside its head; where there are fewer, it begins below."""


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody is looking."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # what was put in a stream's place, or a stream that is closed
        return False


def is_live(stream: TextIO) -> bool:
    """Whether lines that were written can be written over: on a terminal that can, and not in a notebook.

    What a notebook's ``!command`` writes to looks like a terminal, and is shown as it comes.
    """
    in_notebook = "JPY_PARENT_PID" in os.environ or "matplotlib_inline" in os.environ.get("MPLBACKEND", "")
    return is_terminal(stream) and os.environ.get("TERM", "").lower() not in ("", "dumb", "unknown") and not in_notebook


def has_colors(stream: TextIO) -> bool:
    """Whether colours are wanted there: see https://no-color.org."""
    return is_live(stream) and not os.environ.get("NO_COLOR")


def columns(stream: TextIO) -> int | None:
    """How wide a terminal is; None where the stream is none."""
    if not is_terminal(stream):
        return None
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def fit(head: str, text: str = "", width: int | None = None, *, hang: int | None = None) -> str:
    """``head``, two spaces and ``text`` on one line, or on as many lines of at most ``width`` columns as it takes.

    Lines are broken between words alone, and not inside a ``pip install`` that somebody may want to copy. A word that
    is wider than ``width`` has a line for itself.

    Args:
        head: what stands before the text, with its indentation, padded to the width of its column.
        text: may be empty; ``head`` is the text then.
        width: None: everything fits.
        hang: where the lines after the first begin; by default below the text. Where too few columns would be left, the
            text begins on a line of its own, a little further in than the head.
    """
    line = f"{head}  {text}".rstrip() if text else head.rstrip()
    if width is None or len(line) <= width:
        return line
    indent = len(head) - len(head.lstrip())
    if hang is None:
        hang = len(head) + 2 if text else indent + 2
    needed = max(min(_ROOM, len(text)), *map(len, _kept(text).split(" ")))
    if text and width - hang < needed:
        return f"{_fill(head.strip(), width, indent, indent + 4)}\n{_fill(text, width, indent + 4, indent + 4)}"
    return _fill(line.lstrip(), width, indent, hang)


def _fill(text: str, width: int, indent: int, hang: int) -> str:
    filled = textwrap.fill(
        _kept(text),
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace("\N{NO-BREAK SPACE}", " ")


def _kept(text: str) -> str:
    """Commands that stay on a line are one word."""
    return re.sub(r"pip install \S+", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


class _Fitted(io.TextIOBase):
    """Passes on to a terminal what is written, with lines that are too wide for it as lines that fit."""

    def __init__(self, stream: TextIO, width: int) -> None:
        self._stream = stream
        self._width = width

    def write(self, text: str) -> int:
        for line in text.splitlines(keepends=True):
            seen, end = _STYLES.sub("", line.rstrip("\n")), "\n" if line.endswith("\n") else ""
            fits = len(seen) <= self._width
            hang = 2 if seen.startswith("usage") else 0
            self._stream.write(line if fits else fit(seen, width=self._width, hang=hang) + end)
        return len(text)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute
        return self._stream.encoding

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        self._stream.flush()


@contextmanager
def fitted_output() -> Iterator[None]:
    """Has what others print to standard output fit the window, if there is one."""
    width = columns(sys.stdout)
    with nullcontext() if width is None else redirect_stdout(_Fitted(sys.stdout, width)):
        yield


def say(head: str, text: str = "", *, file: TextIO | None = None, hang: int | None = None) -> None:
    """Print lines that fit; see :func:`fit`. Newlines in ``head`` are kept where there is no ``text``.

    Args:
        file: by default standard output.
    """
    stream = sys.stdout if file is None else file
    width = columns(stream)
    lines = [head] if text else head.split("\n")
    print("\n".join(fit(line, text, width, hang=hang) for line in lines), file=stream, flush=True)
