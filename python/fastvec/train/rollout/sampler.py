"""Choosing the actions of a group of environments: what a sampler is, and the one of a CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from fastvec.train.rollout.collector import Collector

Act = Callable[[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None], Tensor]
"""``act(obs, noise, mask, memory, episode_starts) -> actions``: ``[N, *obs]``, ``[N, head.num_noise]``, bool
``[N, head.num_params]`` or None; for a recurrent network ``[N, memory_size]``, which is updated in place, and ``[N]``,
1 where it is to forget first."""


class Choice(NamedTuple):
    """Actions, and what an update will ask about them.

    Attributes:
        actions: ``[N, *action_shape]``.
        log_probs: float32 ``[N]``, of these actions.
        values: float32 ``[N]``, of the observations.
    """

    actions: Tensor
    log_probs: Tensor
    values: Tensor


AssessingAct = Callable[[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None], Choice]
"""An :data:`Act` for a collector that keeps what it gives, see :meth:`Collector.keep_assessments`."""


class ActionSampler(Protocol):
    """Chooses the actions of one group of environments. Nothing but ``actions`` waits."""

    def launch(self, t: int, noise: Tensor) -> None:
        """Begin to choose actions for row ``t`` of the observations, and write them into ``collector.actions``."""

    def actions(self) -> Tensor:
        """The actions last launched, ``[n, *action_shape]``, in host memory; valid until the next launch."""

    def finish(self) -> None:
        """Let what comes next on the device see everything that was launched."""


class HostSampler:
    """Chooses actions on the CPU, when it is asked to."""

    def __init__(self, collector: Collector, columns: slice, act: Act | AssessingAct) -> None:
        it = collector
        self.act = act
        self.columns = columns
        self.memory = None if it.memory is None else it.memory[columns]
        self.chosen = it.actions[0, columns]
        # Taking a tensor's rows costs as much as some environments' steps: all are taken once.
        self.obs = it.obs[:, columns].unbind()
        kept = [it.actions] if it.log_probs is None or it.values is None else [it.actions, it.log_probs, it.values]
        self.into = list(zip(*[rows[:, columns].unbind() for rows in kept], strict=True))
        nothing = [None] * len(it.obs)
        self.masks = nothing if it.masks is None else it.masks[:, columns].unbind()
        self.episode_starts = nothing if it.episode_starts is None else it.episode_starts[:, columns].unbind()
        self.noise: Sequence[Tensor] = ()

    def launch(self, t: int, noise: Tensor) -> None:
        """Choose actions for row ``t``, at once."""
        if t == 0:
            self.noise = noise[:, self.columns].unbind()
        chosen = self.act(self.obs[t], self.noise[t], self.masks[t], self.memory, self.episode_starts[t])
        into = self.into[t]
        for row, value in zip(into, (chosen,) if isinstance(chosen, Tensor) else chosen, strict=True):
            row.copy_(value)
        self.chosen = into[0]

    def actions(self) -> Tensor:
        """The actions last chosen, ``[n, *action_shape]``."""
        return self.chosen

    def finish(self) -> None:
        """Let go of the noise."""
        self.noise = ()
