"""Networks of soft actor-critic: an actor of squashed normals, and two critics that are computed as one.

Two forms: plain layers (Haarnoja et al., 2018), and residual blocks whose features and weights have length 1, with
critics that give a distribution (SimbaV2: Lee et al., 2025, arXiv 2502.15280).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad, relu

from fastvec.train.config import SACConfig
from fastvec.train.networks.base import ACTIVATIONS

NUM_CRITICS = 2
LOG_STD_BOUNDS = (-5.0, 2.0)


class SoftActorCritic(nn.Module):
    """An actor, and two critics of what an action is worth.

    Attributes:
        support: float32 ``[num_atoms]``: the values over which critics give a distribution; None where they give a
            number.
    """

    memory_size = 0
    pure = True
    support: Tensor | None

    def __init__(self, num_inputs: int, num_actions: int, config: SACConfig) -> None:
        super().__init__()
        inputs = num_inputs + num_actions
        if config.network == "mlp":
            self.actor_net: nn.Module = MlpActor(num_inputs, 2 * num_actions, config)
            self.critic_net: nn.Module = TwinMlp(inputs, config)
            self.support = None
        else:
            self.actor_net = Residual(num_inputs, 2 * num_actions, config.actor_width, config.num_blocks, copies=1)
            self.critic_net = Residual(
                inputs, config.num_atoms, config.critic_width, config.num_blocks, copies=NUM_CRITICS
            )
            self.register_buffer("support", torch.linspace(-config.value_range, config.value_range, config.num_atoms))

    def actor(self, obs: Tensor) -> Tensor:
        """Means and logarithms of deviations ``[B, 2 A]`` for observations ``[B, D]``."""
        return bound_log_std(self.actor_net(obs))

    def critics(self, obs: Tensor, actions: Tensor) -> Tensor:
        """What both critics give: numbers ``[2, B]``, or logits ``[2, B, num_atoms]``."""
        return self.critic_net(torch.cat([obs, actions], -1))

    def forward(self, obs: Tensor, actions: Tensor | None = None) -> Tensor:
        """:meth:`critics` of the actions, or :meth:`actor` where there are none."""
        return self.actor(obs) if actions is None else self.critics(obs, actions)


def bound_log_std(outputs: Tensor) -> Tensor:
    """An actor's outputs, means beside logarithms of deviations, with the latter brought between LOG_STD_BOUNDS."""
    mean, log_std = outputs.chunk(2, -1)
    low, high = LOG_STD_BOUNDS
    return torch.cat([mean, low + 0.5 * (high - low) * (log_std.tanh() + 1.0)], -1)


class MlpActor(nn.Module):
    """Plain layers from observations to the parameters of normals."""

    def __init__(self, inputs: int, outputs: int, config: SACConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in config.hidden_sizes:
            layers += [nn.Linear(inputs, width), ACTIVATIONS[config.activation]()]
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, outputs))

    def forward(self, obs: Tensor) -> Tensor:
        """``[B, outputs]``."""
        return self.layers(obs)


class TwinLinear(nn.Module):
    """``copies`` linear layers side by side, as one batched product, begun as ``nn.Linear`` begins each."""

    def __init__(self, inputs: int, outputs: int, copies: int) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(copies, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(copies, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """``[copies, B, outputs]`` of ``[copies, B, inputs]``."""
        return torch.baddbmm(self.bias, x, self.weight)


class TwinMlp(nn.Module):
    """Two critics of plain layers."""

    def __init__(self, inputs: int, config: SACConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in config.hidden_sizes:
            layers += [TwinLinear(inputs, width, NUM_CRITICS), ACTIVATIONS[config.activation]()]
            inputs = width
        self.layers = nn.Sequential(*layers, TwinLinear(inputs, 1, NUM_CRITICS))

    def forward(self, x: Tensor) -> Tensor:
        """``[2, B]`` of ``[B, inputs]``."""
        return self.layers(x.expand(NUM_CRITICS, *x.shape)).squeeze(-1)


class UnitLinear(nn.Module):
    """``copies`` linear layers without bias, whose columns of weights have length 1: :func:`project` sees to it."""

    def __init__(self, inputs: int, outputs: int, copies: int) -> None:
        super().__init__()
        self.unit_weight = nn.Parameter(torch.empty(copies, inputs, outputs))
        for weight in self.unit_weight.data:
            nn.init.orthogonal_(weight)
        self.unit_weight.data = normalize(self.unit_weight.data, dim=-2)

    def forward(self, x: Tensor) -> Tensor:
        """``[copies, B, outputs]`` of ``[copies, B, inputs]``."""
        return torch.bmm(x, self.unit_weight)


class Scaler(nn.Module):
    """A factor for each feature, learned at a rate of its own: it begins at ``start`` and is kept as ``scale``."""

    def __init__(self, size: int, start: float, scale: float, copies: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full((copies, 1, size), scale))
        self.forward_factor = start / scale

    def forward(self, x: Tensor) -> Tensor:
        """``x``, scaled."""
        return x * (self.factor * self.forward_factor)


class Residual(nn.Module):
    """Blocks that move features on the unit sphere, ``copies`` of them as one.

    Observations get one more number, so that their length is not lost when they are put on the sphere.
    """

    SHIFT = 3.0

    def __init__(self, inputs: int, outputs: int, width: int, num_blocks: int, *, copies: int) -> None:
        super().__init__()
        self.copies = copies
        root = math.sqrt(2.0 / width)
        self.embed = UnitLinear(inputs + 1, width, copies)
        self.embed_scale = Scaler(width, root, root, copies)
        self.blocks = nn.ModuleList(UnitBlock(width, num_blocks, copies) for _ in range(num_blocks))
        self.out = UnitLinear(width, width, copies)
        self.out_scale = Scaler(width, 1.0, 1.0, copies)
        self.last = UnitLinear(width, outputs, copies)
        self.bias = nn.Parameter(torch.zeros(copies, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``[B, outputs]`` of ``[B, inputs]``, or ``[copies, B, outputs]`` for several copies."""
        x = normalize(pad(x, (0, 1), value=self.SHIFT), dim=-1)
        h = normalize(self.embed_scale(self.embed(x.expand(self.copies, *x.shape))), dim=-1)
        for block in self.blocks:
            h = block(h)
        y = self.last(self.out_scale(self.out(h))) + self.bias
        return y[0] if self.copies == 1 else y


class UnitBlock(nn.Module):
    """Features on the sphere, moved part of the way to where two layers point."""

    EXPANSION = 4

    def __init__(self, width: int, num_blocks: int, copies: int) -> None:
        super().__init__()
        wide = self.EXPANSION * width
        root = math.sqrt(2.0 / wide)
        self.up = UnitLinear(width, wide, copies)
        self.scale = Scaler(wide, root, root, copies)
        self.down = UnitLinear(wide, width, copies)
        self.step = Scaler(width, 1.0 / (num_blocks + 1), 1.0 / math.sqrt(width), copies)

    def forward(self, h: Tensor) -> Tensor:
        """``[copies, B, width]``, each row of length 1."""
        to = normalize(self.down(relu(self.scale(self.up(h)))), dim=-1)
        return normalize(h + self.step(to - h), dim=-1)


@torch.no_grad()
def project(leaves: dict[str, Tensor]) -> None:
    """Bring the weights of :class:`UnitLinear` layers, by their names, back to length 1, in place."""
    for name, value in leaves.items():
        if name.endswith("unit_weight"):
            value.copy_(normalize(value, dim=-2))
