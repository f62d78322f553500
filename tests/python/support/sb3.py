"""What the tests of SB3VecEnv share: an env with all kinds of results, SB3's own vector of it, and ours to compare."""

from __future__ import annotations

from typing import ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

import fastvec
from fastvec.integrations.sb3 import SB3VecEnv

__all__ = ["MAKERS", "NUM_ENVS", "Reporting", "assert_same", "comparable", "dummy", "sampled_actions", "sync"]


class Reporting(gym.Env):
    """Dict observations, infos of several kinds, and ends of both sorts."""

    observation_space = gym.spaces.Dict(
        {"position": gym.spaces.Box(-10, 10, (2,), np.float32), "phase": gym.spaces.Discrete(3)}
    )
    action_space = gym.spaces.MultiDiscrete([3, 2])
    metadata: ClassVar = {"render_modes": []}
    gravity = 1.0

    def _observation(self):
        return {"position": self.position.copy(), "phase": np.int64(self.t % 3)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        low = (options or {}).get("low", 0.0)
        self.position = self.np_random.uniform(low, 1, 2).astype(np.float32)
        return self._observation(), {"start": self.position.copy()}

    def step(self, action):
        self.t += 1
        self.position += np.asarray(action, np.float32) - 1
        ends = self.np_random.random(2) < 0.15
        info = {"time": self.t, "nested": {"corner": self.position.copy()}}
        if self.t % 2:
            info["odd"] = f"step {self.t}"
        return self._observation(), float(self.position.sum()), bool(ends[0]), bool(ends[1]), info

    def weigh(self, mass, *, times=1):
        self.weighed = mass * times
        return self.t * mass * times * self.gravity


gym.register("Reporting-v0", entry_point=Reporting, max_episode_steps=12)
NUM_ENVS = 5


def dummy(env_id, count=NUM_ENVS, **kwargs):
    return DummyVecEnv([lambda: Monitor(gym.make(env_id, **kwargs)) for _ in range(count)])


def sync(env_id, mode, count=NUM_ENVS, **kwargs):
    return SyncVectorEnv([lambda: gym.make(env_id, **kwargs)] * count, autoreset_mode=mode)


MAKERS = {
    "fastvec": lambda env_id: SB3VecEnv(env_id, NUM_ENVS),
    "process": lambda env_id: SB3VecEnv(env_id, NUM_ENVS, backend="process", num_workers=2),
    "fastvec SameStep": lambda env_id: SB3VecEnv(fastvec.make_vec(env_id, NUM_ENVS, autoreset_mode="SameStep")),
    "fastvec copy=False": lambda env_id: SB3VecEnv(env_id, NUM_ENVS, copy=False),
    "Gymnasium SameStep": lambda env_id: SB3VecEnv(sync(env_id, AutoresetMode.SAME_STEP)),
    "Gymnasium Disabled": lambda env_id: SB3VecEnv(sync(env_id, AutoresetMode.DISABLED)),
}


def assert_same(actual, expected):
    """Equal in structure, dtype and value."""
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for key in expected:
            assert_same(actual[key], expected[key])
    elif isinstance(expected, tuple | list):
        assert type(actual) is type(expected)
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
    else:
        if isinstance(expected, np.ndarray):
            assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)


def comparable(infos, maker):
    """Infos without the seconds of episodes, which no two runs share.

    Nor FrozenLake's probability where one array holds it for steps and resets: Gymnasium gives that array the dtype
    of the first number it meets, which may be an int.
    """
    for info in infos:
        if "episode" in info:
            assert info["episode"].pop("t") >= 0
        if "SameStep" in maker:
            info.pop("prob", None)
    return infos


def sampled_actions(env, steps, seed=0):
    space = gym.vector.utils.batch_space(env.action_space, env.num_envs)
    space.seed(seed)
    return [space.sample() for _ in range(steps)]
