"""A rollout: the tensors that a collector fills, and that an update is made from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fastvec.train.env.stepper import BootstrapObservations


@dataclass(frozen=True)
class RolloutBuffer:
    """What was seen in T steps of N environments; tensors on the trainer's device, overwritten by the next rollout.

    Attributes:
        obs: ``[T + 1, N, *obs_shape]``; row t is what action t was chosen on, row T what the next rollout begins with.
        actions: ``[T, N, *action_shape]``.
        log_probs: float32 ``[T, N]``, of the actions, and
        values: float32 ``[T, N]``, of rows 0 to T - 1, where choosing actions gave them; None where the estimate does.
        rewards: float32 ``[T, N]``.
        terminated: float32 ``[T, N]``.
        done: float32 ``[T, N]``: terminated or truncated.
        valid: float32 ``[T, N]``: 0 where the environment only reset and the action was ignored, else 1.
        masks: bool ``[T, N, head.num_params]``: the actions that were allowed; None where all are.
        bootstrap_observations: steps and last observations of episodes that were truncated, where ``obs`` does not hold
            them.
        memory: ``[N, memory_size]``: what a recurrent network remembered before step 0; None for others.
        episode_starts: float32 ``[T + 1, N]``: 1 where row t of ``obs`` is the first of an episode; None like
            ``memory``.
    """

    obs: Tensor
    actions: Tensor
    log_probs: Tensor | None
    values: Tensor | None
    rewards: Tensor
    terminated: Tensor
    done: Tensor
    valid: Tensor
    masks: Tensor | None
    bootstrap_observations: list[tuple[int, BootstrapObservations]]
    memory: Tensor | None
    episode_starts: Tensor | None
