"""Actor-critic networks.

A network is any module with ``forward(obs) -> (params, values)``. ``obs`` is float32 ``[B, D]`` (or uint8
``[B, H, W, C]`` for images), ``params`` is float32 ``[B, head.num_params]`` and ``values`` is float32 ``[B]``.
A recurrent one is a :class:`RecurrentActorCritic`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from fastvec.train.config import PPOConfig
from fastvec.train.distributions import DiagGaussian, Head

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "silu": nn.SiLU}


class ActorCritic(nn.Module):
    """What the trainer asks of a network; ``forward`` alone is enough, the other two may save work."""

    memory_size = 0
    """Numbers per environment that a recurrent network carries from step to step."""
    pure: bool = False
    """True promises that ``forward`` draws no random numbers and changes no buffers. All minibatches of an update can
    then be one compiled loop."""

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """``(params, values)`` of observations ``[B, *obs_shape]``."""
        raise NotImplementedError

    def actor(self, obs: Tensor) -> Tensor:
        """``params`` alone."""
        return self(obs)[0]

    def critic(self, obs: Tensor) -> Tensor:
        """``values`` alone."""
        return self(obs)[1]


class RecurrentActorCritic(ActorCritic):
    """A network that remembers. It works on whole sequences, and starts them anew where an episode starts."""

    def forward(self, obs: Tensor, memory: Tensor, starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        """Run through T steps of B environments.

        Args:
            obs: ``[T, B, *obs_shape]``
            memory: float32 ``[B, memory_size]``, from before step 0; zeros where there is nothing to remember.
            starts: float32 ``[T, B]``, 1 where the network forgets everything before it looks at step t.

        Returns:
            ``(params, values, memories)``: ``[T, B, head.num_params]``, ``[T, B]``, and ``[T, B, memory_size]``,
            what is remembered after each step.
        """
        raise NotImplementedError


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


def adopt_network(module: nn.Module, obs_shape: tuple[int, ...], obs_dtype: torch.dtype, head: Head) -> ActorCritic:
    """``module`` as the trainer uses it, tried on two rows of zeros.

    Raises:
        ValueError: its output does not fit, or it has no float32 parameters.
    """
    network = module if isinstance(module, ActorCritic) else OwnNetwork(module)
    parameters = list(network.parameters())
    if not parameters:
        raise ValueError(f"{type(module).__name__} has no parameters to train")
    if wrong := {str(p.dtype) for p in parameters if p.dtype != torch.float32}:
        raise ValueError(f"parameters must be float32, {type(module).__name__} has {', '.join(sorted(wrong))}")
    obs = torch.zeros(2, *obs_shape, dtype=obs_dtype, device=parameters[0].device)
    lead: tuple[int, ...] = (2,)
    inputs: tuple[Tensor, ...] = (obs,)
    if network.memory_size:
        lead = (1, 2)
        memory, starts = obs.new_zeros(2, network.memory_size, dtype=torch.float32), obs.new_ones(lead).float()
        inputs = (obs.unsqueeze(0), memory, starts)
    with torch.no_grad():
        outputs = network(*inputs)
    shapes = [(*lead, head.num_params), lead] + ([(*lead, network.memory_size)] if network.memory_size else [])
    names = ["params", "values", "memories"]
    for name, shape, output in zip(names, shapes, outputs, strict=False):
        if tuple(output.shape) != shape or output.dtype != torch.float32:
            raise ValueError(
                f"{type(module).__name__} must give {name} as float32 {list(shape)} for observations "
                f"{list(inputs[0].shape)}, it gave {output.dtype} {list(output.shape)}"
            )
    return network


def build_network(
    obs_shape: tuple[int, ...], obs_dtype: torch.dtype, head: Head, config: PPOConfig, *, largest: float = 255.0
) -> ActorCritic:
    """The network that fits the observations.

    A CNN for uint8 images, two MLPs for everything else, and an LSTM behind one of the two where ``config.lstm_size``
    asks for it. Weights depend on ``config.seed`` alone; the global random state is left as it was.

    Args:
        obs_shape: of one encoded observation.
        obs_dtype: uint8 for images, else float32.
        head: what the outputs mean.
        config: its sizes, activation and seed.
        largest: the brightest that a pixel of an image may be.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.lstm_size:
            from fastvec.train.networks.lstm import LstmActorCritic

            return LstmActorCritic(obs_shape, obs_dtype, head, config, largest=largest)
        if obs_dtype == torch.uint8:
            return CnnActorCritic(obs_shape, head, config, largest=largest)
        return MlpActorCritic(math.prod(obs_shape), head, config)


