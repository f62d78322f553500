"""What SB3's ``Monitor`` wrapper counts, for all envs of a vector together."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

__all__ = ["MonitorRecord"]

_METHODS = {
    "get_total_steps": "total_steps",
    "get_episode_rewards": "episode_returns",
    "get_episode_lengths": "episode_lengths",
    "get_episode_times": "episode_times",
}


class MonitorRecord:
    """Returns and lengths of the episodes of ``num_envs`` envs, under the names that ``Monitor`` has for them.

    Attributes:
        attributes: per env, the attributes of its ``Monitor``.
    """

    def __init__(self, num_envs: int) -> None:
        self._started = time.time()
        self._returns = np.zeros(num_envs, np.float64)  # of the episodes under way
        self._lengths = np.zeros(num_envs, np.int64)
        self._total_steps = 0
        self._needs_reset = True
        self._finished: list[dict[str, list[Any]]] = [
            {"episode_returns": [], "episode_lengths": [], "episode_times": []} for _ in range(num_envs)
        ]

    def reset(self) -> None:
        """All envs start new episodes."""
        self._returns[:], self._lengths[:] = 0.0, 0
        self._needs_reset = False

    def step(self, rewards: np.ndarray) -> None:
        """All envs have stepped; ``rewards`` float64 ``(num_envs,)``."""
        self._returns += rewards
        self._lengths += 1
        self._total_steps += 1

    def end(self, env: int) -> dict[str, Any]:
        """An env's episode has ended: what ``infos[env]["episode"]`` says of it."""
        episode_return, length = float(self._returns[env]), int(self._lengths[env])
        self._returns[env], self._lengths[env] = 0.0, 0
        seconds = time.time() - self._started
        finished = self._finished[env]
        finished["episode_returns"].append(episode_return)
        finished["episode_lengths"].append(length)
        finished["episode_times"].append(seconds)
        return {"r": round(episode_return, 6), "l": length, "t": round(seconds, 6)}

    def attributes(self, env: int) -> dict[str, Any]:
        """The attributes that ``Monitor`` has for this env."""
        return {
            **self._finished[env],
            "total_steps": self._total_steps,
            "needs_reset": self._needs_reset,
            "t_start": self._started,
            "allow_early_resets": True,
            "results_writer": None,
            "reset_keywords": (),
            "info_keywords": (),
            "current_reset_info": {},
        }

    def call(self, method: str, env: int) -> Any:
        """The result of a method of ``Monitor``; KeyError if it is not one of its own."""
        return self.attributes(env)[_METHODS[method]]

    def has_method(self, name: str) -> bool:
        """Whether ``Monitor`` has this method and the env inside it has not."""
        return name in _METHODS
