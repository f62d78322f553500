"""``NativeEnvType``: the one record of what Python knows of a native env type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium

from fastvec import _core
from fastvec.native.counterpart import GymnasiumCounterpart
from fastvec.native.resources import Request, Resources, ResourcesEntry

__all__ = ["NativeEnvType"]


@dataclass(frozen=True)
class NativeEnvType:
    """A native env type.

    Attributes:
        id: such as ``"CartPole-v1"``, or ``"namespace/Name-v0"`` for most that do not come with fastvec.
        core: the handle that ``fastvec._core`` takes.
        library: path of the env library.
        counterpart: Gymnasium's class of the same numbers; None for an env that Gymnasium does not have.
        resources: who opens what a vector needs from Python; None for an env that needs nothing.
    """

    id: str
    core: _core.EnvType
    library: str
    counterpart: GymnasiumCounterpart | None = None
    resources: ResourcesEntry | None = None

    @property
    def kwargs(self) -> list[tuple[str, str, Any, str]]:
        """``(name, type, default, doc)`` of each keyword argument."""
        return self.core.kwargs

    @property
    def option_names(self) -> list[str]:
        """The names that ``reset(options=...)`` understands."""
        return [name for name, _ in self.core.options]

    @property
    def registered_id(self) -> str:
        """Its own id in Gymnasium's registry: ``fastvec/<id>``, or the id itself where it has a namespace.

        >>> from fastvec.native import registry
        >>> registry.get("CartPole-v1").registered_id
        'fastvec/CartPole-v1'
        """
        return self.id if "/" in self.id else f"fastvec/{self.id}"

    @property
    def gymnasium_id(self) -> str:
        """The id in Gymnasium's registry whose spec a vector shows: Gymnasium's own where it has the env."""
        return self.registered_id if self.counterpart is None else self.counterpart.gymnasium_id

    def missing_extra(self) -> str | None:
        """What has to be installed before a vector of it can be made, or None."""
        return None if self.resources is None or self.resources.is_installed() else self.resources.extra

    def why_not(self) -> str | None:
        """Why what is installed does not serve it, or None; None too where nothing is installed."""
        entry = self.resources
        if entry is None or entry.refusal is None or not entry.is_installed():
            return None
        return entry.refusal(self.library)

    def open_resources(self, request: Request) -> Resources:
        """The resources of a new vector.

        Raises:
            gymnasium.error.DependencyNotInstalled: the package that has them is missing; the message says how to get
                it.
        """
        if self.resources is None:
            return Resources()
        extra = self.missing_extra()
        if extra is not None:
            raise gymnasium.error.DependencyNotInstalled(
                f"{self.id} needs a package that is not installed; run `pip install {extra!r}`".replace("'", '"')
            )
        return self.resources.factory(request)
