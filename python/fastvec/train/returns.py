"""Generalised advantage estimation (Schulman et al., 2016), with truncation kept apart from termination."""

from __future__ import annotations

import torch
from torch import Tensor


def gae(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    done: Tensor,
    *,
    gamma: float,
    gae_lambda: float,
) -> tuple[Tensor, Tensor]:
    """Advantages and value targets of a rollout.

    Args:
        rewards: float32 ``[T, N]``.
        values: float32 ``[T, N]``, V of the observation that each action was chosen on.
        next_values: float32 ``[T, N]``, V of the observation that each action led to. Where an episode ended,
            that is the episode's own last observation, never the first one of the next episode.
        terminated: float32 ``[T, N]``, 1 where the environment ended the episode: nothing follows, so
            ``next_values`` is not looked at. It wins where an episode was terminated and truncated at once.
        done: float32 ``[T, N]``, 1 where an episode ended for either reason: the sum over later steps stops.
        gamma: discount per step.
        gae_lambda: 0 gives one-step differences, 1 gives whole returns.

    Returns:
        ``(advantages, returns)``, both float32 ``[T, N]``, new tensors; ``returns = advantages + values``.
    """
    deltas = rewards + gamma * next_values * (1.0 - terminated) - values
    decays = (gamma * gae_lambda) * (1.0 - done)
    advantages = torch.empty_like(deltas)
    later = torch.zeros_like(deltas[0])
    for delta, decay, out in zip(
        reversed(deltas.unbind()), reversed(decays.unbind()), reversed(advantages.unbind()), strict=True
    ):
        later = torch.addcmul(delta, decay, later, out=out)
    return advantages, advantages + values
