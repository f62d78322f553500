"""The network of a trainer: the one that fits its observations, or a user's own, which is tried first."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fastvec.train.config import OnPolicyConfig, PQNConfig
from fastvec.train.distributions import ActionDistribution
from fastvec.train.networks.base import ActorCritic
from fastvec.train.networks.cnn import CnnActorCritic
from fastvec.train.networks.lstm import LstmActorCritic
from fastvec.train.networks.mlp import MlpActorCritic, MlpQNetwork
from fastvec.train.networks.modes import modules_in_training, set_training
from fastvec.train.networks.pictures import PicturesActorCritic
from fastvec.train.pictures import Picture


def build_network(
    obs_shape: tuple[int, ...],
    obs_dtype: torch.dtype,
    head: ActionDistribution,
    config: OnPolicyConfig,
    *,
    largest: float = 255.0,
    pictures: Sequence[Picture] = (),
) -> ActorCritic:
    """The network that fits the observations.

    A CNN for uint8 images, one for each picture in a row of numbers, two MLPs (for Q-learning, one) for everything
    else, and an LSTM behind one of the two where ``config.lstm_size`` asks for it. Weights depend on ``config.seed``
    alone; the global random state stays as it was.

    Args:
        obs_shape: of one encoded observation.
        obs_dtype: uint8 for images, else float32.
        head: what the outputs mean.
        config: its sizes, activation and seed.
        largest: the brightest that a pixel of an image may be.
        pictures: those that lie in a row of numbers; an LSTM sees them as numbers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.lstm_size:
            return LstmActorCritic(obs_shape, obs_dtype, head, config, largest=largest)
        if obs_dtype == torch.uint8:
            return CnnActorCritic(obs_shape, head, config, largest=largest)
        if pictures:
            return PicturesActorCritic(math.prod(obs_shape), pictures, head, config)
        if isinstance(config, PQNConfig):
            return MlpQNetwork(math.prod(obs_shape), head, config)
        return MlpActorCritic(math.prod(obs_shape), head, config)


def adopt_network(
    module: nn.Module, obs_shape: tuple[int, ...], obs_dtype: torch.dtype, head: ActionDistribution
) -> ActorCritic:
    """``module`` as the trainer uses it, tried on two rows of zeros.

    Raises:
        ValueError: its output does not fit, or it has no float32 parameters.
    """
    network = module if isinstance(module, ActorCritic) else OwnNetwork(module)
    parameters = list(network.parameters())
    if not any(p.requires_grad for p in parameters):
        raise ValueError(f"{type(module).__name__} has no parameters to train: expected one with requires_grad")
    if wrong := {str(p.dtype) for p in parameters if p.dtype != torch.float32}:
        raise ValueError(f"parameters must be float32, {type(module).__name__} has {', '.join(sorted(wrong))}")
    obs = torch.zeros(2, *obs_shape, dtype=obs_dtype, device=parameters[0].device)
    lead: tuple[int, ...] = (2,)
    inputs: tuple[Tensor, ...] = (obs,)
    if network.memory_size:
        lead = (1, 2)
        memory, episode_starts = obs.new_zeros(2, network.memory_size, dtype=torch.float32), obs.new_ones(lead).float()
        inputs = (obs.unsqueeze(0), memory, episode_starts)
    modules = modules_in_training(network)
    set_training(modules, False)
    with torch.no_grad():
        outputs = network(*inputs)
    set_training(modules, True)
    shapes = [(*lead, head.num_params), lead] + ([(*lead, network.memory_size)] if network.memory_size else [])
    names = ["params", "values", "memories"]
    for name, shape, output in zip(names, shapes, outputs, strict=False):
        if tuple(output.shape) != shape or output.dtype != torch.float32:
            raise ValueError(
                f"{type(module).__name__} must give {name} as float32 {list(shape)} for observations "
                f"{list(inputs[0].shape)}, it gave {output.dtype} {list(output.shape)}"
            )
    return network


class OwnNetwork(ActorCritic):
    """A user's module with ``forward(obs) -> (params, values)``, and nothing else of ours."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.pure = bool(getattr(module, "pure", False))

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """``(params, values)`` of observations ``[B, *obs_shape]``."""
        params, values = self.module(obs)
        return params, values
