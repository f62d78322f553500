"""What ``fastvec.make_vec`` asks of a backend, and the sources that more than one of them knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from gymnasium.envs.registration import EnvSpec

from fastvec.vector.options import VectorOptions
from fastvec.vector.vector_env import VectorEnv

__all__ = ["Backend", "RegisteredEnv"]


@dataclass(frozen=True)
class RegisteredEnv:
    """A source of envs: an entry of Gymnasium's registry.

    Attributes:
        name: the id, with its module in front where it was asked for so: ``"module:id"``.
        spec: the entry.
    """

    name: str
    spec: EnvSpec


class Backend(Protocol):
    """A backend, as its module ``backend`` is one.

    A source is what envs are made from: a native env type, a :class:`RegisteredEnv`, a spec that is in no registry, a
    callable that makes an env, or a sequence of callables.

    Attributes:
        NAME: as in ``make_vec(backend=...)``.
        ENVS_ARE_GYMNASIUMS: whether its envs have the numbers of those that ``gymnasium.make`` makes of the source.
    """

    NAME: str
    ENVS_ARE_GYMNASIUMS: bool

    def accepts(self, source: object) -> bool:
        """Whether it can make envs of this source."""

    def make(self, source: Any, options: VectorOptions, env_kwargs: dict[str, Any], cores: int) -> VectorEnv:
        """A vector of envs of a source that it accepts.

        Args:
            source: what it makes the envs from.
            options: checked already; those of other backends are not looked at.
            env_kwargs: the env's keyword arguments, as Gymnasium's class takes them.
            cores: the most threads or workers where the options name no number.

        Raises:
            TypeError, ValueError: what the backend does not have for this source.
        """
