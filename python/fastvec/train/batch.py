"""The rows of an update on a rollout."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


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

    def as_rows(self) -> Batch:
        """A rollout ``[T, N, ...]`` of a feed-forward network as rows ``[T * N, ...]``."""
        return Batch(*[None if x is None else x.flatten(0, 1) for x in self])  # type: ignore[arg-type]

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

    def without_obs(self) -> Batch:
        """The same rows, with something small in the place of the observations."""
        return self._replace(obs=self.valid)

    def with_obs(self, obs: Tensor) -> Batch:
        """The same rows with other observations."""
        return self._replace(obs=obs)
