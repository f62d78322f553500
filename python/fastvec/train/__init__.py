"""The trainers. ``import fastvec`` never comes here, and loads PyTorch when a name is first used.

Public names: :class:`PPO`, :class:`PQN`, :class:`SAC`, their settings :class:`PPOConfig` and so on, :func:`gae`,
:func:`preset`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastvec.train.config import PPOConfig, PQNConfig, SACConfig
    from fastvec.train.ppo import PPO
    from fastvec.train.pqn import PQN
    from fastvec.train.presets import preset
    from fastvec.train.returns import gae
    from fastvec.train.sac import SAC

__all__ = ["PPO", "PQN", "SAC", "PPOConfig", "PQNConfig", "SACConfig", "gae", "preset"]

_HOMES = {
    **{"PPO": "ppo", "PQN": "pqn", "SAC": "sac"},
    **{"PPOConfig": "config", "PQNConfig": "config", "SACConfig": "config"},
    **{"gae": "returns", "preset": "presets"},
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
