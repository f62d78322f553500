"""The network for images: convolutions that actor and critic share."""

from __future__ import annotations

import math

from torch import Tensor, nn

from fastvec.train.config import OnPolicyConfig
from fastvec.train.distributions import ActionDistribution
from fastvec.train.networks.base import SharedActorCritic, linear


class CnnActorCritic(SharedActorCritic):
    """Convolutions that suit the size of the image and a linear layer, shared by actor and critic.

    The layer has 512 units, or 256 for images below 36 x 36. Pixels are scaled on the device, to 1 at ``largest``.
    An image has its channels where its shape is shorter, first or last.
    """

    def __init__(
        self, obs_shape: tuple[int, ...], head: ActionDistribution, config: OnPolicyConfig, *, largest: float = 255.0
    ) -> None:
        super().__init__()
        self.largest = largest
        self.channels_first = obs_shape[0] <= obs_shape[-1]
        channels, height, width = obs_shape if self.channels_first else (obs_shape[2], *obs_shape[:2])
        self.torso, hidden = make_torso(channels, height, width, layer_norm=config.layer_norm)
        self._add_layers(hidden, head, config)

    def features(self, obs: Tensor) -> Tensor:
        """What actor and critic see of images, uint8 ``[B, *obs_shape]``: float32 ``[B, hidden]``."""
        images = obs if self.channels_first else obs.movedim(-1, -3)
        return self.torso(images.float() / self.largest)


def make_torso(channels: int, height: int, width: int, *, layer_norm: bool) -> tuple[nn.Sequential, int]:
    """Convolutions and a linear layer for images ``[B, channels, height, width]``.

    Args:
        channels: of the images.
        height: likewise.
        width: likewise.
        layer_norm: whether each layer is followed by a normalisation.

    Returns:
        The module, and how many features it gives.
    """
    hidden = 512 if min(height, width) >= 36 else 256
    layers: list[nn.Module] = []
    for outputs, kernel, stride, padding in convolutions_for(height, width):
        layer = nn.Conv2d(channels, outputs, kernel, stride, padding)
        nn.init.orthogonal_(layer.weight, math.sqrt(2.0))
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        norm = [nn.GroupNorm(1, outputs)] if layer_norm else []
        layers += [layer, *norm, nn.ReLU()]
        channels = outputs
        height, width = ((size + 2 * padding - kernel) // stride + 1 for size in (height, width))
    flat = channels * height * width
    last = [nn.LayerNorm(hidden)] if layer_norm else []
    torso = nn.Sequential(*layers, nn.Flatten(), linear(flat, hidden, gain=math.sqrt(2.0)), *last, nn.ReLU())
    return torso, hidden


def convolutions_for(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """``(channels, kernel, stride, padding)`` of each convolution that suits images of this size.

    From 36 x 36 pixels on, those of Mnih et al. (2015), which were made for 84 x 84. Smaller pictures are mostly
    grids in which every pixel means something of its own: kernels are small, and padding keeps the borders, so that
    no size is too small.
    """
    shorter = min(height, width)
    if shorter >= 36:
        return [(32, 8, 4, 0), (64, 4, 2, 0), (64, 3, 1, 0)]
    if shorter >= 16:
        return [(32, 4, 2, 1), (64, 4, 2, 1)]
    return [(32, 3, 1, 1), (32, 3, 2, 1)]
