"""Collecting rollouts: T steps in each of N environments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fastvec.train.distributions import ActionDecoder, Head
from fastvec.train.env.encode import Array
from fastvec.train.env.stepper import FinalRows, Stepper
from fastvec.train.rollout.cuda_sampler import CudaLane
from fastvec.train.rollout.cuda_uploads import Uploads

Act = Callable[[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None], Tensor]
"""``act(obs, noise, mask, memory, starts) -> actions``: ``[N, *obs]``, ``[N, head.num_noise]``, bool
``[N, head.num_params]`` or None; for a recurrent network ``[N, memory_size]``, which is updated in place, and ``[N]``,
1 where it is to forget first."""


@dataclass(frozen=True)
class Rollout:
    """What was seen in T steps of N environments; tensors on the trainer's device, overwritten by the next rollout.

    Attributes:
        obs: ``[T + 1, N, *obs_shape]``; row t is what action t was chosen on, row T what the next rollout starts from.
        actions: ``[T, N, *action_shape]``.
        rewards: float32 ``[T, N]``.
        terminated: float32 ``[T, N]``.
        done: float32 ``[T, N]``: terminated or truncated.
        weights: float32 ``[T, N]``: 0 where the environment only reset and the action was ignored, else 1.
        masks: bool ``[T, N, head.num_params]``: the actions that were allowed; None where all are.
        finals: steps and last observations of episodes that were truncated, where ``obs`` does not hold them.
        memory: ``[N, memory_size]``: what a recurrent network remembered before step 0; None for others.
        starts: float32 ``[T + 1, N]``: 1 where row t of ``obs`` is the first of an episode; None like ``memory``.
    """

    obs: Tensor
    actions: Tensor
    rewards: Tensor
    terminated: Tensor
    done: Tensor
    weights: Tensor
    masks: Tensor | None
    finals: list[tuple[int, FinalRows]]
    memory: Tensor | None
    starts: Tensor | None


class Collector:
    """Steps environments and fills one set of buffers, made once.

    The environments write into host memory. On a CPU that is the rollout itself; for CUDA it is pinned, and a row that
    is sent to the rollout step by step. They may come
    as several groups (one :class:`Stepper` each, which share out the columns of the buffers): the groups step in turn,
    and a device chooses one group's actions while another steps. ``memory_size`` is that of a recurrent network, 0 for
    others; ``cuda_graphs`` whether choosing actions is captured on CUDA.
    """

    def __init__(
        self,
        steppers: list[Stepper],
        head: Head,
        decoder: ActionDecoder,
        *,
        num_steps: int,
        device: torch.device,
        memory_size: int = 0,
        cuda_graphs: bool = True,
    ) -> None:
        self.steppers = steppers
        self.has_reset_rows = steppers[0].has_reset_rows
        self.head = head
        self.decoder = decoder
        self.device = device
        self.cuda_graphs = cuda_graphs
        ends = np.cumsum([stepper.num_envs for stepper in steppers]).tolist()
        self.columns = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        steps, envs, encoder = num_steps, ends[-1], steppers[0].encoder

        def buffer(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return host_rows(shape, dtype, device)

        self.obs = buffer(steps + 1, envs, *encoder.shape, dtype=encoder.dtype)
        self.weights = torch.ones(steps, envs, device=device)
        self.masks: Tensor | None = None
        self.actions = torch.zeros(steps, envs, *head.action_shape, dtype=head.action_dtype, device=device)
        self.obs_device = device_rows(self.obs, device)
        self.masks_device: Tensor | None = None
        self.rewards, self.terminated, self.done = (torch.zeros(steps, envs, device=device) for _ in range(3))
        # What environments write: Gymnasium's dtypes. Converted once per rollout.
        self.uploads: Uploads | None = None
        if device.type == "cuda":
            self.uploads = Uploads(self)
            self.raw_rewards, self.raw_terminated, self.raw_truncated = self.uploads.host_arrays
        else:
            self.raw_rewards = np.zeros((steps, envs), dtype=np.float64)
            self.raw_terminated, self.raw_truncated = (np.zeros((steps, envs), dtype=np.bool_) for _ in range(2))
        self.reset_rows = np.zeros(envs, dtype=bool)
        self.memory: Tensor | None = None
        self.memory_before: Tensor | None = None
        self.starts: Tensor | None = None
        self.starts_device: Tensor | None = None
        if memory_size:
            self.memory, self.memory_before = (torch.zeros(envs, memory_size, device=device) for _ in range(2))
            self.starts = buffer(steps + 1, envs)
            self.starts_device = device_rows(self.starts, device)
        self.episodes = EpisodeCounter(envs)
        self._counted = True
        self.env_seconds = 0.0
        self.lanes: list[Lane] = []

    def reset(self, seed: int | None) -> None:
        """Start all episodes anew; the environment of column i gets ``seed + i``."""
        self.count_episodes()
        last = self.obs[-1].numpy()
        for stepper, columns in zip(self.steppers, self.columns, strict=True):
            stepper.reset(None if seed is None else seed + columns.start, last[columns])
        self.obs_device[-1].copy_(self.obs[-1])
        self.reset_rows[:] = False
        if self.uploads is not None:
            self.uploads.forget(self.reset_rows)
        if self.starts is not None:
            self.starts[-1] = 1.0
        self.episodes.reset()
        self.lanes = []  # they hold on to the buffer of masks
        mask = self.steppers[0].action_mask
        if mask is not None and mask.shape[1] == self.head.num_params:
            shape = (*self.raw_rewards.shape, mask.shape[1])
            self.masks = host_rows(shape, torch.bool, self.device)
            self.masks_device = device_rows(self.masks, self.device)

    @torch.no_grad()
    def collect(self, act: Act, noise: Tensor) -> Rollout:
        """Take T steps with ``act``; ``noise`` is ``[T, N, head.num_noise]``."""
        self.count_episodes()
        if not self.lanes:
            self.lanes = make_lanes(self, act)
        self.obs[0].copy_(self.obs[-1])
        if self.memory is not None and self.memory_before is not None:
            self.memory_before.copy_(self.memory)
        if self.starts is not None:
            self.starts[0] = self.starts[-1]
        finals: list[tuple[int, FinalRows]] = []
        env_seconds = 0.0
        obs, rewards, terminated, truncated = (
            list(x) for x in (self.obs.numpy(), self.raw_rewards, self.raw_terminated, self.raw_truncated)
        )
        groups = list(zip(self.steppers, self.columns, self.lanes, strict=True))
        last = len(rewards) - 1
        for stepper, columns, lane in groups:
            self._note_mask(0, stepper, columns)
            lane.launch(0, noise)
        for t in range(last + 1):
            for stepper, columns, lane in groups:
                action = self.decoder(lane.actions())
                start = perf_counter()
                final = stepper.step(
                    action, obs[t + 1][columns], rewards[t][columns], terminated[t][columns], truncated[t][columns]
                )
                env_seconds += perf_counter() - start
                if final is not None:
                    finals.append((t, final._replace(env_ids=final.env_ids + columns.start)))
                if self.starts is not None:
                    self._note_starts(t, columns)
                if t < last:
                    self._note_mask(t + 1, stepper, columns)
                    lane.launch(t + 1, noise)
        for lane in self.lanes:
            lane.finish()
        self.env_seconds = env_seconds
        self._counted = False
        if self.uploads is not None:
            self.uploads.send()
        else:
            self._convert()
            self.count_episodes()
        return Rollout(
            obs=self.obs_device,
            actions=self.actions,
            rewards=self.rewards,
            terminated=self.terminated,
            done=self.done,
            weights=self.weights,
            masks=self.masks_device,
            finals=finals,
            memory=self.memory_before,
            starts=self.starts_device,
        )

    def _note_mask(self, t: int, stepper: Stepper, columns: slice) -> None:
        if self.masks is not None:
            self.masks[t, columns].numpy()[...] = stepper.action_mask

    def _note_starts(self, t: int, columns: slice) -> None:
        """Note where row ``t + 1`` starts an episode: where step ``t`` ended one.

        With NextStep, where step ``t`` was the reset row, since the last observation of an episode still belongs to it.
        """
        assert self.starts is not None
        if not self.has_reset_rows:
            begun = self.raw_terminated[t, columns] | self.raw_truncated[t, columns]
        elif t == 0:
            begun = self.reset_rows[columns]
        else:
            begun = self.raw_terminated[t - 1, columns] | self.raw_truncated[t - 1, columns]
        self.starts[t + 1, columns].numpy()[...] = begun

    def _convert(self) -> None:
        """What the environments wrote, as the float32 tensors of a rollout."""
        self.rewards.numpy()[...] = self.raw_rewards
        self.terminated.numpy()[...] = self.raw_terminated
        done = self.raw_terminated | self.raw_truncated
        self.done.numpy()[...] = done
        if self.has_reset_rows:
            weights = self.weights.numpy()
            weights[0] = ~self.reset_rows
            weights[1:] = ~done[:-1]

    def count_episodes(self) -> None:
        """Take the last rollout into :attr:`episodes`, where that was not done.

        On CUDA, :meth:`collect` leaves it to you: the device can work meanwhile.
        """
        if self._counted:
            return
        self._counted = True
        done = self.raw_terminated | self.raw_truncated
        self.episodes.add(self.raw_rewards, done, self.reset_rows if self.has_reset_rows else None)
        if self.has_reset_rows:
            self.reset_rows[:] = done[-1]

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next rollout depends on, but for the environments."""
        self.count_episodes()
        return {
            "obs": self.obs[-1].clone(),
            "reset_rows": self.reset_rows.copy(),
            "episodes": self.episodes.state_dict(),
            "action_masks": [stepper.action_mask for stepper in self.steppers],
            "memory": None if self.memory is None else self.memory.cpu().clone(),
            "starts": None if self.starts is None else self.starts[-1].clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.obs[-1].copy_(state["obs"])
        self.obs_device[-1].copy_(self.obs[-1])
        self.reset_rows[:] = state["reset_rows"]
        if self.uploads is not None:
            self.uploads.forget(self.reset_rows)
        self.episodes.load_state_dict(state["episodes"])
        for stepper, mask in zip(self.steppers, state["action_masks"], strict=True):
            stepper.action_mask = mask
        if self.memory is not None and self.starts is not None:
            self.memory.copy_(state["memory"])
            self.starts[-1].copy_(state["starts"])


def host_rows(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Rows for environments to write.

    For a CUDA device they are all the same pinned row, since what one holds is there before the next is written.
    """
    if device.type == "cpu":
        return torch.zeros(*shape, dtype=dtype)
    return torch.zeros(1, *shape[1:], dtype=dtype, pin_memory=True).expand(*shape)


def device_rows(rows: Tensor, device: torch.device) -> Tensor:
    """The tensor on ``device`` that :func:`host_rows` end up in: on a CPU, ``rows`` themselves."""
    return rows if device.type == "cpu" else torch.zeros(rows.shape, dtype=rows.dtype, device=device)


class Lane(Protocol):
    """Chooses the actions of one group of environments. Nothing but ``actions`` waits."""

    def launch(self, t: int, noise: Tensor) -> None:
        """Begin to choose actions for row ``t`` of the observations, and write them into ``collector.actions``."""

    def actions(self) -> Tensor:
        """The actions last launched, ``[n, *action_shape]``, in host memory; valid until the next launch."""

    def finish(self) -> None:
        """Let what comes next on the device see everything that was launched."""


class HostLane:
    """Chooses actions on the CPU, when it is asked to."""

    def __init__(self, collector: Collector, columns: slice, act: Act) -> None:
        it = collector
        self.act = act
        self.columns = columns
        self.memory = None if it.memory is None else it.memory[columns]
        self.chosen = it.actions[0, columns]
        # Taking a tensor's rows costs as much as some environments' steps: all are taken once.
        self.obs = it.obs[:, columns].unbind()
        self.into = it.actions[:, columns].unbind()
        nothing = [None] * len(it.obs)
        self.masks = nothing if it.masks is None else it.masks[:, columns].unbind()
        self.starts = nothing if it.starts is None else it.starts[:, columns].unbind()
        self.noise: Sequence[Tensor] = ()

    def launch(self, t: int, noise: Tensor) -> None:
        """Choose actions for row ``t``, at once."""
        if t == 0:
            self.noise = noise[:, self.columns].unbind()
        chosen = self.act(self.obs[t], self.noise[t], self.masks[t], self.memory, self.starts[t])
        self.chosen = self.into[t].copy_(chosen)

    def actions(self) -> Tensor:
        """The actions last chosen, ``[n, *action_shape]``."""
        return self.chosen

    def finish(self) -> None:
        """Let go of the noise."""
        self.noise = ()


def make_lanes(collector: Collector, act: Act) -> list[Lane]:
    """A lane for each group of environments, on the collector's device."""
    if collector.device.type == "cuda":
        return [CudaLane(collector, columns, act, capture=collector.cuda_graphs) for columns in collector.columns]
    return [HostLane(collector, columns, act) for columns in collector.columns]


class EpisodeCounter:
    """Returns and lengths of finished episodes, from the environments' own rewards."""

    KEPT = 100

    def __init__(self, num_envs: int) -> None:
        self.running_return = np.zeros(num_envs, dtype=np.float64)
        self.running_length = np.zeros(num_envs, dtype=np.int64)
        self.finished = 0
        self.recent: list[tuple[float, int]] = []

    def reset(self) -> None:
        """Forget the episodes under way."""
        self.running_return[:] = 0.0
        self.running_length[:] = 0

    def add(self, rewards: Array, done: Array, reset_rows: Array | None) -> None:
        """Take in a rollout, ``[T, N]`` each.

        Args:
            rewards: float64, as the environments gave them.
            done: bool, terminated or truncated.
            reset_rows: bool ``[N]``, where the first row is no step of an episode but its reset; each row behind an
                episode's end is another. None where there are no such rows.
        """
        begun, ended = reset_rows, np.any(done, axis=1).tolist()
        newest: list[tuple[float, int]] = []
        # Row by row, so that what is running stays in a processor's cache.
        for t, reward in enumerate(rewards):
            self.running_return += reward
            self.running_length += 1
            if begun is not None:
                self.running_length -= begun
                begun = done[t]
            if not ended[t]:
                continue
            env_ids = np.flatnonzero(done[t])
            self.finished += len(env_ids)
            kept = env_ids[-self.KEPT :]
            newest += zip(self.running_return[kept].tolist(), self.running_length[kept].tolist(), strict=True)
            self.running_return[env_ids] = 0.0
            self.running_length[env_ids] = 0
        self.recent = (self.recent + newest)[-self.KEPT :]

    @property
    def totals(self) -> tuple[int, int, float, float]:
        """Episodes since the run began; then number, summed returns and summed lengths of the recent ones."""
        return self.finished, len(self.recent), sum(r for r, _ in self.recent), sum(n for _, n in self.recent)

    @property
    def mean_return(self) -> float:
        """Mean return of the last 100 episodes, NaN before the first has finished."""
        return float(np.mean([r for r, _ in self.recent])) if self.recent else float("nan")

    @property
    def mean_length(self) -> float:
        """Mean length of the last 100 episodes, NaN before the first has finished."""
        return float(np.mean([n for _, n in self.recent])) if self.recent else float("nan")

    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain values and arrays."""
        return {
            "running_return": self.running_return.copy(),
            "running_length": self.running_length.copy(),
            "finished": self.finished,
            "recent": list(self.recent),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.running_return = np.array(state["running_return"])
        self.running_length = np.array(state["running_length"])
        self.finished = state["finished"]
        self.recent = [(float(r), int(n)) for r, n in state["recent"]]