def linear(inputs: int, outputs: int, *, gain: float) -> nn.Linear:
    """A linear layer with orthogonal weights and no bias to begin with."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


class ThinLinear(nn.Module):
    """A linear layer with few inputs.

    Its weights lie ``[inputs, outputs]``: the product that gives their gradient is then six times faster on a CPU than
    in ``nn.Linear``'s layout (4 inputs, 64 outputs, 4096 rows: 47 us, not 313).
    """

    MAX_INPUTS = 16

    def __init__(self, inputs: int, outputs: int, *, gain: float) -> None:
        super().__init__()
        layer = linear(inputs, outputs, gain=gain)
        self.weight = nn.Parameter(layer.weight.detach().t().contiguous())
        self.bias = nn.Parameter(layer.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """``[B, outputs]`` of ``[B, inputs]``."""
        return torch.addmm(self.bias, x, self.weight)


def first_linear(inputs: int, outputs: int, *, gain: float) -> nn.Module:
    """The layer that looks at the observations."""
    if inputs <= ThinLinear.MAX_INPUTS:
        return ThinLinear(inputs, outputs, gain=gain)
    return linear(inputs, outputs, gain=gain)


def mlp(sizes: list[int], activation: str, *, last_gain: float) -> nn.Sequential:
    """Linear layers of the given sizes with the activation between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        make = linear if layers else first_linear
        layers += [make(inputs, outputs, gain=math.sqrt(2.0)), ACTIVATIONS[activation]()]
    layers.append(linear(sizes[-2], sizes[-1], gain=last_gain))
    return nn.Sequential(*layers)


class PolicyOutput(nn.Module):
    """Completes an actor's last layer to the head's parameters: Box actions also need a deviation.

    State-independent, it is a parameter of its own; state-dependent, it is part of ``outputs``.
    """

    LOG_STD_BOUNDS = (-5.0, 2.0)

    def __init__(self, head: Head, config: PPOConfig) -> None:
        super().__init__()
        self.gaussian = isinstance(head, DiagGaussian)
        self.state_dependent = self.gaussian and config.state_dependent_std
        self.width = head.num_params
        self.log_std_init = config.log_std_init
        if isinstance(head, DiagGaussian) and not self.state_dependent:
            self.width = head.size
            self.log_std = nn.Parameter(torch.full((head.size,), config.log_std_init))

    def forward(self, outputs: Tensor) -> Tensor:
        """The head's parameters ``[..., num_params]`` from the last layer's outputs ``[..., width]``."""
        if not self.gaussian:
            return outputs
        if self.state_dependent:
            mean, log_std = outputs.chunk(2, -1)
            return torch.cat([mean, (log_std + self.log_std_init).clamp(*self.LOG_STD_BOUNDS)], -1)
        return torch.cat([outputs, self.log_std.expand_as(outputs)], -1)


class MlpActorCritic(ActorCritic):
    """Two towers that share nothing."""

    pure = True

    def __init__(self, num_inputs: int, head: Head, config: PPOConfig) -> None:
        super().__init__()
        self.output = PolicyOutput(head, config)
        sizes = [num_inputs, *config.hidden_sizes]
        self.actor_tower = mlp([*sizes, self.output.width], config.activation, last_gain=0.01)
        self.critic_tower = mlp([*sizes, 1], config.activation, last_gain=1.0)

    def actor(self, obs: Tensor) -> Tensor:
        """``params`` alone: the critic's tower is not run."""
        return self.output(self.actor_tower(obs))

    def critic(self, obs: Tensor) -> Tensor:
        """``values`` alone: the actor's tower is not run."""
        return self.critic_tower(obs).squeeze(-1)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """``(params, values)`` of observations ``[B, D]``."""
        return self.actor(obs), self.critic(obs)


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


class CnnActorCritic(ActorCritic):
    """Convolutions that suit the size of the image and a linear layer, shared by actor and critic.

    The layer has 512 units, or 256 for images below 36 x 36. Pixels are scaled on the device, to 1 at ``largest``.
    An image has its channels where its shape is shorter, first or last.
    """

    def __init__(self, obs_shape: tuple[int, ...], head: Head, config: PPOConfig, *, largest: float = 255.0) -> None:
        super().__init__()
        self.largest = largest
        self.channels_first = obs_shape[0] <= obs_shape[-1]
        channels, height, width = obs_shape if self.channels_first else (obs_shape[2], *obs_shape[:2])
        hidden = 512 if min(height, width) >= 36 else 256
        layers: list[nn.Module] = []
        for outputs, kernel, stride, padding in convolutions_for(height, width):
            layer = nn.Conv2d(channels, outputs, kernel, stride, padding)
            nn.init.orthogonal_(layer.weight, math.sqrt(2.0))
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
            layers += [layer, nn.ReLU()]
            channels = outputs
            height, width = ((size + 2 * padding - kernel) // stride + 1 for size in (height, width))
        flat = channels * height * width
        self.torso = nn.Sequential(*layers, nn.Flatten(), linear(flat, hidden, gain=math.sqrt(2.0)), nn.ReLU())
        self.output = PolicyOutput(head, config)
        self.actor_layer = linear(hidden, self.output.width, gain=0.01)
        self.critic_layer = linear(hidden, 1, gain=1.0)

    def features(self, obs: Tensor) -> Tensor:
        """What actor and critic see of images, uint8 ``[B, *obs_shape]``: float32 ``[B, hidden]``."""
        images = obs if self.channels_first else obs.movedim(-1, -3)
        return self.torso(images.float() / self.largest)

    def actor(self, obs: Tensor) -> Tensor:
        """``params`` alone."""
        return self.output(self.actor_layer(self.features(obs)))

    def critic(self, obs: Tensor) -> Tensor:
        """``values`` alone."""
        return self.critic_layer(self.features(obs)).squeeze(-1)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """``(params, values)`` of images, uint8 ``[B, *obs_shape]``."""
        features = self.features(obs)
        return self.output(self.actor_layer(features)), self.critic_layer(features).squeeze(-1)
