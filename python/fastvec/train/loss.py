"""PPO's loss: what it needs to know of a minibatch, and what it makes of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fastvec.train.batch import Batch
from fastvec.train.config import PPOConfig
from fastvec.train.distributed import ALONE, World
from fastvec.train.distributions import ActionDistribution, mask_logits

METRICS = ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction")
"""What :func:`ppo_loss` measures beside the loss, in this order."""


class Moments(NamedTuple):
    """What a minibatch must know about itself as a whole before any part of it can be worked on.

    Attributes:
        scale: 1 / (number of valid rows), a float32 scalar: what turns a sum over rows into the mean.
        mean: of the advantages, a float32 scalar; 0 where they are not to be normalised.
        inverse_std: 1 / standard deviation of the advantages, likewise; 1 where they are not to be normalised.
    """

    scale: Tensor
    mean: Tensor
    inverse_std: Tensor


def minibatch_moments(valid: Tensor, advantages: Tensor, *, normalize: bool, world: World = ALONE) -> list[Moments]:
    """The moments of K minibatches, whose rows' ``valid`` and advantages are ``[..., K, B]``, over all ranks."""
    axes = [axis for axis in range(valid.ndim) if axis != valid.ndim - 2]
    counts = world.sum_(valid.sum(axes)).clamp(min=1.0)
    if normalize:
        means = world.sum_((advantages * valid).sum(axes)) / counts
        deviations = (advantages - means.unsqueeze(-1)) * valid
        variances = world.sum_(deviations.square().sum(axes)) / counts
        inverse = 1.0 / (variances.sqrt() + 1e-8)
    else:
        means, inverse = torch.zeros_like(counts), torch.ones_like(counts)
    return [Moments(*m) for m in zip(counts.reciprocal().unbind(), means.unbind(), inverse.unbind(), strict=True)]


def ppo_loss(
    params: Tensor,
    values: Tensor,
    batch: Batch,
    moments: Moments,
    clip_coef: Tensor,
    head: ActionDistribution,
    config: PPOConfig,
) -> tuple[Tensor, Tensor]:
    """The clipped surrogate of Schulman et al. (2017), with the value and entropy terms.

    Args:
        params: the policy's output for ``batch.obs``, ``[..., head.num_params]``.
        values: the critic's, ``[...]``.
        batch: the rows, float32 ``[...]`` and so on.
        clip_coef: how far the ratio may move, a scalar tensor.
        head: what ``params`` mean.
        config: the coefficients of the terms, and whether the value loss is clipped.
        moments: of the whole minibatch, of which ``batch`` may be a part: losses of the parts add up.

    Returns:
        ``(loss, metrics)``: a scalar, and METRICS, float32 ``[5]``, detached.
    """

    def mean(x: Tensor) -> Tensor:
        return (x * batch.valid).sum() * moments.scale

    if batch.masks is not None:
        params = mask_logits(params, batch.masks)
    advantages = (batch.advantages - moments.mean) * moments.inverse_std
    log_ratio = head.log_prob(params, batch.actions) - batch.log_probs
    ratio = log_ratio.exp()
    clipped = torch.minimum(torch.maximum(ratio, 1.0 - clip_coef), 1.0 + clip_coef)
    policy_loss = -mean(torch.minimum(advantages * ratio, advantages * clipped))

    errors = (values - batch.returns).square()
    if config.clip_vloss:
        near = batch.values + torch.minimum(torch.maximum(values - batch.values, -clip_coef), clip_coef)
        errors = torch.maximum(errors, (near - batch.returns).square())
    value_loss = 0.5 * mean(errors)
    entropy = mean(head.entropy(params))
    loss = policy_loss + config.vf_coef * value_loss - config.ent_coef * entropy
    approx_kl = mean(ratio - 1.0 - log_ratio)
    clip_fraction = mean(((ratio - 1.0).abs() > clip_coef).float())
    return loss, torch.stack([policy_loss, value_loss, entropy, approx_kl, clip_fraction]).detach()


class PPOLoss:
    """:func:`ppo_loss` as a learner takes it.

    Args:
        distribution: what the network's first output means.
        config: the coefficients.
    """

    metrics: tuple[str, ...] = METRICS

    def __init__(self, distribution: ActionDistribution, config: PPOConfig) -> None:
        self.distribution = distribution
        self.config = config

    def moments(self, batch: Batch, minibatches: Tensor | None = None, world: World = ALONE) -> list[Moments]:
        """The moments of the minibatches, int64 ``[K, B]``, of ``batch``; by default of the batch as the only one."""
        valid, advantages = batch.valid, batch.advantages
        if minibatches is None:
            valid, advantages = valid.unsqueeze(-2), advantages.unsqueeze(-2)
        else:
            valid, advantages = valid[..., minibatches], advantages[..., minibatches]
        return minibatch_moments(valid, advantages, normalize=self.config.norm_adv, world=world)

    def __call__(
        self, forward: Callable[..., Any], part: Batch, moments: Moments, scalars: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The loss of a part of a minibatch at ``forward``'s parameters; ``scalars`` has "clip_coef"."""
        inputs = (part.obs,) if part.memory is None else (part.obs, part.memory, part.episode_starts)
        params, values = forward(*inputs)[:2]
        return ppo_loss(params, values, part, moments, scalars["clip_coef"], self.distribution, self.config)
