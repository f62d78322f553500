"""The built-in envs whose source compiles to kernels: the headers that the library on the CPU is built from."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["BuiltinEnv", "builtin_env", "builtin_ids"]

_FOLDER = Path(__file__).parent / "envs"


class BuiltinEnv(NamedTuple):
    """Where a built-in env's class is.

    Attributes:
        header: its header.
        env_class: its name in C++.
        max_episode_steps: the time limit that its id has.
    """

    header: Path
    env_class: str
    max_episode_steps: int


_ENVS = MappingProxyType(
    {
        "CartPole-v0": BuiltinEnv(_FOLDER / "classic_control/cartpole.hpp", "classic_control::CartPole", 200),
        "CartPole-v1": BuiltinEnv(_FOLDER / "classic_control/cartpole.hpp", "classic_control::CartPole", 500),
        "MountainCar-v0": BuiltinEnv(_FOLDER / "classic_control/mountain_car.hpp", "classic_control::MountainCar", 200),
        "MountainCarContinuous-v0": BuiltinEnv(
            _FOLDER / "classic_control/mountain_car_continuous.hpp", "classic_control::MountainCarContinuous", 999
        ),
        "Pendulum-v1": BuiltinEnv(_FOLDER / "classic_control/pendulum.hpp", "classic_control::Pendulum", 200),
        "Acrobot-v1": BuiltinEnv(_FOLDER / "classic_control/acrobot.hpp", "classic_control::Acrobot", 500),
    }
)


def builtin_ids() -> tuple[str, ...]:
    """The ids that :func:`builtin_env` knows."""
    return tuple(_ENVS)


def builtin_env(env_id: str) -> BuiltinEnv:
    """The header and the class of a built-in env, for :func:`fastvec.gpu_kernels.generate`.

    Raises:
        ValueError: there is no kernel of this id.
    """
    try:
        return _ENVS[env_id]
    except KeyError:
        raise ValueError(f"expected one of {', '.join(_ENVS)}, got {env_id!r}") from None
