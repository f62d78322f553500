"""``gymnasium.make_vec``'s own arguments, ``vectorization_mode`` and ``vector_kwargs``, as fastvec's options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gymnasium.envs.registration import VectorizeMode

__all__ = ["checked_mode", "options_of"]

# Arguments of SyncVectorEnv and AsyncVectorEnv that are options here by the same names.
_OPTIONS = ("autoreset_mode", "copy", "context", "observation_mode")


def checked_mode(mode: VectorizeMode | str | None) -> VectorizeMode | None:
    """The mode; ValueError where Gymnasium has none of that name."""
    try:
        return None if mode is None else VectorizeMode(mode)
    except ValueError:
        names = ", ".join(repr(known.value) for known in VectorizeMode)
        raise ValueError(f"expected vectorization_mode to be None or one of {names}, got {mode!r}") from None


def options_of(vector_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options that arguments of ``SyncVectorEnv`` or ``AsyncVectorEnv`` stand for, by name.

    ``shared_memory`` says how AsyncVectorEnv moves its numbers, and so nothing here.

    Raises:
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
    for name in given:
        if name not in _OPTIONS:
            known = ", ".join([*_OPTIONS, "shared_memory", "daemon"])
            raise TypeError(f"vector_kwargs: unexpected argument {name!r} (known: {known})")
    return given
