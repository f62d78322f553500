"""The Box2D envs: keyword arguments, and native states to Gymnasium's classes.

A native state is an episode (its generator at the reset, and its actions) and a *view*: where the bodies are. An env of
Gymnasium's that is to be drawn or asked gets the episode's reset, which builds the same bodies on the same ground, and
then the view. (Not the flames of LunarLander's engines, bodies that only an env with a render mode makes, nor the
marks that CarRacing's wheels leave: no number depends on them.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastvec.envs.arguments import flag, number, refuse_unknown
from fastvec.native.counterpart import GymnasiumCounterpart

__all__ = ["COUNTERPARTS"]

# cpp/envs/box2d: BodyView, and the View of each env.
_BODY = np.dtype([("position", "f4", 2), ("angle", "f4"), ("velocity", "f4", 2), ("angular_velocity", "f4")])
_LANDER = np.dtype(
    [
        ("bodies", _BODY, 3),
        ("leg_contacts", "u1", 2),
        ("game_over", "u1"),
        ("has_started", "u1"),
        ("is_awake", "u1"),
        ("has_shaping", "u1"),
        ("padding", "u1", 2),
        ("shaping", "f8"),
        ("wind", "i8", 2),
    ]
)
_WALKER = np.dtype(
    [
        ("bodies", _BODY, 5),
        ("ray_ends", "f4", (10, 2)),
        ("ray_fractions", "f4", 10),
        ("eye", "f4", 2),
        ("leg_contacts", "u1", 2),
        ("game_over", "u1"),
        ("has_started", "u1"),
        ("has_shaping", "u1"),
        ("padding", "u1", 3),
        ("shaping", "f8"),
    ]
)
_RACE = np.dtype(
    [
        ("bodies", _BODY, 5),
        ("wheels", [("gas", "f8"), ("brake", "f8"), ("steer", "f8"), ("phase", "f8"), ("omega", "f8")], 4),
        ("reward", "f8"),
        ("last_reward", "f8"),
        ("shown_reward", "f8"),
        ("seconds", "f8"),
        ("colors", "f8", (3, 3)),
        ("tiles_visited", "i8"),
        ("has_started", "u1"),
        ("is_lap_over", "u1"),
        ("is_recolored", "u1"),
        ("padding", "u1", 5),
    ]
)
_GENERATOR = np.dtype(
    [
        ("at", "u8"),
        ("state_high", "u8"),
        ("state_low", "u8"),
        ("increment_high", "u8"),
        ("increment_low", "u8"),
        ("has_uint32", "u4"),
        ("uint32", "u4"),
    ]
)
_WALKER_ACTION = np.dtype([("torques", "f8", 4), ("is_float32", "u8")])
_WALKER_SETTING = np.dtype([("at", "u8"), ("is_hardcore", "u8")])
_SIZE = np.dtype("u8").itemsize


def _first_generator(state: bytes, at: int) -> bytes:
    """The generator at the episode's reset: the first of a sequence that begins at ``at``."""
    return state[at + _SIZE : at + _SIZE + _GENERATOR.itemsize]


def _begin_episode(env: Any, generator: bytes, others: bytes = b"") -> None:
    """Reset ``env`` as the native env's episode began, unless it is in that episode already.

    Args:
        env: Gymnasium's env.
        generator: its state at the reset.
        others: what else decides which episode it is.
    """
    episode = generator + others
    if getattr(env, "_fastvec_episode", None) == episode and env.spec is not None:
        return
    values = np.frombuffer(generator, _GENERATOR)[0]
    bits = np.random.PCG64()
    bits.state = {
        "bit_generator": "PCG64",
        "state": {
            "state": int(values["state_high"]) << 64 | int(values["state_low"]),
            "inc": int(values["increment_high"]) << 64 | int(values["increment_low"]),
        },
        "has_uint32": int(values["has_uint32"]),
        "uinteger": int(values["uint32"]),
    }
    env._np_random = np.random.Generator(bits)
    render_mode, env.render_mode = env.render_mode, None  # a reset would draw
    try:
        env.reset()
    finally:
        env.render_mode = render_mode
    env._fastvec_episode = episode


