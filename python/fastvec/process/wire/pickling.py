"""Pickling between processes that may have another ``__main__``: that of a notebook, or of a script's guarded part.

Plain pickle writes classes and functions down by name. A name in ``__main__`` means nothing to a worker that was not
forked: it has the names of an imported script at best, and none of a notebook's. So these go by value.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["dumps", "dumps_by_value", "dumps_for", "unimportable_main_hidden"]

_MAIN = b"__main__"  # in a pickle that names something of that module, and seldom in another


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


def dumps_by_value(value: Any) -> bytes:
    """Pickle for a process that was not forked: what lives in ``__main__`` goes by value.

    By name all the same, where it refers to something that cannot be pickled and the process may import the script.
    """
    data = dumps(value)
    if _MAIN not in data:
        return data
    try:
        import cloudpickle

        return cloudpickle.dumps(value)
    except Exception:
        if _main_can_be_imported():
            return data
        raise


def dumps_for(start_method: str) -> Callable[[Any], bytes]:
    """What to pickle with for workers that are started in this way."""
    return _dumps_for_a_fork if start_method == "fork" else dumps_by_value


def _dumps_for_a_fork(value: Any) -> bytes:
    """By name, which gives the class that the forked envs know too; by value if it was defined after the fork."""
    data = dumps(value)
    if _MAIN not in data:
        return data
    try:
        import cloudpickle

        return pickle.dumps(_Either(data, cloudpickle.dumps(value)), pickle.HIGHEST_PROTOCOL)
    except Exception:
        return data


class _Either:
    """Is unpickled as what the first of two pickles holds, or the second if that cannot be."""

    def __init__(self, first: bytes, second: bytes) -> None:
        self._pickles = first, second

    def __reduce__(self) -> tuple[Any, ...]:
        return _loads_either, self._pickles


def _loads_either(first: bytes, second: bytes) -> Any:
    try:
        return pickle.loads(first)
    except (AttributeError, ImportError):
        return pickle.loads(second)


def _main_can_be_imported() -> bool:
    """Whether ``multiprocessing`` can import the main module in the processes that it starts."""
    main = sys.modules.get("__main__")
    return getattr(main, "__spec__", None) is not None or Path(getattr(main, "__file__", None) or "").is_file()


@contextlib.contextmanager
def unimportable_main_hidden() -> Iterator[None]:
    """Keep ``multiprocessing`` from importing a main module that has no file: that of ``python -``, named "<stdin>"."""
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    if path is None or _main_can_be_imported():
        yield
        return
    del main.__file__  # type: ignore[union-attr]
    try:
        yield
    finally:
        main.__file__ = path  # type: ignore[union-attr]
