"""How many threads the libraries in a worker use."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["environment_limited_to", "limit_threads"]

_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@contextlib.contextmanager
def environment_limited_to(threads: int | None) -> Iterator[None]:
    """Set the variables that the libraries read when they are loaded, for processes that start inside.

    None leaves the environment alone.
    """
    before = {name: os.environ.get(name) for name in _VARIABLES}
    if threads is not None:
        os.environ.update(dict.fromkeys(_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def limit_threads(threads: int | None) -> None:
    """Limit the libraries of this process, those that are loaded already among them; None: leave them alone."""
    if threads is None:
        return
    os.environ.update(dict.fromkeys(_VARIABLES, str(threads)))
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return
    threadpool_limits(threads)
