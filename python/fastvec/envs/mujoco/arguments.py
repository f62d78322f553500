"""Keyword arguments of Gymnasium's MuJoCo envs, on their way to the native ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np

from fastvec.native import registry

__all__ = ["env_arguments", "native_arguments", "signature_defaults"]

_DTYPES = {np.dtype(np.float64): 10, np.dtype(np.float32): 9, np.dtype(np.int64): 4}  # FV_* of abi.h


def signature_defaults(env_id: str) -> dict[str, Any]:
    """The arguments that Gymnasium's env of this id names, with their defaults."""
    creator = gymnasium.envs.registration.load_env_creator(str(gymnasium.spec(env_id).entry_point))
    parameters: list[inspect.Parameter] = list(inspect.signature(creator).parameters.values())
    return {
        parameter.name: parameter.default
        for parameter in parameters
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


def env_arguments(env_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of the env: the user's, and defaults for the rest."""
    return {**signature_defaults(env_id), **gymnasium.spec(env_id).kwargs, **given}


def native_arguments(env_id: str, base: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the native env takes beside its handles.

    Args:
        base: Gymnasium's env, unwrapped, made from ``arguments`` and reset.

    Raises:
        ValueError, TypeError, KeyError: what Gymnasium would raise later, at a reset or a step.
    """
    native = registry.find(env_id)
    assert native is not None, env_id
    values: dict[str, Any] = {}
    for name, kind, _, _ in native.kwargs:
        if not name.startswith("_") and name in arguments:
            values[name] = _CONVERSIONS[kind](env_id, name, arguments[name])
    weight = arguments.get("ctrl_cost_weight", arguments.get("reward_control_weight"))
    bonus = arguments.get("healthy_reward", 1.0)
    space = base.action_space
    values |= {
        "_version": int(env_id[-1]),
        "_init_qpos": [float(x) for x in base.init_qpos],
        "_init_qvel": [float(x) for x in base.init_qvel],
        "_action_low": [float(x) for x in space.low],
        "_action_high": [float(x) for x in space.high],
        "_timestep": float(base.model.opt.timestep),
        "_dt": float(base.dt),
        # NumPy computes with a float64 scalar in float64, with a Python number in the array's own float32.
        "_float64_ctrl_weight": isinstance(weight, np.float64),
        "_bonus_dtype": _DTYPES.get(np.asarray(bonus).dtype, _DTYPES[np.dtype(np.float64)]),
    }
    declared = {name for name, *_ in native.kwargs}
    values |= {name: find(base, arguments) for name, find in _BODIES.items() if name in declared}
    return values


def _number(env_id: str, name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{env_id}: expected {name} to be a number, got {value!r}") from None


def _numbers(env_id: str, name: str, value: Any) -> list[float]:
    """A range; None stands for no bound, as in ``np.clip``."""
    bounds = list(value)
    if len(bounds) != 2:
        raise ValueError(f"{env_id}: expected {name} to be 2 numbers, got {len(bounds)}")
    infinities = (-np.inf, np.inf)
    return [
        none if bound is None else _number(env_id, name, bound) for bound, none in zip(bounds, infinities, strict=True)
    ]


def _flag(env_id: str, name: str, value: Any) -> bool:
    # Gymnasium asks for `is True` of these when it observes, but multiplies by them for the size.
    if name.startswith("include_") and name.endswith("_in_observation") and value and value is not True:
        raise ValueError(f"{env_id}: expected {name} to be True or False, got {value!r}")
    return bool(value)


_CONVERSIONS: dict[str, Callable[[str, str, Any], Any]] = {
    "bool": _flag,
    "float": _number,
    "list[float]": _numbers,
}


def _ids(base: Any, *names: Any) -> list[int]:
    return [int(base.data.body(name).id) for name in names]


_BODIES: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "_main_body": lambda base, arguments: _ids(base, arguments.get("main_body", "torso"))[0],
    "_arm_bodies": lambda base, arguments: _ids(base, "fingertip", "target"),
    "_pusher_bodies": lambda base, arguments: _ids(base, "tips_arm", "object", "goal"),
}