def _place(body: Any, view: Any) -> None:
    body.transform = (tuple(map(float, view["position"])), float(view["angle"]))
    body.linearVelocity = tuple(map(float, view["velocity"]))
    body.angularVelocity = float(view["angular_velocity"])


def _set_common(env: Any, view: Any, legs: Any) -> None:
    for leg, contact in zip(legs, view["leg_contacts"], strict=True):
        leg.ground_contact = bool(contact)
    env.game_over = bool(view["game_over"])
    env.prev_shaping = view["shaping"] if view["has_shaping"] else None


def _load_lander(env: Any, state: bytes) -> None:
    view = np.frombuffer(state, _LANDER, count=1)[0]
    if view["has_started"]:
        _begin_episode(env, _first_generator(state, _LANDER.itemsize))
        _show_lander(env, view)
    env._fastvec_state, env._fastvec_seen = state, _seen(env)


def _show_lander(env: Any, view: Any) -> None:
    for body, seen in zip((env.lander, *env.legs), view["bodies"], strict=True):
        _place(body, seen)
    env.lander.awake = bool(view["is_awake"])
    _set_common(env, view, env.legs)
    if env.enable_wind:
        env.wind_idx, env.torque_idx = (np.int64(index) for index in view["wind"])


def _load_walker(env: Any, state: bytes) -> None:
    view = np.frombuffer(state, _WALKER, count=1)[0]
    if view["has_started"]:
        _, at = _sequence(state, _WALKER.itemsize, "i4")
        at += 4  # the last step's rate
        generators, after = _sequence(state, at, _GENERATOR)
        _, after = _sequence(state, after, _WALKER_ACTION)
        settings, _ = _sequence(state, after, _WALKER_SETTING)
        wanted, env.hardcore = (
            env.hardcore,
            bool(settings[0]["is_hardcore"]),
        )  # what set_attr says is for later episodes
        try:
            _begin_episode(env, generators[0].tobytes(), others=bytes([env.hardcore]))
        finally:
            env.hardcore = wanted
        _show_walker(env, view)
    env._fastvec_state, env._fastvec_seen = state, _seen(env)


def _show_walker(env: Any, view: Any) -> None:
    for body, seen in zip((env.hull, *env.legs), view["bodies"], strict=True):
        _place(body, seen)
    _set_common(env, view, env.legs[1::2])
    eye = tuple(map(float, view["eye"]))
    for ray, end, fraction in zip(env.lidar, view["ray_ends"], view["ray_fractions"], strict=True):
        ray.p1, ray.p2, ray.fraction = eye, tuple(map(float, end)), float(fraction)
    env.scroll = eye[0] - 600 / 30 / 5


def _load_race(env: Any, state: bytes) -> None:
    view = np.frombuffer(state, _RACE, count=1)[0]
    if view["has_started"]:
        tiles, at = _sequence(state, _RACE.itemsize, "u1")
        _, at = _sequence(state, at, "i4")
        at += 4  # the last step's rate
        old_colors = np.frombuffer(state, "f8", count=9, offset=at).reshape(3, 3)
        at += old_colors.nbytes + 1
        wanted, env.domain_randomize = (
            env.domain_randomize,
            bool(view["is_recolored"]),
        )  # set_attr is for later episodes
        if wanted or env.domain_randomize:
            env.road_color, env.bg_color, env.grass_color = old_colors.copy()
        try:
            _begin_episode(
                env, _first_generator(state, at), others=view["is_recolored"].tobytes() + old_colors.tobytes()
            )
        finally:
            env.domain_randomize = wanted
        _show_race(env, view, tiles)
    env._fastvec_state, env._fastvec_seen = state, _seen(env)


def _sequence(state: bytes, at: int, dtype: str | np.dtype) -> tuple[np.ndarray, int]:
    """A sequence that begins at ``at``, and where it ends."""
    count = int(np.frombuffer(state, "u8", count=1, offset=at)[0])
    values = np.frombuffer(state, dtype, count=count, offset=at + _SIZE)
    return values, at + _SIZE + values.nbytes


