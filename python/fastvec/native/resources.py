"""What a vector of native envs needs from Python for as long as it lives.

Most env libraries are self-contained. One that works on objects of another Python package (a simulator's model, say)
takes them as *resources*: a factory, registered for the env's id, opens them when a vector is made. It gives the
native env its keyword arguments (addresses of the package's own memory are integers), and the vector keeps it until
its C++ side is gone. :mod:`fastvec.envs.mujoco` is the example to follow; a package of your own does the same::

    fastvec.resources.register("my_envs/Arm-v0", open_arm, extra="my_envs[arm]")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium

__all__ = ["Request", "Resources", "ResourcesEntry"]


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
        """Called after each reset, step and recv, with the GIL: the place for Python warnings. To be quick.

        Args:
            stacklevel: for ``warnings.warn``, so that it names the line of whoever called the vector.
        """

    def before_draw(self, gymnasium_env: Any, env: int) -> None:
        """Called when the state of env ``env`` is in ``gymnasium_env`` and about to be drawn by it."""

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
class ResourcesEntry:
    """How the resources of a native env type are opened.

    Attributes:
        factory: ``factory(request)`` opens those of one vector.
        extra: what to ``pip install`` if ``is_installed()`` is False.
        is_installed: whether the package that has them is there.
        refusal: ``refusal(library)`` says why what is installed does not serve the env of that library, or None.
        describe_kwargs: names and defaults of the user's keyword arguments, where the native env declares others.
        kwargs_docs: a line on each keyword argument that the native env does not document itself.
    """

    factory: Callable[[Request], Resources]
    extra: str | None = None
    is_installed: Callable[[], bool] = lambda: True
    refusal: Callable[[str], str | None] | None = None
    describe_kwargs: Callable[[], Mapping[str, Any]] | None = None
    kwargs_docs: Mapping[str, str] = field(default_factory=dict)
