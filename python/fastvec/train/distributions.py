"""What a network's output means as a distribution over actions.

Each head is a stateless set of pure functions. ``params`` is the network's output, float32 ``[...,
num_params]``. Randomness comes in as ``noise``, drawn for a whole rollout at once by :meth:`draw_noise`:
eager and compiled code then choose the same actions, and one generator's state is all that a checkpoint
needs.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class MultiCategorical:
    """Independent choices, one per entry of ``nvec``; ``params`` are the logits of all of them side by side.

    Actions are int64 ``[..., len(nvec)]``, counted from 0.
    """

    action_dtype = torch.int64

    def __init__(self, nvec: list[int]) -> None:
        self.nvec = nvec
        self.num_params = sum(nvec)
        self.num_noise = self.num_params
        self.action_shape: tuple[int, ...] = (len(nvec),)

    def draw_noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Gumbel noise, float32 ``[*shape, num_params]``: to add it to the logits and take the best is to sample."""
        noise = torch.empty(*shape, self.num_params, device=generator.device)
        return noise.exponential_(generator=generator).log_().neg_()

    def sample(self, params: Tensor, noise: Tensor) -> Tensor:
        """Actions drawn with the given noise."""
        return self.mode(params + noise)

    def mode(self, params: Tensor) -> Tensor:
        """The likeliest actions."""
        return torch.stack([logits.argmax(-1) for logits in params.split(self.nvec, -1)], -1)

    def log_prob(self, params: Tensor, actions: Tensor) -> Tensor:
        """Logarithm of the actions' probability, ``[...]``."""
        logps = [torch.log_softmax(logits, -1) for logits in params.split(self.nvec, -1)]
        chosen = [p.gather(-1, a.unsqueeze(-1)).squeeze(-1) for p, a in zip(logps, actions.unbind(-1), strict=True)]
        return torch.stack(chosen, -1).sum(-1)

    def entropy(self, params: Tensor) -> Tensor:
        """Entropy in nats, ``[...]``."""
        logps = [torch.log_softmax(logits, -1) for logits in params.split(self.nvec, -1)]
        return torch.stack([-(p.exp() * p).sum(-1) for p in logps], -1).sum(-1)


class Categorical(MultiCategorical):
    """One choice among ``n``. Actions are int64 ``[...]``, counted from 0."""

    def __init__(self, n: int) -> None:
        super().__init__([n])
        self.action_shape = ()

    def mode(self, params: Tensor) -> Tensor:
        """The likeliest actions."""
        return params.argmax(-1)

    def log_prob(self, params: Tensor, actions: Tensor) -> Tensor:
        """Logarithm of the actions' probability, ``[...]``."""
        return torch.log_softmax(params, -1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)

    def entropy(self, params: Tensor) -> Tensor:
        """Entropy in nats, ``[...]``."""
        logp = torch.log_softmax(params, -1)
        return -(logp.exp() * logp).sum(-1)


class DiagGaussian:
    """Independent normals; ``params`` are the means, then the logarithms of the deviations.

    Actions are float32 ``[..., size]`` and unbounded: they are clipped to the action space on their way to
    the environment only, so that probabilities stay those of the normal.
    """

    action_dtype = torch.float32

    def __init__(self, size: int) -> None:
        self.size = size
        self.num_params = 2 * size
        self.num_noise = size
        self.action_shape = (size,)

    def draw_noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Standard normal noise, float32 ``[*shape, size]``."""
        return torch.randn(*shape, self.size, generator=generator, device=generator.device)

    def sample(self, params: Tensor, noise: Tensor) -> Tensor:
        """Actions drawn with the given noise."""
        mean, log_std = params.chunk(2, -1)
        return mean + log_std.exp() * noise

    def mode(self, params: Tensor) -> Tensor:
        """The likeliest actions: the means."""
        return params.chunk(2, -1)[0].contiguous()

    def log_prob(self, params: Tensor, actions: Tensor) -> Tensor:
        """Logarithm of the actions' density, ``[...]``."""
        mean, log_std = params.chunk(2, -1)
        z = (actions - mean) * torch.exp(-log_std)
        return (-0.5 * z * z - log_std - HALF_LOG_TWO_PI).sum(-1)

    def entropy(self, params: Tensor) -> Tensor:
        """Differential entropy in nats, ``[...]``."""
        return (params.chunk(2, -1)[1] + (0.5 + HALF_LOG_TWO_PI)).sum(-1)


