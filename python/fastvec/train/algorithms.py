"""The training algorithms by name. Finding one loads no PyTorch; its trainer is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from fastvec.train.config import PPOConfig, PQNConfig, SACConfig

DEFAULT_ALGORITHM = "ppo"


@dataclass(frozen=True)
class Algorithm:
    """What the command line and a run directory need to know of an algorithm.

    Attributes:
        name: in flags, presets, run directories and checkpoints.
        config: the frozen dataclass of its settings.
        trainer: where its trainer is, as ``"module:class"``.
        acting: settings of a trainer whose policy is only used (evaluated, exported): training's environments, of which
            there may be thousands, are not made.
    """

    name: str
    config: type[Any]
    trainer: str
    acting: Mapping[str, Any] = field(default_factory=dict)

    def trainer_class(self) -> Any:
        """Its trainer's class. This is what loads PyTorch."""
        module, _, name = self.trainer.partition(":")
        return getattr(import_module(module), name)


ACTING_ON_POLICY = {"num_envs": 1, "num_steps": 1, "num_minibatches": 1, "env_groups": None, "compile": False}

ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("ppo", config=PPOConfig, trainer="fastvec.train.ppo:PPO", acting=ACTING_ON_POLICY),
        Algorithm("pqn", config=PQNConfig, trainer="fastvec.train.pqn:PQN", acting=ACTING_ON_POLICY),
        Algorithm(
            "sac",
            config=SACConfig,
            trainer="fastvec.train.sac:SAC",
            acting={
                **{"num_envs": 1, "num_steps": 1, "env_groups": None, "compile": False},
                **{"buffer_size": 1, "batch_size": 1, "save_replay": False},
            },
        ),
    )
}


def find_algorithm(name: str = DEFAULT_ALGORITHM) -> Algorithm:
    """The algorithm of that name.

    Raises:
        ValueError: there is none; the message names those that there are.
    """
    if name not in ALGORITHMS:
        raise ValueError(f"expected algorithm to be one of {', '.join(ALGORITHMS)}, got {name!r}")
    return ALGORITHMS[name]
