"""The environments' own state, for checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gymnasium.vector import VectorEnv


def offers_snapshots(envs: VectorEnv) -> bool:
    """Whether ``envs`` has ``get_state`` and ``set_state``, as fastvec's vectors do."""
    return hasattr(envs, "get_state") and hasattr(envs, "set_state")


def take_snapshots(groups: Sequence[VectorEnv]) -> list[Any] | None:
    """The state of each vector; None where they cannot be saved."""
    if not offers_snapshots(groups[0]):
        return None
    try:
        return [group.get_state() for group in groups]  # type: ignore[attr-defined]
    except NotImplementedError:
        return None


def restore_snapshots(groups: Sequence[VectorEnv], snapshots: Sequence[Any]) -> None:
    """Bring vectors like those of :func:`take_snapshots` to where they were; they must have been reset."""
    for group, snapshot in zip(groups, snapshots, strict=True):
        group.set_state(snapshot)  # type: ignore[attr-defined]
