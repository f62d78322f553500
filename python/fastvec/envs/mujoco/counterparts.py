"""The MuJoCo envs: native states to and from Gymnasium's classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastvec.envs.mujoco import ENV_IDS
from fastvec.native.counterpart import GymnasiumCounterpart

__all__ = ["COUNTERPARTS"]

# What an env has beside its MjData, by the end of its name: an attribute of Gymnasium's env, two numbers.
_EXTRAS = {"Reacher": "goal", "Pusher": "cylinder_pos"}


def _extra(env: Any) -> str | None:
    return _EXTRAS.get(env.spec.id.partition("-")[0])


def _load_state(env: Any, state: bytes) -> None:
    import mujoco

    from fastvec.envs.mujoco.handles import integration_signature, saved_arrays

    numbers = np.frombuffer(state, np.float64).copy()  # writable: some versions of MuJoCo want that
    size = mujoco.mj_stateSize(env.model, integration_signature())
    arrays = saved_arrays(env.data)
    extra = _extra(env)
    expected = size + sum(array.size for _, array in arrays) + (2 if extra else 0)
    if numbers.size != expected:
        raise ValueError(f"expected a state of {expected} numbers, got {numbers.size}")
    mujoco.mj_setState(env.model, env.data, numbers[:size], integration_signature())
    at = size
    for _, array in arrays:
        array[...] = numbers[at : at + array.size].reshape(array.shape)
        at += array.size
    if extra:
        setattr(env, extra, numbers[at:].copy())


def _dump_state(env: Any) -> bytes:
    import mujoco

    from fastvec.envs.mujoco.handles import integration_signature, saved_arrays

    state = np.empty(mujoco.mj_stateSize(env.model, integration_signature()))
    mujoco.mj_getState(env.model, env.data, state, integration_signature())
    extra = _extra(env)
    parts = [state, *(array.ravel() for _, array in saved_arrays(env.data))]
    if extra:
        parts.append(np.asarray(getattr(env, extra), np.float64))
    return np.concatenate(parts).tobytes()


def _no_kwargs(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {}  # they all come from fastvec.envs.mujoco.simulation


COUNTERPARTS: dict[str, GymnasiumCounterpart] = {
    env_id: GymnasiumCounterpart(
        env_id,
        _no_kwargs,
        _load_state,
        _dump_state,
        action_kinds="f" if env_id.startswith("Reacher-") else "",  # infos of integers would be integers
    )
    for env_id in ENV_IDS
}
