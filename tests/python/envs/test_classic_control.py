"""The classic-control envs against Gymnasium's, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import fastvec
from support.differential import (
    Case,
    Tally,
    assert_same,
    compare,
    compare_long,
    make_oracle_envs,
    report,
    sizes,
    sync_vector,
)


def push_along(rng: np.random.Generator, space: Any, observations: np.ndarray) -> np.ndarray:
    """Actions that swing a mountain car up, now and then a random one."""
    along = np.where(observations[:, 1] >= 0, 1, -1)
    along = np.where(rng.random(len(along)) < 0.1, rng.integers(-1, 2, len(along)), along)
    if isinstance(space, gymnasium.spaces.Discrete):
        return along + 1
    return (along * rng.uniform(0.5, 1.5, len(along)))[:, None].astype(np.float32)


def push_along_float64(rng: np.random.Generator, space: Any, observations: np.ndarray) -> np.ndarray:
    return push_along(rng, space, observations).astype(np.float64) * 1.01


AT_THE_GOAL = {"low": 0.3, "high": 0.44}
AT_THE_WALL = {"low": -1.3, "high": -1.1}
MANY_STEPS = {1: 350, 3: 350, 17: 46, 257: 8}  # enough to swing up and run into the wall
FEW_STEPS = {1: 30, 3: 30, 17: 20, 257: 8}

CASES = [
    Case("CartPole-v0"),
    Case("CartPole-v1", limit=30),
    Case("CartPole-v1", {"sutton_barto_reward": True}, limit=30),
    Case("CartPole-v1", options={"low": -0.3, "high": 0.2}),
    Case("CartPole-v1", options={"low": -3.0}),
    Case("CartPole-v0", {"sutton_barto_reward": True}, options={"high": np.float32(1.5)}),
    Case("MountainCar-v0"),
    Case("MountainCar-v0", options=AT_THE_GOAL, policy=push_along, limit=30),
    Case("MountainCar-v0", {"goal_velocity": 0.045}, options=AT_THE_GOAL, policy=push_along, limit=30),
    Case("MountainCar-v0", {"goal_velocity": 1}, options={"low": 0.45, "high": 2}),
    Case("MountainCar-v0", options=AT_THE_WALL),
    Case("MountainCar-v0", {"goal_velocity": 0.5}, policy=push_along, limit=290, steps=MANY_STEPS),
    Case("MountainCarContinuous-v0"),
    Case("MountainCarContinuous-v0", actions="float64"),
    Case("MountainCarContinuous-v0", options=AT_THE_GOAL, policy=push_along, limit=30),
    Case("MountainCarContinuous-v0", options=AT_THE_GOAL, policy=push_along_float64, limit=30),
    Case("MountainCarContinuous-v0", {"goal_velocity": 0.045}, options=AT_THE_GOAL, policy=push_along, limit=30),
    Case("MountainCarContinuous-v0", {"goal_velocity": 1}, options={"high": 0.6}, actions="float64"),
    Case("MountainCarContinuous-v0", options=AT_THE_WALL),
    Case("MountainCarContinuous-v0", {"goal_velocity": 0.5}, policy=push_along, limit=290, steps=MANY_STEPS),
    Case("MountainCarContinuous-v0", options=AT_THE_WALL, actions="float64"),
    Case("Pendulum-v1"),
    Case("Pendulum-v1", actions="float64"),
    Case("Pendulum-v1", {"g": 9.81}, options={"x_init": 0.5, "y_init": 7.9}),
    Case("Pendulum-v1", {"g": 2}, options={"x_init": 100.0}, actions="float64"),
    Case("Pendulum-v1", {"g": -3.7}, options={"x_init": 1e9, "y_init": 30}),
    Case("Pendulum-v1", {"g": 0}, options={"x_init": 0, "y_init": 0}),
    Case("Acrobot-v1", steps=FEW_STEPS, limit=5),
    Case("Acrobot-v1", options={"low": -3, "high": 3}, steps=FEW_STEPS),
    Case("Acrobot-v1", options={"low": 2.0, "high": 60.0}, steps=FEW_STEPS, limit=5),
    Case("Acrobot-v1", options={"low": -100.0}, steps={1: 10, 3: 8, 17: 8, 257: 1}, limit=5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bytes_equal_gymnasium(case: Case, tally: Tally) -> None:
    compare(case, tally, sizes(case, CASES))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_bytes_equal_gymnasium_for_any_number_of_envs(case: Case) -> None:
    compare(case, Tally())


def test_all_cases_ran(tally: Tally, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        report(tally, CASES, "classic control")
    assert tally.cases >= 600


# Angles of every size: NumPy computes the float32 sines of a start state in two ways, by size.
@pytest.mark.parametrize("bound", [1e-30, 0.1, 4.0, 1e3, 7e4, 1.1e5, 1e7, 1e30])
def test_acrobot_start_takes_numpy_float32_sines(bound: float) -> None:
    num_envs = 4000
    envs = fastvec.make_vec("Acrobot-v1", num_envs)
    observations, _ = envs.reset(seed=0, options={"low": -bound, "high": bound})
    generators = [np.random.Generator(np.random.PCG64(seed)) for seed in range(num_envs)]
    start = np.stack([generator.uniform(-bound, bound, 4) for generator in generators]).astype(np.float32)
    angles = [function(start[:, i]) for i in (0, 1) for function in (np.cos, np.sin)]
    assert_same(observations, np.stack([*angles, start[:, 2], start[:, 3]], axis=1), f"bound {bound}")


def test_acrobot_refuses_an_angle_that_gymnasium_never_finishes_wrapping() -> None:
    envs = fastvec.make_vec("Acrobot-v1", 2)
    envs.reset(seed=0, options={"low": 1e30, "high": 2e30})
    with pytest.raises(fastvec.EnvError, match="too large"):
        envs.step(np.zeros(2, np.int64))


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "MountainCarContinuous-v0"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_actions_and_long_episodes_equal_gymnasium(env_id: str, dtype: type) -> None:
    special = np.array([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 1e-20, 1e-40, 50.0, -1e6, 0.1, 1 / 3, np.pi], dtype)
    oracle = sync_vector(make_oracle_envs(Case(env_id, limit=None), len(special)), AutoresetMode.NEXT_STEP)
    envs = fastvec.make_vec(env_id, len(special))
    assert_same(envs.reset(seed=1), oracle.reset(seed=1), env_id)
    for step in range(450):
        actions = np.roll(special, step // 50)[:, None].copy()
        assert_same(envs.step(actions), oracle.step(actions), f"{env_id}, step {step}")


@pytest.mark.parametrize(
    ("env_id", "options"),
    [
        ("CartPole-v1", {"low": 1.0, "high": -1.0}),
        ("CartPole-v1", {"low": 0.1}),
        ("MountainCar-v0", {"high": -0.7}),
        ("MountainCarContinuous-v0", {"low": "wide"}),
        ("Acrobot-v1", {"low": None}),
        ("Pendulum-v1", {"x_init": -1.0}),
        ("Pendulum-v1", {"y_init": "fast"}),
    ],
)
def test_bad_options_raise_what_gymnasium_raises(env_id: str, options: dict[str, Any]) -> None:
    oracle = sync_vector(make_oracle_envs(Case(env_id), 2), AutoresetMode.NEXT_STEP)
    envs = fastvec.make_vec(env_id, 2)
    with pytest.raises(Exception) as expected:  # noqa: PT011
        oracle.reset(seed=0, options=dict(options))
    with pytest.raises(expected.type):
        envs.reset(seed=0, options=dict(options))


@pytest.mark.parametrize("env_id", ["CartPole-v1", "MountainCar-v0", "Pendulum-v1", "Acrobot-v1"])
def test_unknown_argument_raises_type_error(env_id: str) -> None:
    with pytest.raises(TypeError):
        make_oracle_envs(Case(env_id, {"friction": 1.0}), 1)
    with pytest.raises(TypeError, match="friction"):
        fastvec.make_vec(env_id, 1, friction=1.0)


OPTION_VALUES = (np.inf, -np.inf, np.nan, 1e308, -1e308, 1e39, 0, 0.25, -5, 1e-320, 123456.5, 1e16, -1.5e-5, True)
OPTION_VALUES += (None, "a", "0.5", [1], np.float32(0.1), np.array(0.3), np.array([1.0, 2.0]), 1 + 2j, 10**400)


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()[0].tobytes()
    except Exception as error:
        return type(error), str(error)


@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered:RuntimeWarning")  # NumPy's
@pytest.mark.parametrize(
    ("env_id", "first", "second"),
    [
        ("CartPole-v1", "low", "high"),
        ("MountainCar-v0", "low", "high"),
        ("MountainCarContinuous-v0", "low", "high"),
        ("Acrobot-v1", "low", "high"),
        ("Pendulum-v1", "x_init", "y_init"),
    ],
)
def test_reset_options_are_refused_with_gymnasiums_types_of_errors(env_id: str, first: str, second: str) -> None:
    oracle = sync_vector(make_oracle_envs(Case(env_id), 2), AutoresetMode.NEXT_STEP)
    envs = fastvec.make_vec(env_id, 2)
    all_options: list[dict[str, Any]] = [{name: value} for name in (first, second) for value in OPTION_VALUES]
    all_options += [{first: one, second: other} for one in OPTION_VALUES[:8] for other in OPTION_VALUES[:8]]
    refused = 0
    for options in all_options:
        expected = outcome(lambda options=options: oracle.reset(seed=1, options=dict(options)))
        state = envs.get_state()
        actual = outcome(lambda options=options: envs.reset(seed=1, options=dict(options)))
        if not isinstance(expected, bytes) and ("high - low" in expected[1] or "exceeds valid bounds" in expected[1]):
            assert actual[0] is expected[0], options  # NumPy's message speaks of arguments that the caller never gave
            assert actual[1].startswith("expected a start range ")
        else:
            assert actual == expected, options
        if not isinstance(expected, bytes):
            refused += 1
            assert envs.get_state() == state
    assert refused > 20


@pytest.mark.slow
@pytest.mark.parametrize("env_id", sorted({case.env_id for case in CASES}))
def test_registered_limits_over_thousands_of_steps(env_id: str) -> None:
    compare_long(env_id, steps=3000)
