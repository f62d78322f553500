"""``gymnasium.make_vec``'s own arguments, ``vectorization_mode`` and ``vector_kwargs``, as fastvec's options."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

from gymnasium.envs.registration import VectorizeMode

from fastvec.vector.cores import usable_cores

__all__ = ["ASYNC_VECTOR_ENVS_OWN", "checked_mode", "options_of"]

# Arguments of SyncVectorEnv and AsyncVectorEnv that are options here by the same names.
_OPTIONS = ("autoreset_mode", "copy", "context", "observation_mode")

ASYNC_VECTOR_ENVS_OWN = ("shared_memory", "daemon", "worker", "max_concurrency")
"""Arguments of AsyncVectorEnv that say how its workers do their work."""


def checked_mode(mode: VectorizeMode | str | None) -> VectorizeMode | None:
    """The mode; ValueError where Gymnasium has none of that name."""
    try:
        return None if mode is None else VectorizeMode(mode)
    except ValueError:
        names = ", ".join(repr(known.value) for known in VectorizeMode)
        raise ValueError(f"expected vectorization_mode to be None or one of {names}, got {mode!r}") from None


def options_of(vector_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options that arguments of ``SyncVectorEnv`` or ``AsyncVectorEnv`` stand for, by name.

    ``shared_memory`` says how AsyncVectorEnv moves its numbers, and so nothing here. ``max_concurrency`` says how many
    envs may be stepped at once, and so a number of workers, where it is below that of cores.

    Raises:
        ValueError: a ``max_concurrency`` that is no positive integer.
        TypeError: an argument that neither class has, or what fastvec's workers cannot be: not daemons, or running
            a loop of the caller's own.
    """
    given = dict(vector_kwargs or {})
    given.pop("shared_memory", None)
    if not given.pop("daemon", True):
        raise TypeError("vector_kwargs: expected daemon to be True, got False: workers end with the process they serve")
    worker = given.pop("worker", None)
    if worker is not None:
        raise TypeError(f"vector_kwargs: expected no worker, got {worker!r}: fastvec's workers run its own loop")
    limit = given.pop("max_concurrency", None)
    if limit is not None and (not isinstance(limit, numbers.Integral) or limit < 1):
        raise ValueError(f"expected max_concurrency to be None or a positive integer, got {limit!r}")
    for name in given:
        if name not in _OPTIONS:
            known = ", ".join([*_OPTIONS, *ASYNC_VECTOR_ENVS_OWN])
            raise TypeError(f"vector_kwargs: unexpected argument {name!r} (known: {known})")
    if limit is not None and limit < usable_cores():
        given["num_workers"] = int(limit)
    return given
