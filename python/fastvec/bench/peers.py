"""The vectors that are measured beside each other.

Each peer makes a vector, resets it, and gives a function that steps it once with a batch of actions. A peer that
cannot make the env (no such env, not installed, too many processes) says so by returning None.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium

import fastvec

__all__ = ["PEERS", "Peer", "Vector", "select_peers"]


@dataclass(frozen=True)
class Vector:
    """A vector under measurement: ``step(actions)`` and ``close()``."""

    step: Callable[[Any], Any]
    close: Callable[[], None]


@dataclass(frozen=True)
class Peer:
    """A way to make a vector.

    Attributes:
        name: as shown in tables.
        group: the name that ``--against`` selects it by.
        make: ``make(env_id, num_envs, num_threads)``; None if it cannot.
        max_envs: more than this many would take minutes to make or step.
    """

    name: str
    group: str
    make: Callable[[str, int, int], Vector | None]
    max_envs: int


def _fastvec(env_id: str, num_envs: int, num_threads: int) -> Vector:
    envs = fastvec.make_vec(env_id, num_envs, num_threads=num_threads)
    envs.reset(seed=0)
    return Vector(envs.step, envs.close)


def _gymnasium(mode: str) -> Callable[[str, int, int], Vector | None]:
    def make(env_id: str, num_envs: int, num_threads: int) -> Vector | None:
        known = gymnasium.registry.get(env_id)
        if known is None or (mode == "vector_entry_point" and known.vector_entry_point is None):
            return None
        if mode == "vector_entry_point" and str(known.vector_entry_point).startswith("fastvec."):
            return None
        envs = gymnasium.make_vec(env_id, num_envs, vectorization_mode=mode)
        envs.reset(seed=0)
        return Vector(envs.step, envs.close)

    return make


def _envpool(env_id: str, num_envs: int, num_threads: int) -> Vector | None:
    try:
        import envpool
    except ImportError:
        return None
    if env_id not in envpool.list_all_envs():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its spaces round float64 bounds to float32
        envs = envpool.make_gymnasium(env_id, num_envs=num_envs, num_threads=num_threads, seed=0)
    envs.reset()
    return Vector(envs.step, getattr(envs, "close", lambda: None))


PEERS = (
    Peer("fastvec", "fastvec", _fastvec, 1 << 30),
    Peer("gymnasium sync", "gymnasium", _gymnasium("sync"), 1024),
    Peer("gymnasium async", "gymnasium", _gymnasium("async"), 64),
    Peer("gymnasium vector", "gymnasium", _gymnasium("vector_entry_point"), 1 << 20),
    Peer("envpool", "envpool", _envpool, 1 << 17),
)


def select_peers(against: str) -> list[Peer]:
    """Fastvec and the peers of the groups in a comma-separated list.

    Raises:
        ValueError: a group that there is not.
    """
    groups = [name for name in against.split(",") if name and name != "none"]
    known = sorted({peer.group for peer in PEERS} - {"fastvec"})
    for name in groups:
        if name not in known:
            raise ValueError(f"expected --against to list some of {', '.join(known)} (or none), got {name!r}")
    return [peer for peer in PEERS if peer.group == "fastvec" or peer.group in groups]
