"""Running statistics of observations and of returns, kept in float32 on the device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fastvec.train.distributed import ALONE, World
from fastvec.train.returns import decaying_sums


class RunningMoments(nn.Module):
    """Mean and variance of everything seen, merged batch by batch (Chan et al., 1979).

    ``mean`` and ``var`` are float32 of the given shape; ``count`` is int64, so that it never saturates.
    """

    mean: Tensor
    var: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("var", torch.ones(shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, batch: Tensor, valid: Tensor, world: World = ALONE) -> None:
        """Take in a batch of each rank.

        Args:
            batch: ``[B, *shape]``.
            valid: float32 ``[B]``; rows where it is 0 are left out.
            world: the ranks.
        """
        column = valid.view(-1, *[1] * (batch.ndim - 1))
        rows = world.sum_(valid.sum())
        kept = rows.clamp(min=1.0)
        mean = world.sum_((batch * column).sum(0)) / kept
        var = world.sum_(((batch - mean).square() * column).sum(0)) / kept
        total = self.count + rows.to(torch.int64)
        share = rows / total.clamp(min=1)
        delta = mean - self.mean
        self.var.copy_(self.var * (1 - share) + var * share + delta.square() * share * (1 - share))
        self.mean.add_(delta * share)
        self.count.copy_(total)


class ObservationNormalizer(RunningMoments):
    """Observations with mean 0 and variance 1, clipped to +-10."""

    def take_in(self, obs: Tensor, valid: Tensor, world: World = ALONE) -> None:
        """Take in a rollout.

        Args:
            obs: ``[T + 1, N, *shape]``, whose last row belongs to the next rollout.
            valid: float32 ``[T, N]``; rows where it is 0 are left out.
            world: the ranks.
        """
        self.update(obs[:-1].flatten(0, 1), valid.flatten(), world)

    def forward(self, obs: Tensor) -> Tensor:
        """Observations ``[..., *shape]``, scaled."""
        return ((obs - self.mean) * torch.rsqrt(self.var + 1e-8)).clamp(-10.0, 10.0)


def discounted_sums_(returns: Tensor, rewards: Tensor, done: Tensor, gamma: float) -> Tensor:
    """The discounted sum of an episode's rewards so far, at each step of a rollout.

    Args:
        returns: float32 ``[N]``: those of before the rollout; brought up to date in place.
        rewards: float32 ``[T, N]``.
        done: float32 ``[T, N]``, 1 where an episode ended: the next one begins at 0.
        gamma: discount per step.

    Returns:
        float32 ``[T, N]``, a new tensor.
    """
    going_on = 1.0 - done
    decays = gamma * torch.cat([torch.ones_like(going_on[:1]), going_on[:-1]])
    sums = decaying_sums(rewards, decays, returns)
    returns.copy_(sums[-1] * going_on[-1])
    return sums


class RewardNormalizer(nn.Module):
    """Rewards divided by the running deviation of the discounted return, clipped to +-10.

    ``returns`` is float32 ``[N]``: the discounted sum so far of each environment's episode.
    """

    returns: Tensor

    def __init__(self, num_envs: int, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma
        self.moments = RunningMoments(())
        self.register_buffer("returns", torch.zeros(num_envs))

    @torch.no_grad()
    def forward(self, rewards: Tensor, done: Tensor, valid: Tensor, world: World = ALONE) -> Tensor:
        """Take in a rollout, and scale its rewards by the new statistics, those of all ranks.

        Args:
            rewards: float32 ``[T, N]``.
            done: float32 ``[T, N]``, 1 where an episode ended.
            valid: float32 ``[T, N]``; steps where it is 0 are left out of the statistics.
            world: the ranks.

        Returns:
            float32 ``[T, N]``, a new tensor.
        """
        sums = discounted_sums_(self.returns, rewards, done, self.gamma)
        self.moments.update(sums.reshape(-1), valid.reshape(-1), world)
        return (rewards * torch.rsqrt(self.moments.var + 1e-8)).clamp(-10.0, 10.0)


class ReturnScale(nn.Module):
    """The factor that brings rewards to where discounted returns have a deviation of 1, and none passes ``largest``.

    SimbaV2's: 1 / max(deviation of the discounted return so far, its largest size / ``largest``).

    Attributes:
        returns: float32 ``[N]``: the discounted sum so far of each environment's episode.
        peak: float32 ``[]``: the largest size of any of those.
    """

    returns: Tensor
    peak: Tensor

    def __init__(self, num_envs: int, gamma: float, largest: float) -> None:
        super().__init__()
        self.gamma = gamma
        self.largest = largest
        self.moments = RunningMoments(())
        self.register_buffer("returns", torch.zeros(num_envs))
        self.register_buffer("peak", torch.zeros(()))

    @torch.no_grad()
    def take_in(self, rewards: Tensor, done: Tensor, valid: Tensor, world: World = ALONE) -> None:
        """Take in a rollout: rewards, ends of episodes, and which rows count, float32 ``[T, N]``."""
        sums = discounted_sums_(self.returns, rewards, done, self.gamma)
        self.moments.update(sums.reshape(-1), valid.reshape(-1), world)
        self.peak.copy_(world.max_(torch.maximum(self.peak, (sums * valid).abs().max())))

    @property
    def factor(self) -> Tensor:
        """What rewards are multiplied by, float32 ``[]``."""
        deviation = torch.maximum((self.moments.var + 1e-8).sqrt(), self.peak / self.largest)
        return deviation.clamp(min=1e-8).reciprocal()
