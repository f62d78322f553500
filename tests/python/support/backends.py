"""The same small vector on each backend, for the tests of what all backends share."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastvec

__all__ = ["BACKENDS", "NUM_ENVS", "ZEROS", "make_backend"]

BACKENDS = ["native", "workers", "inline", "ale"]
NUM_ENVS = 3
ZEROS = np.zeros(NUM_ENVS, np.int64)

_ARGUMENTS: dict[str, dict[str, Any]] = {
    "native": {"num_threads": 2, "max_episode_steps": 6},
    "workers": {"backend": "process", "num_workers": 2, "max_episode_steps": 6},
    "inline": {"backend": "process", "num_workers": 0, "max_episode_steps": 6},
    "ale": {"img_height": 20, "img_width": 20, "stack_num": 2, "max_num_frames_per_episode": 24},
}


def make_backend(backend: str, **kwargs: Any) -> fastvec.VectorEnv:
    """Three CartPoles, or for ``"ale"`` three games of Breakout with small pictures; episodes last at most 6 steps."""
    env_id = "ALE/Breakout-v5" if backend == "ale" else "CartPole-v1"
    return fastvec.make_vec(env_id, NUM_ENVS, **{**_ARGUMENTS[backend], **kwargs})
