"""A Python env as bytes, from which it goes on bit for bit."""

from __future__ import annotations

import io
import pickle
from typing import Any

import gymnasium
from gymnasium.utils import EzPickle

__all__ = ["load_env", "save_env"]

try:
    from cloudpickle import CloudPickler as _Pickler
except ImportError:
    from pickle import Pickler as _Pickler


class _EnvPickler(_Pickler):  # type: ignore[misc]  # cloudpickle has no annotations
    """Pickles what an ``EzPickle`` env *is*; by itself it would give the arguments of its constructor only."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, EzPickle):
            return _bare, (type(obj),), dict(obj.__dict__), None, None, _fill
        parent = getattr(super(), "reducer_override", None)
        return NotImplemented if parent is None else parent(obj)


def _bare(kind: type) -> Any:
    return object.__new__(kind)


def _fill(obj: Any, state: dict[str, Any]) -> None:
    obj.__dict__.update(state)


def save_env(env: gymnasium.Env) -> bytes:
    """All of ``env``, wrappers included.

    Raises:
        NotImplementedError: some part of it cannot be pickled.
    """
    buffer = io.BytesIO()
    try:
        _EnvPickler(buffer, pickle.HIGHEST_PROTOCOL).dump(env)
    except Exception as error:
        raise NotImplementedError(
            f"the state of {env} cannot be saved: a part of it cannot be pickled ({type(error).__name__}: {error})"
        ) from error
    return buffer.getvalue()


def load_env(state: bytes) -> gymnasium.Env:
    """The env that :func:`save_env` saved."""
    return pickle.loads(state)
