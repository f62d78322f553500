"""One caller at a time: a second one is refused, not made to wait."""

from __future__ import annotations

import threading

from fastvec import _core

__all__ = ["OneCaller"]


class OneCaller:
    """A lock around each call that refuses a second caller in place of letting it wait.

    Args:
        home: the process whose callers they are.
    """

    def __init__(self, home: _core.Home) -> None:
        self._lock = threading.Lock()
        self._home = home

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._home.require()  # a lock that was taken when the process was forked stays so
            raise RuntimeError(
                "this vector env is in use by another thread: expected one caller at a time; "
                "guard it with a lock or give each thread its own"
            )

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def locked(self) -> bool:
        """Whether a call is under way."""
        return self._lock.locked()
