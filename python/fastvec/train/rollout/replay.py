"""Replay of what was seen: a ring of rollout rows, from which transitions are drawn."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fastvec.train.rollout.buffer import RolloutBuffer
from fastvec.vector.memory import usable_memory


class Transitions(NamedTuple):
    """What was drawn, rows of any shape in front.

    Attributes:
        obs: ``[..., *obs_shape]``, as the encoder made them.
        actions: ``[..., *action_shape]``.
        rewards: float32 ``[...]``: discounted sums of up to ``n_step`` rewards of one episode.
        next_obs: ``[..., *obs_shape]``: what followed the last of those; the episode's own last observation where it
            was truncated there.
        discounts: float32 ``[...]``: the weight of the value of ``next_obs``: gamma to the power of the number of
            rewards, 0 where the episode was terminated.
    """

    obs: Tensor
    actions: Tensor
    rewards: Tensor
    next_obs: Tensor
    discounts: Tensor


class ReplayBuffer:
    """A ring of rows, each a step of N environments. Observations are kept once: the next one is the next row.

    In the autoreset mode NextStep the next row also is an episode's last observation, and rows in which an environment
    only reset are never drawn as a beginning. In the others the next row begins another episode, so last observations
    of truncated ones lie in a table of their own.

    Args:
        capacity: environment steps to keep.
        num_envs: N.
        obs_shape: of one encoded observation.
        obs_dtype: of encoded observations; they are kept in it.
        action_shape: of one action.
        action_dtype: of actions.
        n_step: rewards that a transition adds up at most.
        gamma: discount per step.
        seed: of the draws.
        device: where what is drawn is wanted. The buffer lies there too, or, where a CUDA device has no room for it, in
            pinned memory of the host.

    Attributes:
        storage: where it lies.
        nbytes: the memory that it takes, but for last observations in a table of their own.

    Raises:
        ValueError: there is less memory than it takes.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        *,
        obs_shape: tuple[int, ...],
        obs_dtype: torch.dtype,
        action_shape: tuple[int, ...],
        action_dtype: torch.dtype,
        n_step: int,
        gamma: float,
        seed: int,
        device: torch.device,
    ) -> None:
        # One row more than is kept: the newest observation, whose action is not known yet.
        self.num_rows = max(math.ceil(capacity / num_envs), n_step) + 1
        self.num_envs = num_envs
        self.n_step = n_step
        self.gamma = gamma
        self.device = device
        of_obs, of_action = obs_dtype.itemsize * math.prod(obs_shape), action_dtype.itemsize * math.prod(action_shape)
        per_step = of_obs + of_action + 4 + 3 + 8  # reward, flags, and where its last observation is
        self.nbytes = self.num_rows * num_envs * per_step
        self.storage = choose_storage(self.nbytes, capacity, device)
        shape = (self.num_rows, num_envs)

        def table(*of_one: int, dtype: torch.dtype = torch.float32) -> Tensor:
            pinned = self.storage != device
            return torch.zeros(*shape, *of_one, dtype=dtype, device=self.storage, pin_memory=pinned)

        self.obs = table(*obs_shape, dtype=obs_dtype)
        self.actions = table(*action_shape, dtype=action_dtype)
        self.rewards = table()
        self.terminated, self.done = (table(dtype=torch.bool) for _ in range(2))
        self.valid = np.zeros(shape, dtype=bool)
        self.last_obs = torch.zeros(0, *obs_shape, dtype=obs_dtype, device=self.storage)
        self.last_obs_slot = np.full(shape, -1, dtype=np.int64)
        # The same where the buffer is; on a CPU the same memory.
        self._slots = torch.from_numpy(self.last_obs_slot).to(self.storage)
        self._free: list[int] = []
        self.head = 0
        self.size = 0
        self.rng = np.random.Generator(np.random.PCG64(seed))

    def __len__(self) -> int:
        """Rows that are complete: each with its action and what came of it."""
        return self.size

    def add(self, rollout: RolloutBuffer) -> None:
        """Take in a rollout; the oldest rows go."""
        for t in range(len(rollout.rewards)):
            row = self.head
            self._forget(row)
            self.obs[row].copy_(rollout.obs[t])
            self.actions[row].copy_(rollout.actions[t])
            self.rewards[row].copy_(rollout.rewards[t])
            self.terminated[row].copy_(rollout.terminated[t])
            self.done[row].copy_(rollout.done[t])
            self.valid[row] = rollout.valid[t].cpu().numpy()
            self.head = (row + 1) % self.num_rows
            self.size = min(self.size + 1, self.num_rows - 1)
        self._forget(self.head)
        self.obs[self.head].copy_(rollout.obs[-1])
        for t, last in rollout.bootstrap_observations:
            row = (self.head - len(rollout.rewards) + t) % self.num_rows
            for env, obs in zip(last.env_ids, last.observations, strict=True):
                self._keep_last_obs(row, int(env), torch.as_tensor(obs))

    def close_episodes(self) -> None:
        """Note that what comes next does not go on from the newest row: no transition that leads there is drawn.

        The newest ``n_step`` rows are left out, whose last observation would be another episode's.
        """
        rows = (self.head - 1 - np.arange(min(self.n_step, self.size))) % self.num_rows
        self.valid[rows] = False

    def _forget(self, row: int) -> None:
        slots = self.last_obs_slot[row]
        kept = slots[slots >= 0].tolist()
        if kept:
            self._free += kept
            slots[:] = -1
            self._slots[row].fill_(-1)

    def _keep_last_obs(self, row: int, env: int, obs: Tensor) -> None:
        if not self._free:
            had = len(self.last_obs)
            more = torch.zeros(max(had, 64), *self.last_obs.shape[1:], dtype=self.last_obs.dtype, device=self.storage)
            self.last_obs = torch.cat([self.last_obs, more])
            self._free = list(range(had, len(self.last_obs)))
        slot = self._free.pop()
        self.last_obs[slot].copy_(obs)
        self.last_obs_slot[row, env] = slot
        self._slots[row, env].fill_(slot)

    def sample(self, *shape: int) -> Transitions:
        """Draw transitions, each beginning at any step that is kept with the same probability, with replacement.

        Args:
            *shape: of what is drawn.

        Raises:
            ValueError: fewer than ``n_step`` rows are kept, or all that are only reset.
        """
        begins = self.size - self.n_step + 1
        if begins < 1:
            raise ValueError(f"expected at least {self.n_step} rows in the replay buffer, got {self.size}")
        oldest = (self.head - self.size) % self.num_rows
        rows = np.empty(math.prod(shape), dtype=np.int64)
        envs = np.empty_like(rows)
        missing = np.arange(len(rows))
        for _ in range(1000):
            drawn = self.rng.integers(begins * self.num_envs, size=len(missing))
            rows[missing], envs[missing] = (oldest + drawn // self.num_envs) % self.num_rows, drawn % self.num_envs
            missing = missing[~self.valid[rows[missing], envs[missing]]]
            if not len(missing):
                return self.take(rows.reshape(shape), envs.reshape(shape))
        raise ValueError("the replay buffer keeps nothing but steps in which environments only reset")

    def take(self, rows: np.ndarray[Any, Any], envs: np.ndarray[Any, Any]) -> Transitions:
        """The transitions that begin in the given rows of the ring and environments, int64 of one shape."""
        row, env = (torch.from_numpy(x).to(self.storage) for x in (rows, envs))
        rewards = torch.zeros(rows.shape, device=self.storage)
        discounts = torch.ones_like(rewards)
        going_on = torch.ones_like(rewards)
        last = row
        for k in range(self.n_step):
            at = (row + k) % self.num_rows
            last = torch.where(going_on > 0, at, last)
            rewards += going_on * self.gamma**k * self.rewards[at, env]
            discounts = torch.where(
                going_on > 0, self.gamma ** (k + 1) * (~self.terminated[at, env]).float(), discounts
            )
            going_on = going_on * (~self.done[at, env]).float()
        next_obs = self.obs[(last + 1) % self.num_rows, env]
        if len(self.last_obs):
            slots = self._slots[last, env]
            own = (slots >= 0).view(*slots.shape, *[1] * (next_obs.ndim - slots.ndim))
            next_obs = torch.where(own, self.last_obs[slots.clamp(min=0)], next_obs)  # asks a device for nothing
        drawn = (self.obs[row, env], self.actions[row, env], rewards, next_obs, discounts)
        return Transitions(*(x.to(self.device) for x in drawn))

    def state_dict(self) -> dict[str, Any]:
        """Everything that is kept, and the generator of the draws."""
        tensors = {name: getattr(self, name).cpu() for name in TENSORS}
        own = {
            "valid": self.valid,
            "slots": self.last_obs_slot,
            "free": list(self._free),
            "head": self.head,
            "size": self.size,
        }
        return {**tensors, **own, "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`.

        Raises:
            ValueError: it is of another size.
        """
        for name in TENSORS:
            expected, got = list(getattr(self, name).shape), list(state[name].shape)
            if name != "last_obs" and got != expected:
                raise ValueError(f"expected {name} of a replay buffer as {expected}, got {got}: it is of another size")
        for name in TENSORS:
            if name == "last_obs":  # as many as there were truncated episodes
                self.last_obs = state[name].to(self.storage).clone()
            else:
                getattr(self, name).copy_(state[name])
        self.valid, self.last_obs_slot = np.array(state["valid"]), np.array(state["slots"])
        self._slots = torch.from_numpy(self.last_obs_slot).to(self.storage)
        self._free = list(state["free"])
        self.head, self.size = int(state["head"]), int(state["size"])
        self.rng.bit_generator.state = state["rng"]


TENSORS = ("obs", "actions", "rewards", "terminated", "done", "last_obs")


def choose_storage(nbytes: int, capacity: int, device: torch.device) -> torch.device:
    """Where a replay buffer is to lie: on ``device``, or in the host's memory where that alone has room.

    Raises:
        ValueError: there is less memory than it takes.
    """
    there = usable_memory()
    if device.type == "cuda":
        on_device = torch.cuda.mem_get_info(device)[0]
        if nbytes <= 0.9 * on_device:
            return device
        places = f"{on_device / 1e9:.1f} GB on {device} and {there / 1e9:.1f} GB on the host"
    else:
        places = f"{there / 1e9:.1f} GB that may be used"
    if nbytes > 0.9 * there:
        raise ValueError(
            f"a replay buffer of {capacity:,} steps takes {nbytes / 1e9:.1f} GB, and there are {places}: "
            "expected a smaller buffer_size"
        )
    return torch.device("cpu")
