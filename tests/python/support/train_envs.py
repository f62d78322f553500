"""Small envs with known behaviour, and vectors of them, for the trainer's tests."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

__all__ = ["Counting", "Snapshotting", "sync"]


class Counting(gym.Env):
    """Observes ``[start, t]``; each step is worth ``t + 1``. Ends after ``terminate_at`` or ``truncate_at``
    steps.

    ``start`` counts the resets, so that each observation says which episode it belongs to.
    """

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, terminate_at: int = 10**9, truncate_at: int = 10**9) -> None:
        self.terminate_at, self.truncate_at = terminate_at, truncate_at
        self.episode = 0
        self.t = 0

    def _obs(self) -> np.ndarray:
        return np.array([self.episode, self.t], np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.episode, self.t = self.episode + 1, 0
        return self._obs(), {}

    def step(self, action: Any) -> Any:
        self.t += 1
        return self._obs(), float(self.t), self.t >= self.terminate_at, self.t >= self.truncate_at, {}


def sync(mode: str, *makers: Any) -> SyncVectorEnv:
    """A SyncVectorEnv of the given factories."""
    return SyncVectorEnv(list(makers), autoreset_mode=AutoresetMode(mode))


class Snapshotting(SyncVectorEnv):
    """A SyncVectorEnv that can be copied and put back, as fastvec's vectors can."""

    def get_state(self) -> Any:
        return copy.deepcopy([env.unwrapped.__dict__ | {"steps": env._elapsed_steps} for env in self.envs]), (
            self._autoreset_envs.copy()
        )

    def set_state(self, state: Any) -> None:
        for env, values in zip(self.envs, copy.deepcopy(state[0]), strict=True):
            env._elapsed_steps = values.pop("steps")
            env.unwrapped.__dict__.update(values)
        self._autoreset_envs = state[1].copy()
