"""Choosing the actions of a group of environments: what a sampler is, and the one of a CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from fastvec.train.compiled.function import CompiledFunction

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

    def actions(self) -> np.ndarray[Any, Any]:
        """The actions last launched, ``[n, *action_shape]``; valid until the next launch."""

    def finish(self) -> None:
        """Let what comes next on the device see everything that was launched."""


class HostSampler:
    """Chooses actions on the CPU, when it is asked to."""

    def __init__(self, collector: Collector, columns: slice, act: Act | AssessingAct) -> None:
        it = collector
        self.act = act
        self.columns = columns
        self.memory = None if it.memory is None else it.memory[columns]
        kept = [it.actions] if it.log_probs is None or it.values is None else [it.actions, it.log_probs, it.values]
        self.into = [x[:, columns] for x in kept]
        self.obs = it.obs[:, columns]
        self.masks = None if it.masks is None else it.masks[:, columns]
        # Taking a tensor's rows costs as much as some environments' steps: all are taken once.
        self.rows = list(zip(*[x.unbind() for x in self.into], strict=True))
        self.chosen_rows = [row[0].numpy() for row in self.rows]
        nothing = [None] * len(it.obs)
        self.obs_rows = self.obs.unbind()
        self.mask_rows = nothing if self.masks is None else self.masks.unbind()
        self.episode_starts = nothing if it.episode_starts is None else it.episode_starts[:, columns].unbind()
        self.chosen = self.chosen_rows[0]
        self.noise: Sequence[Tensor] = ()
        self.call: Callable[[int], None] | None = None

    def launch(self, t: int, noise: Tensor) -> None:
        """Choose actions for row ``t``, at once."""
        if t == 0:
            self._take(noise[:, self.columns])
        if self.call is not None:
            self.call(t)
        else:
            chosen = self.act(self.obs_rows[t], self.noise[t], self.mask_rows[t], self.memory, self.episode_starts[t])
            for row, value in zip(self.rows[t], (chosen,) if isinstance(chosen, Tensor) else chosen, strict=True):
                row.copy_(value)
        self.chosen = self.chosen_rows[t]

    def _take(self, noise: Tensor) -> None:
        """Get ready for a rollout with this noise."""
        if isinstance(self.act, CompiledFunction) and self.memory is None:
            self.call = self.act.over_rows((self.obs, noise, self.masks, None, None), self.into)
        if self.call is None:
            self.noise = noise.unbind()

    def actions(self) -> np.ndarray[Any, Any]:
        """The actions last chosen, ``[n, *action_shape]``."""
        return self.chosen

    def finish(self) -> None:
        """Let go of the noise."""
        self.noise, self.call = (), None
