"""The twin in Python of "Rich-v0" in tests/cpp/fixtures/rich.cpp: what SyncVectorEnv steps in comparison."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from fastvec.native.spaces import ordered_dict

__all__ = ["RichEnv"]


class RichEnv(gymnasium.Env):
    """Every kind of space and of info field; the C++ source says what is computed."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(self, goal: int = 7, scale: float = 0.5, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self._goal, self._scale = goal, scale
        self.observation_space = ordered_dict(
            {
                "image": spaces.Box(0, 255, (2, 3, 3), np.uint8),
                "place": spaces.Discrete(5, start=2),
                "bits": spaces.MultiBinary(3),
                "pair": spaces.Tuple([spaces.Box(-100.0, 100.0, (2,), np.float64), spaces.MultiDiscrete([2, 3])]),
            }
        )
        self.action_space = ordered_dict(
            {
                "go": spaces.Discrete(3, start=-1),
                "bits": spaces.MultiBinary(2),
                "dial": spaces.MultiDiscrete([2, 4]),
                "force": spaces.Tuple([spaces.Box(-1.0, 1.0, (2,), np.float32), spaces.Box(0, 9, (1,), np.uint8)]),
            }
        )
        self.history: list[int] = []
        self.total = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.history = [int(self.np_random.integers(0, 10))]
        self.total = self.np_random.random()
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        bits, dial, (force, extra) = action["bits"], action["dial"], action["force"]
        self.history.append(
            int(action["go"]) * 100
            + int(bits[0]) * 50
            + int(bits[1]) * 25
            + int(dial[0]) * 10
            + int(dial[1])
            + int(extra[0])
            + int(self.np_random.integers(0, 3))
        )
        self.total = self.total * self._scale + float(force[0]) - float(force[1])
        return self._observation(), self.total, len(self.history) > self._goal, False, self._info()

    def render(self) -> np.ndarray:
        return ((np.arange(4 * 5 * 3) + len(self.history)) % 256).astype(np.uint8).reshape(4, 5, 3)

    def _observation(self) -> dict[str, Any]:
        last, size = self.history[-1], len(self.history)
        return {
            "image": ((last + np.arange(18)) % 256).astype(np.uint8).reshape(2, 3, 3),
            "place": 2 + size % 5,
            "bits": np.array([(size >> i) & 1 for i in range(3)], dtype=np.int8),
            "pair": (np.array([self.total, -self.total]), np.array([size % 2, size % 3])),
        }

    def _info(self) -> dict[str, Any]:
        last, size = self.history[-1], len(self.history)
        info: dict[str, Any] = {"count": size}
        if last % 3 == 0:
            info["lucky"] = float(self.total)
        if last % 2 == 0:
            info["vector"] = np.array([self.total, size], dtype=np.float32)
        if last % 5 == 0:
            info["mixed"] = last
        elif last % 5 == 1:
            info["mixed"] = 2.0 * last
        return info
