"""Estimating rollouts on a CUDA device, as graphs that are captured once and replayed in every iteration."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fastvec.train.batch import Batch
from fastvec.train.cuda_graph import CudaGraph, same_tensors
from fastvec.train.distributed import ALONE, World
from fastvec.train.estimate import Assessment, Estimator, explained_variance
from fastvec.train.normalize import ObservationNormalizer
from fastvec.train.rollout.buffer import RolloutBuffer


class CapturedEstimate:
    """What an :class:`Estimator` makes of rollouts, with all that looks at a whole rollout, as graphs.

    That is its explained variance, the statistics of the observations, and whether it is finite. Where the autoreset
    mode leaves last observations of episodes to :meth:`Estimator.bootstrap`, whose number differs, there is a graph
    before that and one behind it; else one.

    Args:
        obs_normalizer: takes in the rollout, once it was looked at.
        kept: tensors whose values of before this rollout :meth:`undo` brings back.
    """

    def __init__(
        self,
        estimator: Estimator,
        *,
        obs_normalizer: ObservationNormalizer | None,
        kept: Sequence[Tensor],
        has_bootstrap_observations: bool,
        world: World = ALONE,
        capture: bool = True,
    ) -> None:
        self.estimator = estimator
        self.obs_normalizer = obs_normalizer
        self.has_bootstrap_observations = has_bootstrap_observations
        self.world = world
        self.capture = capture
        normalizers = [x for x in (obs_normalizer, estimator.reward_normalizer) if x is not None]
        self.changed = [buffer for normalizer in normalizers for buffer in normalizer.buffers()]
        self.kept = [*kept, *self.changed]
        self.before = [tensor.clone() for tensor in self.kept]
        self._rollout: RolloutBuffer | None = None

    @torch.no_grad()
    def __call__(self, rollout: RolloutBuffer) -> tuple[Batch, Tensor]:
        """Estimate a rollout.

        Returns:
            The rows of an update, which the next call overwrites, and float32 ``[3]``: the explained variance, and sums
            of the observations and of the rewards over all ranks, which are finite if all of them are.
        """
        if self._rollout is None or not same_tensors(fixed_tensors(self._rollout), fixed_tensors(rollout)):
            self._capture(rollout)
        self.first()
        if self.has_bootstrap_observations:
            if rollout.bootstrap_observations:
                self.estimator.bootstrap(self.assessment, rollout.bootstrap_observations)
            self.second()
        return self.batch, self.summary

    def undo(self) -> None:
        """Bring back what was kept."""
        for tensor, value in zip(self.kept, self.before, strict=True):
            tensor.copy_(value)

    def _capture(self, rollout: RolloutBuffer) -> None:
        self._rollout = rollout

        def first() -> None:
            for value, tensor in zip(self.before, self.kept, strict=True):
                value.copy_(tensor)
            self.assessment: Assessment = self.estimator.assess(rollout)
            if not self.has_bootstrap_observations:
                second()

        def second() -> None:
            self.batch: Batch = self.estimator.weigh(rollout, self.assessment)
            if self.obs_normalizer is not None:
                self.obs_normalizer.take_in(rollout.obs, rollout.valid, self.world)
            sums = finite_sums(rollout)
            known = explained_variance(self.batch, self.world)
            self.summary: Tensor = torch.cat([known.view(1), self.world.sum_(sums)])

        device = self.estimator.device
        self.first = CudaGraph(first, device=device, state=self.changed, capture=self.capture)
        if self.has_bootstrap_observations:
            self.second = CudaGraph(second, device=device, state=self.changed, capture=self.capture)


def finite_sums(rollout: RolloutBuffer) -> Tensor:
    """Sums of the observations and of the rewards, float32 ``[2]``: not finite where one of them is not.

    Pixels always are.
    """
    obs, rewards = rollout.obs, rollout.rewards
    return torch.stack([obs.sum() if obs.is_floating_point() else torch.zeros_like(rewards[0, 0]), rewards.sum()])


def fixed_tensors(rollout: RolloutBuffer) -> list[Tensor | None]:
    """The tensors of a rollout, which lie where those of the last one lay."""
    return [value for value in vars(rollout).values() if value is None or isinstance(value, Tensor)]
