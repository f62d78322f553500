"""The Python side of the native MuJoCo envs.

The env library (cpp/envs/mujoco/) knows MuJoCo by addresses alone. This package gets them from the user's own
``mujoco`` package: the model, loaded by Gymnasium's own env; one ``mujoco.MjData`` per env; and the functions of the
library that those bindings loaded. Nothing of it is imported before such an env is made.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import partial
from typing import Any

from fastvec.envs.mujoco.argument_docs import ARGUMENT_DOCS
from fastvec.native import registry, resources

__all__ = ["ENV_IDS", "is_installed", "register_resources"]

_NAMES = (
    "Ant",
    "HalfCheetah",
    "Hopper",
    "Humanoid",
    "HumanoidStandup",
    "InvertedDoublePendulum",
    "InvertedPendulum",
    "Reacher",
    "Swimmer",
    "Walker2d",
)
#: The native ids. (Pusher-v4 is not among them: Gymnasium does not make it with mujoco 3 or later.)
ENV_IDS = (*(f"{name}-v{version}" for name in _NAMES for version in (4, 5)), "Pusher-v5")


def is_installed() -> bool:
    """Whether ``mujoco``, and what Gymnasium's MuJoCo envs import beside it, can be imported."""
    return all(importlib.util.find_spec(name) is not None for name in ("mujoco", "imageio"))


def _open(request: resources.Request) -> resources.Resources:
    from fastvec.envs.mujoco.simulation import Simulation

    return Simulation(request)


def _describe_kwargs(env_id: str) -> Mapping[str, Any]:
    from fastvec.envs.mujoco.arguments import signature_defaults

    return signature_defaults(env_id)


def register_resources() -> None:
    """Make the envs' resources known to :func:`fastvec.make_vec`."""
    for env_id in ENV_IDS:
        registry.register_resources(
            env_id,
            _open,
            extra="fastvec[mujoco]",
            is_installed=is_installed,
            describe_kwargs=partial(_describe_kwargs, env_id),
            kwargs_docs=ARGUMENT_DOCS,
        )
