"""The network for rows of numbers of which some are pictures: convolutions for each of those, the rest as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fastvec.train.config import OnPolicyConfig
from fastvec.train.distributions import ActionDistribution
from fastvec.train.networks.base import SharedActorCritic, linear
from fastvec.train.networks.cnn import make_torso
from fastvec.train.pictures import Picture


class PicturesActorCritic(SharedActorCritic):
    """A CNN for each picture; what they make of them and the rest side by side are what two linear layers see.

    Args:
        num_inputs: the length of a row.
        pictures: where they lie in it.
        head: what the outputs mean.
        config: its sizes; hidden layers are not used.
    """

    def __init__(
        self, num_inputs: int, pictures: Sequence[Picture], head: ActionDistribution, config: OnPolicyConfig
    ) -> None:
        super().__init__()
        self.pictures = tuple(pictures)
        torsos, width = [], 0
        is_rest = torch.ones(num_inputs, dtype=torch.bool)
        for picture in self.pictures:
            torso, features = make_torso(*picture.channels_height_width, layer_norm=config.layer_norm)
            torsos.append(torso)
            width += features
            is_rest[picture.start : picture.start + picture.size] = False
        self.torsos = nn.ModuleList(torsos)
        self.rest: Tensor
        self.register_buffer("rest", is_rest.nonzero().squeeze(-1), persistent=False)
        width += len(self.rest)
        self.joined = nn.Sequential(linear(width, 256, gain=math.sqrt(2.0)), nn.ReLU())
        self._add_layers(256, head, config)

    def features(self, obs: Tensor) -> Tensor:
        """What actor and critic see of rows, float32 ``[B, num_inputs]``: float32 ``[B, 256]``."""
        parts = [obs.index_select(-1, self.rest)]
        for picture, torso in zip(self.pictures, self.torsos, strict=True):
            pixels = obs.narrow(-1, picture.start, picture.size).unflatten(-1, picture.shape)
            parts.append(torso(pixels if picture.channels_first else pixels.movedim(-1, -3)))
        return self.joined(torch.cat(parts, -1))
