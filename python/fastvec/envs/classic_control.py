"""The classic-control envs: native states to and from Gymnasium's classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastvec.envs.arguments import flag, number, preparer
from fastvec.envs.records import Record
from fastvec.native.counterpart import GymnasiumCounterpart

__all__ = ["COUNTERPARTS"]

_CART_POLE = Record(("state", "f8", 4))
_MOUNTAIN_CAR = Record(("state", "f8", 2), ("stepped", "u8"))
_PENDULUM = Record(("state", "f8", 2), ("direction", "f8", 2), ("torque", "f8"), ("torque_kind", "u8"))
_ACROBOT = Record(("state", "f8", 4), ("direction2", "f8", 2), ("directions", "f4", 4), ("stepped", "u8"))

_TORQUE_TYPES = (None, np.float32, np.float64)


def _load_cart_pole(env: Any, state: bytes) -> None:
    env.state = _CART_POLE.unpack(state)["state"].copy()
    x, _, theta, _ = env.state
    fallen = abs(x) > env.x_threshold or abs(theta) > env.theta_threshold_radians
    env.steps_beyond_terminated = 0 if fallen else None


def _dump_cart_pole(env: Any) -> bytes:
    return _CART_POLE.pack(state=env.state)


def _load_mountain_car(env: Any, state: bytes) -> None:
    record = _MOUNTAIN_CAR.unpack(state)
    env.state = tuple(record["state"]) if record["stepped"] else record["state"].copy()


def _dump_mountain_car(env: Any) -> bytes:
    return _MOUNTAIN_CAR.pack(state=env.state, stepped=not isinstance(env.state, np.ndarray))


def _load_mountain_car_continuous(env: Any, state: bytes) -> None:
    record = _MOUNTAIN_CAR.unpack(state)
    env.state = record["state"].astype(np.float32 if record["stepped"] else np.float64)


def _dump_mountain_car_continuous(env: Any) -> bytes:
    return _MOUNTAIN_CAR.pack(state=env.state, stepped=np.asarray(env.state).dtype == np.float32)


def _load_pendulum(env: Any, state: bytes) -> None:
    record = _PENDULUM.unpack(state)
    torque_type = _TORQUE_TYPES[record["torque_kind"]]
    env.state = record["state"].copy()
    env.last_u = torque_type(record["torque"]) if torque_type else None


def _dump_pendulum(env: Any) -> bytes:
    theta = np.float64(env.state[0])
    kind = 0 if env.last_u is None else 1 if isinstance(env.last_u, np.float32) else 2
    return _PENDULUM.pack(
        state=env.state,
        direction=(np.cos(theta), np.sin(theta)),
        torque=0.0 if env.last_u is None else env.last_u,
        torque_kind=kind,
    )


def _load_acrobot(env: Any, state: bytes) -> None:
    record = _ACROBOT.unpack(state)
    env.state = record["state"].astype(np.float64 if record["stepped"] else np.float32)


def _dump_acrobot(env: Any) -> bytes:
    angles = np.asarray(env.state)[:2]
    return _ACROBOT.pack(
        state=env.state,
        direction2=(np.cos(np.float64(angles[1])), np.sin(np.float64(angles[1]))),
        directions=[function(angle) for angle in angles for function in (np.cos, np.sin)],
        stepped=angles.dtype != np.float32,
    )


def _cart_pole(env_id: str) -> GymnasiumCounterpart:
    prepare = preparer(env_id, {"sutton_barto_reward": flag})
    words = {"kinematics_integrator": ("euler", "semi-implicit euler")}
    return GymnasiumCounterpart(env_id, prepare, _load_cart_pole, _dump_cart_pole, words)


COUNTERPARTS: dict[str, GymnasiumCounterpart] = {
    "CartPole-v0": _cart_pole("CartPole-v0"),
    "CartPole-v1": _cart_pole("CartPole-v1"),
    "MountainCar-v0": GymnasiumCounterpart(
        "MountainCar-v0",
        preparer("MountainCar-v0", {"goal_velocity": number}),
        _load_mountain_car,
        _dump_mountain_car,
        action_kinds="i",  # it subtracts 1, and what is unsigned wraps around
    ),
    "MountainCarContinuous-v0": GymnasiumCounterpart(
        "MountainCarContinuous-v0",
        preparer("MountainCarContinuous-v0", {"goal_velocity": number}),
        _load_mountain_car_continuous,
        _dump_mountain_car_continuous,
    ),
    "Pendulum-v1": GymnasiumCounterpart(
        "Pendulum-v1", preparer("Pendulum-v1", {"g": number}), _load_pendulum, _dump_pendulum
    ),
    "Acrobot-v1": GymnasiumCounterpart(
        "Acrobot-v1",
        preparer("Acrobot-v1", {}),
        _load_acrobot,
        _dump_acrobot,
        {"book_or_nips": ("book", "nips")},
    ),
}
