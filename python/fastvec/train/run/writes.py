"""Writing what a run leaves behind, on a disk that may be full for a while."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Writes:
    """Tries to write, and remembers what is not on the disk: training goes on meanwhile.

    Attributes:
        unsaved: by name, why the newest attempt failed.
        warn: takes a line for the user when a file cannot be written for the first time.
    """

    def __init__(self, warn: Callable[[str], None] | None = None) -> None:
        self.unsaved: dict[str, OSError] = {}
        self.warn = warn

    def attempt(self, name: str, write: Callable[[], object]) -> None:
        """Call ``write``; what stands in its way is kept in :attr:`unsaved`.

        Args:
            name: of what it writes, for the user.
            write: raises OSError where the disk does not take it.
        """
        try:
            write()
        except OSError as error:
            if name not in self.unsaved and self.warn is not None:
                self.warn(f"{name} could not be written ({error}); training goes on, and it is tried again")
            self.unsaved[name] = error
        else:
            self.unsaved.pop(name, None)

    def check(self) -> None:
        """Make sure that all is written.

        Raises:
            OSError: it is not; the message says what is missing, and why.
        """
        if self.unsaved:
            missing = "; ".join(f"{name} ({error})" for name, error in self.unsaved.items())
            raise OSError(f"could not be saved: {missing}")


class RowLog:
    """A file with a JSON object a line, to which rows are added. Rows that the disk does not take are kept for later.

    Args:
        path: the file; one that is there is continued.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = path.stat().st_size if path.exists() else 0
        self._lines: list[bytes] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row, and :meth:`flush`."""
        self._lines.append((json.dumps(row) + "\n").encode())
        self.flush()

    def flush(self) -> None:
        """Write the rows that are not in the file.

        Raises:
            OSError: the disk does not take them; the next call tries again.
        """
        if not self._lines:
            return
        content = b"".join(self._lines)
        with self.path.open("ab") as file:
            file.truncate(self._size)  # part of a row that an attempt before has left
            file.write(content)
        self._size += len(content)
        self._lines = []
