"""Small envs with awkward spaces, infos and faults."""

from __future__ import annotations

import copy
import os
import signal
import time
from typing import ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces


class Scripted(gymnasium.Env):
    """Draws observations from its space; episodes last as long as a draw says."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 7}

    def __init__(self, observation_space, action_space=None, render_mode=None):
        self.observation_space = copy.deepcopy(observation_space)  # with a generator of its own
        self.action_space = spaces.Discrete(3) if action_space is None else action_space
        self.render_mode = render_mode
        self.label = "unset"
        self.steps_left = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps_left = int(self.np_random.integers(1, 6)) + (options or {}).get("extra", 0)
        return self.observation_space.sample(), {"length": self.steps_left}

    def step(self, action):
        self.steps_left -= 1
        reward = float(self.np_random.normal()) + float(np.sum(np.asarray(action, dtype=np.float64)))
        done = self.steps_left <= 0
        return self.observation_space.sample(), reward, done and reward > 0, done and reward <= 0, self.info(action)

    def info(self, action):
        return {"dtype": str(np.asarray(action).dtype)}

    def render(self):
        return np.full((2, 2, 3), self.steps_left, dtype=np.uint8)

    def add(self, a, b=0):
        return self.steps_left + a + b


class UnevenInfos(Scripted):
    """Keys come and go, change their type, and nest."""

    def info(self, action):
        draw = int(self.np_random.integers(8))
        info = {"always": draw, "mixed": draw if draw % 2 else float(draw) / 3}
        if draw < 4:
            info["sometimes"] = np.arange(3, dtype=np.float32) * draw
            info["nested"] = {"inner": {"value": np.float32(draw)}, "flag": draw == 2, "empty": {}}
        if draw > 5:
            info["text"] = "x" * draw
            info["thing"] = [draw, {"a": None}]
        return info

    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed, options=options)
        return observation, {**info, "from_reset": np.int16(3), "always": 1}


class EvenInfos(Scripted):
    """The same keys and types at every step, as simulators have."""

    def info(self, action):
        draw = self.np_random.normal(size=4)
        return {
            "velocity": draw[0],
            "height": float(draw[1]),
            "mask": (draw > 0).astype(np.int8),
            "parts": {"forward": draw[2], "count": 3},
            "name": "even",
            "ok": True,
        }


class Custom(spaces.Space):
    """A space that Gymnasium does not know how to batch."""

    def __init__(self):
        super().__init__(None, None)

    def sample(self, mask=None, probability=None):
        return {"odd": self.np_random.integers(100)}

    def contains(self, x):
        return isinstance(x, dict)

    def __eq__(self, other):
        return isinstance(other, Custom)


class Faulty(gymnasium.Env):
    """Counts its steps; does what an action above 0 says."""

    observation_space = spaces.Box(0, 1000, (2,), np.float32)
    action_space = spaces.Discrete(10)
    RAISE, KILL, EXIT, HANG, WRONG_SHAPE, UNPICKLABLE, BAD_RESET, NESTED = range(1, 9)

    def __init__(self):
        self.count = 0
        self.fail_reset = False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if self.fail_reset or (options or {}).get("fail"):
            self.fail_reset = False
            raise OSError("reset failed")
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.count += 1
        observation = np.full(2, self.count, np.float32)
        info = {}
        if action == self.RAISE:
            raise ValueError(f"boom at {self.count}")
        if action == self.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if action == self.EXIT:
            os._exit(7)
        if action == self.HANG:
            time.sleep(3600)
        if action == self.WRONG_SHAPE:
            observation = np.zeros(3, np.float32)
        if action == self.UNPICKLABLE:
            info = {"lock": __import__("threading").Lock()}
        if action == self.BAD_RESET:
            self.fail_reset = True
            return observation, 1.0, True, False, {}
        return observation, 1.0, False, False, info

    def fail(self):
        raise KeyError("called")

    def pid(self):
        return os.getpid()