class TanhGaussian(DiagGaussian):
    """Independent normals squashed by tanh: actions are float32 ``[..., size]`` between -1 and 1.

    ``params`` are the means, then the logarithms of the deviations, of what is squashed.
    """

    def sample(self, params: Tensor, noise: Tensor) -> Tensor:
        """Actions drawn with the given noise."""
        return super().sample(params, noise).tanh()

    def sample_with_log_prob(self, params: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions, and the logarithm of their density ``[...]``; both have gradients."""
        mean, log_std = params.chunk(2, -1)
        before = mean + log_std.exp() * noise
        normal = (-0.5 * noise * noise - log_std - HALF_LOG_TWO_PI).sum(-1)
        return before.tanh(), normal - log_tanh_slope(before).sum(-1)

    def mode(self, params: Tensor) -> Tensor:
        """The squashed means."""
        return super().mode(params).tanh()

    def log_prob(self, params: Tensor, actions: Tensor) -> Tensor:
        """Logarithm of the actions' density, ``[...]``."""
        before = torch.atanh(actions.clamp(-1.0 + 1e-6, 1.0 - 1e-6))
        return super().log_prob(params, before) - log_tanh_slope(before).sum(-1)


def log_tanh_slope(x: Tensor) -> Tensor:
    """``log(1 - tanh(x)^2)``, without the loss of digits where tanh is close to +-1."""
    return 2.0 * (math.log(2.0) - x - torch.nn.functional.softplus(-2.0 * x))


class EpsilonGreedy(MultiCategorical):
    """Choices by value: ``params`` are the values of all actions, those of several choices side by side.

    The best is taken, or with probability ``epsilon`` any that is allowed.
    """

    epsilon: Tensor | float = 0.05

    def __init__(self, nvec: list[int]) -> None:
        super().__init__(nvec)
        self.num_noise = 1 + self.num_params

    def draw_noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """A number between 0 and 1 that decides whether to explore, then Gumbel noise of each action."""
        noise = super().draw_noise(shape, generator)
        decides = torch.rand(*shape, 1, generator=generator, device=generator.device)
        return torch.cat([decides, noise], -1)

    def sample(self, params: Tensor, noise: Tensor) -> Tensor:
        """The best actions, or random ones."""
        allowed = params > 0.5 * torch.finfo(params.dtype).min  # mask_logits' mark
        anything = torch.where(allowed, noise[..., 1:], -torch.inf)
        explores = noise[..., :1] < self.epsilon
        return self.mode(torch.where(explores, anything, params))

    def chosen(self, params: Tensor, actions: Tensor) -> Tensor:
        """The values of actions, ``[...]``; of several choices, their mean."""
        pieces = zip(params.split(self.nvec, -1), actions.view(*params.shape[:-1], -1).unbind(-1), strict=True)
        return torch.stack([q.gather(-1, a.unsqueeze(-1)).squeeze(-1) for q, a in pieces], -1).mean(-1)

    def best(self, params: Tensor) -> Tensor:
        """The values of the best actions, ``[...]``; of several choices, their mean."""
        return torch.stack([q.amax(-1) for q in params.split(self.nvec, -1)], -1).mean(-1)


class SingleEpsilonGreedy(EpsilonGreedy):
    """One choice among ``n`` by value. Actions are int64 ``[...]``, counted from 0."""

    def __init__(self, n: int) -> None:
        super().__init__([n])
        self.action_shape = ()

    def mode(self, params: Tensor) -> Tensor:
        """The best actions."""
        return params.argmax(-1)


ActionDistribution = MultiCategorical | DiagGaussian


def mask_logits(logits: Tensor, mask: Tensor) -> Tensor:
    """Logits that give a probability of zero to actions whose entry in the bool ``mask`` is False."""
    return torch.where(mask, logits, torch.finfo(logits.dtype).min)


def distribution_for(space: gym.Space[Any]) -> ActionDistribution:
    """The head for one environment's action space.

    Raises:
        TypeError: actions that PPO cannot choose.
    """
    if isinstance(space, gym.spaces.Discrete):
        return Categorical(int(space.n))
    if isinstance(space, gym.spaces.MultiDiscrete):
        return MultiCategorical([int(n) for n in space.nvec.ravel()])
    if isinstance(space, gym.spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return DiagGaussian(math.prod(space.shape))
    raise TypeError(f"PPO needs Discrete, MultiDiscrete or float Box actions, got {space}")


def epsilon_greedy_for(space: gym.Space[Any]) -> EpsilonGreedy:
    """Choices by value in one environment's action space.

    Raises:
        TypeError: actions that have no list of values.
    """
    if isinstance(space, gym.spaces.Discrete):
        return SingleEpsilonGreedy(int(space.n))
    if isinstance(space, gym.spaces.MultiDiscrete):
        return EpsilonGreedy([int(n) for n in space.nvec.ravel()])
    raise TypeError(f"PQN needs Discrete or MultiDiscrete actions, got {space}: SAC or PPO may suit")


class NonFiniteActionError(ValueError):
    """A Box action is NaN.

    Attributes:
        row: its row in the batch.
    """

    def __init__(self, row: int) -> None:
        super().__init__(f"expected finite actions, got NaN in row {row}: is the observation finite?")
        self.row = row


def check_no_nan(actions: np.ndarray[Any, Any]) -> None:
    """Hold Box actions ``[N, ...]`` to be numbers.

    Raises:
        NonFiniteActionError: one of them is NaN.
    """
    total = np.add.reduce(actions, axis=None)
    if total != total:  # NaN; or infinities of both signs, which bounds may allow
        wrong = np.isnan(actions).reshape(len(actions), -1).any(1)
        if wrong.any():
            raise NonFiniteActionError(int(wrong.argmax()))


class ActionDecoder:
    """Turns a head's actions into what ``envs.step`` takes: the space's shape, dtype, offset and bounds."""

    def __init__(self, space: gym.Space[Any]) -> None:
        self.space = space
        self.shape: tuple[int, ...] = space.shape or ()
        self.start = getattr(space, "start", 0)
        self.shifted = bool(np.any(self.start))
        self.bounds = (space.low, space.high) if isinstance(space, gym.spaces.Box) else None

    def __call__(self, actions: Tensor) -> np.ndarray[Any, Any]:
        """Actions of a batch ``[N, ...]`` as a NumPy array of the space's dtype.

        Raises:
            NonFiniteActionError: a Box action is NaN.
        """
        return self.decode(actions.cpu().numpy())

    def decode(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The same, of what is in an array already."""
        if self.shape:
            array = array.reshape(len(array), *self.shape)
        if self.bounds is not None:
            # np.clip, at a third of the cost for one environment
            array = np.minimum(np.maximum(array, self.bounds[0]), self.bounds[1])
            check_no_nan(array)
        if self.shifted:
            array = array + self.start
        return array.astype(self.space.dtype, copy=False)


LARGEST_BOUND = 1e10
"""Bounds of a Box from which on they are taken for none."""


class ScaledActionDecoder(ActionDecoder):
    """Turns actions between -1 and 1 into those between the bounds of a Box; where it has none, they stay as they are.

    Attributes:
        middle: float64, of the space's shape: what 0 becomes.
        half_range: likewise: how far from it 1 is.
    """

    def __init__(self, space: gym.spaces.Box) -> None:
        super().__init__(space)
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        bounded = np.maximum(np.abs(low), np.abs(high)) < LARGEST_BOUND
        low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
        self.middle, self.half_range = (low + high) / 2.0, (high - low) / 2.0

    def decode(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Actions of a batch ``[N, size]`` as an array ``[N, *space.shape]`` of the space's dtype."""
        array = array.reshape(len(array), *self.shape)
        scaled = np.clip(self.middle + self.half_range * array, self.space.low, self.space.high)  # type: ignore[attr-defined]
        check_no_nan(scaled)
        return scaled.astype(self.space.dtype, copy=False)


def rescaling_decoder_for(space: gym.Space[Any]) -> ActionDecoder:
    """A decoder that brings -1 and 1 to the bounds of a Box, where they are others."""
    if isinstance(space, gym.spaces.Box):
        scaled = ScaledActionDecoder(space)
        if (scaled.middle != 0.0).any() or (scaled.half_range != 1.0).any():
            return scaled
    return ActionDecoder(space)
