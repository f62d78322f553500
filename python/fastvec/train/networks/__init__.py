"""Actor-critic networks.

A network is any module with ``forward(obs) -> (params, values)``. ``obs`` is float32 ``[B, D]`` (or uint8
``[B, H, W, C]`` for images), ``params`` is float32 ``[B, head.num_params]`` and ``values`` is float32 ``[B]``.
A recurrent one is a :class:`RecurrentActorCritic`.
"""

from __future__ import annotations

from fastvec.train.networks.base import ActorCritic, RecurrentActorCritic
from fastvec.train.networks.build import OwnNetwork, adopt_network, build_network
from fastvec.train.networks.cnn import CnnActorCritic
from fastvec.train.networks.lstm import LstmActorCritic
from fastvec.train.networks.mlp import MlpActorCritic

__all__ = [
    "ActorCritic",
    "CnnActorCritic",
    "LstmActorCritic",
    "MlpActorCritic",
    "OwnNetwork",
    "RecurrentActorCritic",
    "adopt_network",
    "build_network",
]
