"""What a vector of native envs needs from Python for as long as it lives.

Most env libraries are self-contained. One that works on objects of another Python package (a simulator's model, say)
takes them as *resources*: a factory, registered for the env's id, opens them when a vector is made. It gives the
native env its keyword arguments (addresses of the package's own memory are integers), and the vector keeps it until
its C++ side is gone. :mod:`fastvec.envs.mujoco` is the example to follow; a package of your own does the same::

    fastvec.resources.register("my_envs/Arm-v0", open_arm, extra="my_envs[arm]")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium

__all__ = [
    "Request",
    "Resources",
    "kwargs_description",
    "kwargs_documentation",
    "missing_extra",
    "open_resources",
    "register",
    "why_not",
]


class Resources:
    """Base class: resources that need nothing but to be kept.

    Attributes:
        native_kwargs: further keyword arguments of the native env. Names with a leading underscore are not the user's:
            they are neither listed nor part of what a saved state is checked against.
        fingerprint: JSON values; a saved state is only loaded where they are equal.
    """

    native_kwargs: Mapping[str, Any] = {}
    fingerprint: Mapping[str, Any] = {}

    def after_batch(self, stacklevel: int = 2) -> None:
        """Called after each reset, step and recv, with the GIL: the place for Python warnings. To be quick."""

    def before_draw(self, gymnasium_env: Any, env: int) -> None:
        """Called when the state of env ``env`` is in Gymnasium's env and about to be drawn by it."""

    def close(self) -> None:
        """Called when the vector is closed, after its C++ side."""

    def attribute(self, name: str, env: int) -> Any:
        """What ``get_attr(name)`` gives for one env; NotImplemented to leave it to others."""
        return NotImplemented


@dataclass(frozen=True)
class Request:
    """What a vector asks a factory for.

    Attributes:
        env_id: the native id.
        num_envs: number of envs.
        env_kwargs: the user's keyword arguments.
        gymnasium_env: makes (once) Gymnasium's own env of this id with these arguments; None where there is none.
    """

    env_id: str
    num_envs: int
    env_kwargs: Mapping[str, Any]
    gymnasium_env: Callable[[], gymnasium.Env] | None


@dataclass(frozen=True)
class _Entry:
    factory: Callable[[Request], Resources]
    extra: str | None
    is_installed: Callable[[], bool]
    why_not: Callable[[str], str | None] | None
    describe_kwargs: Callable[[], Mapping[str, Any]] | None
    kwargs_docs: Mapping[str, str]


_entries: dict[str, _Entry] = {}


def register(
    env_id: str,
    factory: Callable[[Request], Resources],
    *,
    extra: str | None = None,
    is_installed: Callable[[], bool] = lambda: True,
    why_not: Callable[[str], str | None] | None = None,
    describe_kwargs: Callable[[], Mapping[str, Any]] | None = None,
    kwargs_docs: Mapping[str, str] | None = None,
) -> None:
    """Let ``factory(request)`` open the resources of every vector of this native id.

    Args:
        extra: what to ``pip install`` if ``is_installed()`` is False; ``fastvec list`` shows it.
        why_not: asked before a vector is made, with the path of the env library: a sentence that says why what is
            installed does not serve the native env, or None. :func:`fastvec.make_vec` then lets Gymnasium's env step in
            worker processes, and warns with that sentence.
        describe_kwargs: names and defaults of the user's keyword arguments, where they are others than the native
            env declares; called only if ``is_installed()``.
        kwargs_docs: a line on each keyword argument (or more of them) that the native env does not document itself.
    """
    _entries[env_id] = _Entry(factory, extra, is_installed, why_not, describe_kwargs, dict(kwargs_docs or {}))


def missing_extra(env_id: str) -> str | None:
    """What has to be installed before this native env can be made, or None."""
    entry = _entries.get(env_id)
    return None if entry is None or entry.is_installed() else entry.extra


def why_not(env_id: str, library: str) -> str | None:
    """Why what is installed does not serve this native env of this library, or None."""
    entry = _entries.get(env_id)
    if entry is None or entry.why_not is None or not entry.is_installed():
        return None
    return entry.why_not(library)


def kwargs_description(env_id: str) -> Callable[[], Mapping[str, Any]] | None:
    """What tells the user's keyword arguments, if it is not the native env itself."""
    entry = _entries.get(env_id)
    return None if entry is None or not entry.is_installed() else entry.describe_kwargs


def kwargs_documentation(env_id: str) -> Mapping[str, str]:
    """What is said of the user's keyword arguments by others than the native env itself."""
    entry = _entries.get(env_id)
    return {} if entry is None else entry.kwargs_docs


def open_resources(request: Request) -> Resources:
    """The resources of a new vector.

    Raises:
        gymnasium.error.DependencyNotInstalled: the package that has them is missing; the message says how to get it.
    """
    entry = _entries.get(request.env_id)
    if entry is None:
        return Resources()
    extra = missing_extra(request.env_id)
    if extra is not None:
        raise gymnasium.error.DependencyNotInstalled(
            f"{request.env_id} needs a package that is not installed; run `pip install {extra!r}`".replace("'", '"')
        )
    return entry.factory(request)
