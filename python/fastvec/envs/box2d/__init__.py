"""The Python side of the native Box2D envs.

The env library (cpp/envs/box2d/) uses the Box2D that the user's own ``box2d`` package brings, by the addresses of its
functions, so that its float32 results are those of Gymnasium's envs to the last bit. Nothing of it is imported before
such an env is made.
"""

from __future__ import annotations

from fastvec.envs.box2d.library import is_installed, why_not
from fastvec.native import registry, resources

__all__ = ["ENV_IDS", "register_resources"]

#: The native ids. (CarRacing is not among them: its observation is a picture that pygame draws.)
ENV_IDS = ("LunarLander-v3", "LunarLanderContinuous-v3", "BipedalWalker-v3", "BipedalWalkerHardcore-v3")


def _open(request: resources.Request) -> resources.Resources:
    from fastvec.envs.box2d.simulation import Worlds

    return Worlds(request)


_KWARGS_DOCS = {"continuous": "throttles of two engines as the action, in place of four numbers"}


def register_resources() -> None:
    """Make the envs' resources known to :func:`fastvec.make_vec`."""
    for env_id in ENV_IDS:
        registry.register_resources(
            env_id,
            _open,
            extra="fastvec[box2d]",
            is_installed=is_installed,
            why_not=why_not,
            kwargs_docs=_KWARGS_DOCS if env_id.startswith("LunarLander") else None,
        )
