"""The Python side of the native Box2D envs.

The env library (cpp/envs/box2d/) uses the Box2D that the user's own ``box2d`` package brings, by the addresses of its
functions, so that its float32 results are those of Gymnasium's envs to the last bit. Nothing of it is imported before
such an env is made.
"""

from __future__ import annotations

import gymnasium

from fastvec.envs.box2d import picture_proof
from fastvec.envs.box2d.library import is_installed, why_not
from fastvec.native import registry, resources

__all__ = ["ENV_IDS", "register_resources"]

#: The native ids.
ENV_IDS = ("LunarLander-v3", "LunarLanderContinuous-v3", "BipedalWalker-v3", "BipedalWalkerHardcore-v3", "CarRacing-v3")


def _open(request: resources.Request) -> resources.Resources:
    from fastvec.envs.box2d.simulation import Races, Worlds

    return Races(request) if request.env_id == "CarRacing-v3" else Worlds(request)


def _why_no_race(env_library: str) -> str | None:
    """CarRacing's observation is a picture: it needs pygame's pixels beside Box2D's numbers."""
    version = gymnasium.__version__
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) < (1, 4):
        return f"CarRacing writes its reward without fractions since Gymnasium 1.4, and {version} is installed"
    return why_not(env_library) or picture_proof.why_not(env_library)


_KWARGS_DOCS = {
    "LunarLander-v3": {"continuous": "throttles of two engines as the action, in place of four numbers"},
    "LunarLanderContinuous-v3": {"continuous": "throttles of two engines as the action, in place of four numbers"},
    "CarRacing-v3": {"verbose": "print what tracks are made of: with backend='process' alone"},
}


def register_resources() -> None:
    """Make the envs' resources known to :func:`fastvec.make_vec`."""
    for env_id in ENV_IDS:
        registry.register_resources(
            env_id,
            _open,
            extra="fastvec[box2d]",
            is_installed=is_installed,
            why_not=_why_no_race if env_id == "CarRacing-v3" else why_not,
            kwargs_docs=_KWARGS_DOCS.get(env_id),
        )
