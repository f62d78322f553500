"""Collecting rollouts: T steps in each of N environments."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from fastvec.train.compiled.function import CompiledFunction, Program
from fastvec.train.distributions import ActionDecoder, ActionDistribution, NonFiniteActionError
from fastvec.train.env.stepper import BootstrapObservations, Stepper
from fastvec.train.rollout.buffer import RolloutBuffer
from fastvec.train.rollout.cuda_sampler import CudaSampler
from fastvec.train.rollout.cuda_uploads import Uploads
from fastvec.train.rollout.episodes import EpisodeCounter
from fastvec.train.rollout.sampler import Act, ActionSampler, AssessingAct, HostSampler


class NonFinite(NamedTuple):
    """What broke off a rollout.

    Attributes:
        quantity: "obs", or "action" where the policy made NaN of an observation that is finite.
        env: the environment's index; it has not seen the action.
    """

    quantity: str
    env: int


class Collector:
    """Steps environments and fills one set of buffers, made once.

    The environments write into host memory. On a CPU that is the rollout itself; for CUDA it is pinned, and a row that
    is sent to the rollout step by step. They may come
    as several groups (one :class:`Stepper` each, which share out the columns of the buffers): the groups step in turn,
    and a device chooses one group's actions while another steps. ``memory_size`` is that of a recurrent network, 0 for
    others; ``cuda_graphs`` whether choosing actions is captured on CUDA.

    Attributes:
        is_underway: whether a rollout was broken off, so that only :meth:`reset` goes on.
        broken: the number that broke it off; None where none did.
    """

    def __init__(
        self,
        steppers: list[Stepper],
        head: ActionDistribution,
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
        self.valid = torch.ones(steps, envs, device=device)
        self.masks: Tensor | None = None
        self.actions = torch.zeros(steps, envs, *head.action_shape, dtype=head.action_dtype, device=device)
        self.log_probs: Tensor | None = None
        self.values: Tensor | None = None
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
        self.episode_starts: Tensor | None = None
        self.episode_starts_device: Tensor | None = None
        if memory_size:
            self.memory, self.memory_before = (torch.zeros(envs, memory_size, device=device) for _ in range(2))
            self.episode_starts = buffer(steps + 1, envs)
            self.episode_starts_device = device_rows(self.episode_starts, device)
        self.episodes = EpisodeCounter(envs)
        self._counted = True
        self.env_seconds = 0.0
        self.is_underway = False
        self.broken: NonFinite | None = None
        self.samplers: list[ActionSampler] = []

    def keep_assessments(self) -> None:
        """Expect an :data:`AssessingAct`, on a CPU, and keep all that it gives."""
        self.log_probs, self.values = torch.zeros_like(self.rewards), torch.zeros_like(self.rewards)

    def reset(self, seed: int | None) -> None:
        """Start all episodes anew; the environment of column i gets ``seed + i``."""
        self.count_episodes()
        last = self.obs[-1].numpy()
        for stepper, columns in zip(self.steppers, self.columns, strict=True):
            stepper.reset(None if seed is None else seed + columns.start, last[columns])
        self.obs_device[-1].copy_(self.obs[-1])
        self.is_underway, self.broken = False, None
        self.reset_rows[:] = False
        if self.uploads is not None:
            self.uploads.forget(self.reset_rows)
        if self.episode_starts is not None:
            self.episode_starts[-1] = 1.0
        self.episodes.reset()
        self.samplers = []  # they hold on to the buffer of masks
        mask = self.steppers[0].action_mask
        if mask is not None and mask.shape[1] == self.head.num_params:
            shape = (*self.raw_rewards.shape, mask.shape[1])
            self.masks = host_rows(shape, torch.bool, self.device)
            self.masks_device = device_rows(self.masks, self.device)

    @torch.no_grad()
    def prepare(self, act: CompiledFunction) -> list[Program]:
        """The programs of an ``act`` without memory that :meth:`collect` will run, group by group; not waited for."""
        noise = torch.zeros(self.obs.shape[1], self.head.num_noise)
        programs = []
        for columns in self.columns:
            mask = None if self.masks is None else self.masks[0, columns]
            programs.append(act.prepare(self.obs[0, columns], noise[columns], mask, None, None))
        return programs

    @torch.no_grad()
    def collect(self, act: Act | AssessingAct, noise: Tensor) -> RolloutBuffer:
        """Take T steps with ``act``; ``noise`` is ``[T, N, head.num_noise]``.

        A Box action that is NaN breaks it off, before any environment sees it: :attr:`broken` says so then. So does an
        exception, Ctrl-C for instance. After either, environments and buffers are at different steps:
        :attr:`is_underway` stays true, and only :meth:`reset` goes on from there.
        """
        self.count_episodes()
        self.is_underway = True
        if not self.samplers:
            self.samplers = make_samplers(self, act)
        self.obs[0].copy_(self.obs[-1])
        if self.memory is not None and self.memory_before is not None:
            self.memory_before.copy_(self.memory)
        if self.episode_starts is not None:
            self.episode_starts[0] = self.episode_starts[-1]
        bootstrap_observations: list[tuple[int, BootstrapObservations]] = []
        env_seconds = 0.0
        obs, rewards, terminated, truncated = (
            list(x) for x in (self.obs.numpy(), self.raw_rewards, self.raw_terminated, self.raw_truncated)
        )
        groups = list(zip(self.steppers, self.columns, self.samplers, strict=True))
        last = len(rewards) - 1
        for stepper, columns, sampler in groups:
            self._note_mask(0, stepper, columns)
            sampler.launch(0, noise)
        try:
            for t in range(last + 1):
                for stepper, columns, sampler in groups:
                    action = self.decoder.decode(sampler.actions())
                    start = perf_counter()
                    final = stepper.step(
                        action, obs[t + 1][columns], rewards[t][columns], terminated[t][columns], truncated[t][columns]
                    )
                    env_seconds += perf_counter() - start
                    if final is not None:
                        bootstrap_observations.append((t, final._replace(env_ids=final.env_ids + columns.start)))
                    if self.episode_starts is not None:
                        self._note_episode_starts(t, columns)
                    if t < last:
                        self._note_mask(t + 1, stepper, columns)
                        sampler.launch(t + 1, noise)
        except NonFiniteActionError as error:
            comes_from = "action" if np.isfinite(obs[t][columns][error.row]).all() else "obs"
            self.broken = NonFinite(comes_from, columns.start + error.row)
        for sampler in self.samplers:
            sampler.finish()
        self.env_seconds = env_seconds
        self._counted = False
        if self.uploads is not None:
            self.uploads.send()
        else:
            self._convert()
            self.count_episodes()
        self.is_underway = self.broken is not None
        return self.buffers(bootstrap_observations)

    def buffers(self, bootstrap_observations: list[tuple[int, BootstrapObservations]]) -> RolloutBuffer:
        """The tensors of a rollout, as they are now; masks are among them once the environments have begun."""
        return RolloutBuffer(
            obs=self.obs_device,
            actions=self.actions,
            log_probs=self.log_probs,
            values=self.values,
            rewards=self.rewards,
            terminated=self.terminated,
            done=self.done,
            valid=self.valid,
            masks=self.masks_device,
            bootstrap_observations=bootstrap_observations,
            memory=self.memory_before,
            episode_starts=self.episode_starts_device,
        )

    def _note_mask(self, t: int, stepper: Stepper, columns: slice) -> None:
        if self.masks is not None:
            self.masks[t, columns].numpy()[...] = stepper.action_mask

    def _note_episode_starts(self, t: int, columns: slice) -> None:
        """Note where row ``t + 1`` begins an episode: where step ``t`` ended one.

        With NextStep, where step ``t`` was the reset row, since the last observation of an episode still belongs to it.
        """
        assert self.episode_starts is not None
        if not self.has_reset_rows:
            begun = self.raw_terminated[t, columns] | self.raw_truncated[t, columns]
        elif t == 0:
            begun = self.reset_rows[columns]
        else:
            begun = self.raw_terminated[t - 1, columns] | self.raw_truncated[t - 1, columns]
        self.episode_starts[t + 1, columns].numpy()[...] = begun

    def _convert(self) -> None:
        """What the environments wrote, as the float32 tensors of a rollout."""
        self.rewards.numpy()[...] = self.raw_rewards
        self.terminated.numpy()[...] = self.raw_terminated
        done = self.raw_terminated | self.raw_truncated
        self.done.numpy()[...] = done
        if self.has_reset_rows:
            valid = self.valid.numpy()
            valid[0] = ~self.reset_rows
            valid[1:] = ~done[:-1]

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
            "starts": None if self.episode_starts is None else self.episode_starts[-1].clone(),
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
        if self.memory is not None and self.episode_starts is not None:
            self.memory.copy_(state["memory"])
            self.episode_starts[-1].copy_(state["starts"])


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


def make_samplers(collector: Collector, act: Act | AssessingAct) -> list[ActionSampler]:
    """A sampler for each group of environments, on the collector's device."""
    if collector.device.type == "cuda":
        assert collector.values is None
        chooses = cast(Act, act)
        return [
            CudaSampler(collector, columns, chooses, capture=collector.cuda_graphs) for columns in collector.columns
        ]
    return [HostSampler(collector, columns, act) for columns in collector.columns]
