"""The same small vector on each backend, for the tests of what all backends share."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastvec

__all__ = ["BACKENDS", "NUM_ENVS", "WITH_SYNC_VECTOR_ENV", "ZEROS", "make_backend", "make_on"]

BACKENDS = ["native", "workers", "inline", "ale"]
WITH_SYNC_VECTOR_ENV = ["native", "workers", "inline"]
"""The backends whose oracle is SyncVectorEnv; that of games is ale-py's own vector (tests/python/ale)."""
NUM_ENVS = 3
ZEROS = np.zeros(NUM_ENVS, np.int64)

_ARGUMENTS: dict[str, dict[str, Any]] = {
    "native": {"num_threads": 2},
    "workers": {"backend": "process", "num_workers": 2, "context": "fork"},
    "inline": {"backend": "process", "num_workers": 0},
    "ale": {},
}
_SHORT = {"max_episode_steps": 6}
_SHORT_GAMES = {"img_height": 20, "img_width": 20, "stack_num": 2, "max_num_frames_per_episode": 24}


def make_on(backend: str, envs: Any, num_envs: int, **kwargs: Any) -> fastvec.VectorEnv:
    """A vector of an id or of a callable on that backend, with two threads or workers."""
    return fastvec.make_vec(envs, num_envs, **{**_ARGUMENTS[backend], **kwargs})


def make_backend(backend: str, **kwargs: Any) -> fastvec.VectorEnv:
    """Three CartPoles, or for ``"ale"`` three games of Breakout with small pictures; episodes last at most 6 steps."""
    if backend == "ale":
        return make_on(backend, "ALE/Breakout-v5", NUM_ENVS, **{**_SHORT_GAMES, **kwargs})
    return make_on(backend, "CartPole-v1", NUM_ENVS, **{**_SHORT, **kwargs})
