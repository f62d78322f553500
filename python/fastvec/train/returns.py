"""What steps were worth: advantages and returns, with truncation kept apart from termination."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def decaying_sums(terms: Tensor, decays: Tensor, start: Tensor, *, backwards: bool = False) -> Tensor:
    """Sums of which each is its own term and what is left of the one before it: ``terms[t] + decays[t] * before``.

    Args:
        terms: float32 ``[T, N]``.
        decays: float32 ``[T, N]``: how much of the sum before it each keeps.
        start: float32 ``[N]``: what comes before the first.
        backwards: whether t goes from T - 1 down to 0.

    Returns:
        float32 ``[T, N]``, a new tensor.
    """
    sums = torch.empty_like(terms)
    order = slice(None, None, -1 if backwards else 1)
    if terms.device.type == "cpu":
        # A row is often one number, and NumPy's calls cost a third of PyTorch's.
        before = start.numpy()
        for term, decay, out in zip(terms.numpy()[order], decays.numpy()[order], sums.numpy()[order], strict=True):
            np.multiply(decay, before, out=out)
            before = np.add(out, term, out=out)
        return sums
    latest = start
    for term, decay, row in list(zip(terms.unbind(), decays.unbind(), sums.unbind(), strict=True))[order]:
        latest = torch.addcmul(term, decay, latest, out=row)
    return sums


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
    advantages = decaying_sums(deltas, decays, torch.zeros_like(deltas[0]), backwards=True)
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
    going_on = 1.0 - done
    going_on[-1] = 0.0  # nothing later is known
    discounts = gamma * (1.0 - terminated)
    looks_ahead = q_lambda * going_on
    return decaying_sums(
        rewards + discounts * (1.0 - looks_ahead) * next_values,
        discounts * looks_ahead,
        torch.zeros_like(rewards[0]),
        backwards=True,
    )
