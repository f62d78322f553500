"""What steps were worth: advantages and returns, with truncation kept apart from termination."""

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


def q_lambda_returns(
    rewards: Tensor, next_values: Tensor, terminated: Tensor, done: Tensor, *, gamma: float, q_lambda: float
) -> Tensor:
    """Returns that look ahead by lambda, from the values of the best actions (PQN: arXiv 2407.04811).

    Args:
        rewards: float32 ``[T, N]``.
        next_values: float32 ``[T, N]``, the value of the best action on the observation that each action led to; where
            an episode ended, on its own last observation.
        terminated: float32 ``[T, N]``, 1 where the environment ended the episode: nothing follows.
        done: float32 ``[T, N]``, 1 where an episode ended for either reason.
        gamma: discount per step.
        q_lambda: 0 looks one step ahead, 1 to the end of the rollout or the episode.

    Returns:
        float32 ``[T, N]``, a new tensor.
    """
    returns = torch.empty_like(rewards)
    later = next_values[-1]
    for t in reversed(range(len(rewards))):
        ahead = torch.where(done[t] > 0, next_values[t], q_lambda * later + (1.0 - q_lambda) * next_values[t])
        later = rewards[t] + gamma * (1.0 - terminated[t]) * ahead
        returns[t] = later
    return returns