def _show_race(env: Any, view: Any, tiles: np.ndarray) -> None:
    """``tiles``: a byte each, whose bits say: visited, touched, and under which wheel it lies."""
    for body, seen in zip((env.car.hull, *env.car.wheels), view["bodies"], strict=True):
        _place(body, seen)
    for wheel, seen in zip(env.car.wheels, view["wheels"], strict=True):
        for name in ("gas", "brake", "steer", "phase", "omega"):
            setattr(wheel, name, float(seen[name]))
        wheel.tiles.clear()
    for i, (tile, state) in enumerate(zip(env.road, tiles.tolist(), strict=True)):
        tile.road_visited = bool(state & 1)
        tile.color[:] = env.road_color if state & 2 else env.road_color + 0.01 * (i % 3) * 255
        for k, wheel in enumerate(env.car.wheels):
            if state & 4 << k:
                wheel.tiles.add(tile)
    env.t = float(view["seconds"])
    env.tile_visited_count = int(view["tiles_visited"])
    env.new_lap = bool(view["is_lap_over"])
    env.prev_reward = float(view["last_reward"])
    env.reward = float(view["shown_reward"])
    env.state = env._render("state_pixels")
    env.reward = float(view["reward"])


def _dump(env: Any) -> bytes:
    """The state that was loaded. AttributeError where a body has moved since: no episode could be made of that."""
    if _seen(env) != env._fastvec_seen:
        raise AttributeError(
            f"{env.spec.id}: the native env's state is an episode's start and its actions, so its world can be looked "
            "at but not changed"
        )
    return env._fastvec_state


def _seen(env: Any) -> list[tuple[float, ...]]:
    """Where the bodies are now, and how they move."""
    return [
        (*body.position, body.angle, *body.linearVelocity, body.angularVelocity)
        for body in env.world.bodies
        if body.type == 2  # b2_dynamicBody
    ]


def _prepare_lander(kwargs: dict[str, Any]) -> dict[str, Any]:
    refuse_unknown("LunarLander-v3", kwargs, ("continuous", *_LANDER_CONVERSIONS))
    return {name: convert(kwargs[name]) for name, convert in _LANDER_CONVERSIONS.items() if name in kwargs}


_LANDER_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "gravity": number,
    "enable_wind": flag,
    "wind_power": number,
    "turbulence_power": number,
}


def _prepare_walker(kwargs: dict[str, Any]) -> dict[str, Any]:
    refuse_unknown("BipedalWalker-v3", kwargs, ("hardcore",))
    return {name: flag(value) for name, value in kwargs.items()}


def _prepare_race(kwargs: dict[str, Any]) -> dict[str, Any]:
    refuse_unknown("CarRacing-v3", kwargs, ("verbose", *_RACE_CONVERSIONS))
    if kwargs.get("verbose"):
        raise ValueError("CarRacing-v3: the native env prints nothing; with verbose=True, pass backend='process'")
    return {name: convert(kwargs[name]) for name, convert in _RACE_CONVERSIONS.items() if name in kwargs}


_RACE_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "lap_complete_percent": number,
    "domain_randomize": flag,
    "continuous": flag,
}


def _lander(env_id: str, *, continuous: bool) -> GymnasiumCounterpart:
    def stepped_by(kwargs: Mapping[str, Any]) -> str:
        return "LunarLanderContinuous-v3" if kwargs.get("continuous", continuous) else "LunarLander-v3"

    return GymnasiumCounterpart(env_id, _prepare_lander, _load_lander, _dump, stepped_by=stepped_by, one_env_each=True)


COUNTERPARTS: dict[str, GymnasiumCounterpart] = {
    "LunarLander-v3": _lander("LunarLander-v3", continuous=False),
    "LunarLanderContinuous-v3": _lander("LunarLanderContinuous-v3", continuous=True),
    **{
        env_id: GymnasiumCounterpart(env_id, _prepare_walker, _load_walker, _dump, one_env_each=True)
        for env_id in ("BipedalWalker-v3", "BipedalWalkerHardcore-v3")
    },
    "CarRacing-v3": GymnasiumCounterpart("CarRacing-v3", _prepare_race, _load_race, _dump, one_env_each=True),
}
