"""PPO's loss, and the rows of a rollout that it is computed on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fastvec.train.config import PPOConfig
from fastvec.train.distributed import ALONE, World
from fastvec.train.distributions import ActionDistribution, mask_logits

METRICS = ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "grad_norm")


class Batch(NamedTuple):
    """A rollout, or a minibatch of it. float32 but for uint8 images and integer actions.

    For a feed-forward network the rows are single steps, ``[B, ...]``. For a recurrent one they are whole sequences,
    one per environment: every field is ``[T, B, ...]``, only ``memory`` is ``[B, memory_size]``.

    Attributes:
        obs: normalised observations.
        actions: that were taken.
        log_probs: of the actions, under the policy that took them.
        values: of the critic before the update.
        advantages: estimated ones.
        returns: what the critic is to learn.
        valid: 1, or 0 for steps that are no decision of the policy: they count nowhere.
        masks: bool, the actions that were allowed; None where all are.
        memory: what the network remembered before the first step; None for a feed-forward network.
        episode_starts: 1 where an episode begins, and the network is to forget; None for a feed-forward network.
    """

    obs: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor
    valid: Tensor
    masks: Tensor | None
    memory: Tensor | None = None
    episode_starts: Tensor | None = None

    @property
    def num_rows(self) -> int:
        """What minibatches are drawn from: steps, or sequences."""
        return self.valid.shape[-1]

    def take(self, rows: Tensor) -> Batch:
        """The minibatch of the given rows, int64 ``[B]``."""
        if self.memory is None:
            return Batch(*[None if x is None else x[rows] for x in self])  # type: ignore[arg-type]
        steps = self._replace(memory=None)
        taken = [None if x is None else x[:, rows] for x in steps]
        return Batch(*taken)._replace(memory=self.memory[rows])  # type: ignore[arg-type]

    def take_obs(self, rows: Tensor) -> Tensor:
        """The observations of :meth:`take` alone."""
        return self.obs[rows] if self.memory is None else self.obs[:, rows]

    def between(self, start: int, length: int) -> Batch:
        """The minibatch of ``length`` rows from ``start`` on: views, no copies."""
        axis = 0 if self.memory is None else 1
        steps = self._replace(memory=None)
        views = Batch(*[None if x is None else x.narrow(axis, start, length) for x in steps])  # type: ignore[arg-type]
        return views._replace(memory=None if self.memory is None else self.memory.narrow(0, start, length))


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
        ``(loss, metrics)``: a scalar, and the first five of METRICS, detached.
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
