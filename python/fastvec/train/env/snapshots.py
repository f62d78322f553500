"""The environments' own state, for checkpoints."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from gymnasium.vector import VectorEnv


def offers_snapshots(envs: VectorEnv) -> bool:
    """Whether ``envs`` has ``get_state`` and ``set_state``, as fastvec's vectors do."""
    return hasattr(envs, "get_state") and hasattr(envs, "set_state")


def take_snapshots(groups: Sequence[VectorEnv]) -> list[dict[str, Any]] | None:
    """The state of each vector as a checkpoint can hold it; None where they cannot be saved.

    States that are no bytes, as vectors of a user's own may have them, are pickled.
    """
    if not offers_snapshots(groups[0]):
        return None
    snapshots = []
    for group in groups:
        try:
            state = group.get_state()  # type: ignore[attr-defined]
            pickled = not isinstance(state, bytes)
            snapshots.append({"pickled": pickled, "data": pickle.dumps(state) if pickled else state})
        except (NotImplementedError, pickle.PicklingError, TypeError, AttributeError):
            return None
    return snapshots


def restore_snapshots(groups: Sequence[VectorEnv], snapshots: Sequence[Mapping[str, Any]]) -> None:
    """Bring vectors like those of :func:`take_snapshots` to where they were; they must have been reset."""
    for group, snapshot in zip(groups, snapshots, strict=True):
        if "state" in snapshot:  # of a file that was a pickle as a whole
            state = snapshot["state"]
        else:
            state = pickle.loads(snapshot["data"]) if snapshot["pickled"] else snapshot["data"]
        group.set_state(state)  # type: ignore[attr-defined]


def may_restore(groups: Sequence[VectorEnv], snapshots: Sequence[Mapping[str, Any]], *, trust: bool) -> bool:
    """Whether the snapshots can be read without running what is in them, or are trusted; warns where neither is so."""
    runs_code = any(snapshot.get("pickled") for snapshot in snapshots)
    runs_code = runs_code or any(getattr(group, "state_is_pickled", False) for group in groups)
    if runs_code and not trust:
        warnings.warn(
            "the states of these environments are pickles, and reading them runs what is in them: new episodes begin. "
            "To go on exactly, pass trust=True, or --trust, where you trust the checkpoint",
            stacklevel=4,
        )
    return trust or not runs_code
