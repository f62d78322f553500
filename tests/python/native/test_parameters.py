"""set_attr of physical constants: each env has its own, as in SyncVectorEnv."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

import fastvec
from support.native import assert_same

# Ranges around Gymnasium's values, wide enough that every constant matters within some steps.
RANGES: dict[str, dict[str, Any]] = {
    "CartPole-v1": {
        "gravity": (5.0, 15.0),
        "masscart": (0.5, 2.0),
        "masspole": (0.05, 0.5),
        "total_mass": (0.6, 2.0),
        "length": (0.3, 1.0),
        "polemass_length": (0.02, 0.2),
        "force_mag": (5.0, 15.0),
        "tau": (0.01, 0.04),
        "theta_threshold_radians": (0.1, 0.4),
        "x_threshold": (0.5, 3.0),
        "kinematics_integrator": ["euler", "semi-implicit euler"],
    },
    "MountainCar-v0": {
        "min_position": (-1.4, -1.0),
        "max_position": (0.4, 0.8),
        "goal_position": (-0.4, 0.4),
        "goal_velocity": (0.0, 0.01),
        "max_speed": (0.02, 0.1),
        "force": (0.001, 0.01),
        "gravity": (0.001, 0.004),
    },
    "MountainCarContinuous-v0": {
        "min_action": (-1.5, -0.5),
        "max_action": (0.5, 1.5),
        "min_position": (-1.4, -1.0),
        "max_position": (0.4, 0.8),
        "goal_position": (-0.4, 0.4),
        "goal_velocity": (0.0, 0.01),
        "max_speed": (0.02, 0.1),
        "power": (0.001, 0.01),
    },
    "Pendulum-v1": {
        "g": (5.0, 15.0),
        "m": (0.5, 2.0),
        "l": (0.5, 2.0),
        "dt": (0.01, 0.1),
        "max_speed": (2.0, 8.0),
        "max_torque": (0.5, 3.0),
    },
    "Acrobot-v1": {
        "dt": (0.05, 0.3),
        "LINK_LENGTH_1": (0.5, 1.5),
        "LINK_MASS_1": (0.5, 1.5),
        "LINK_MASS_2": (0.5, 1.5),
        "LINK_COM_POS_1": (0.3, 0.8),
        "LINK_COM_POS_2": (0.3, 0.8),
        "LINK_MOI": (0.5, 1.5),
        "MAX_VEL_1": (2.0, 12.0),
        "MAX_VEL_2": (4.0, 28.0),
        "torque_noise_max": (0.0, 1.0),
        "book_or_nips": ["book", "nips"],
    },
    "Blackjack-v1": {"natural": [True, False], "sab": [True, False]},
}
CASES = [(env_id, name) for env_id, names in RANGES.items() for name in names]


def drawn(env_id: str, name: str, num_envs: int, rng: np.random.Generator) -> list[Any]:
    """One value per env; some neighbours share theirs."""
    allowed = RANGES[env_id][name]
    if isinstance(allowed, list):
        return [allowed[i] for i in rng.integers(len(allowed), size=num_envs)]
    values = rng.uniform(*allowed, size=num_envs).tolist()
    return [values[i - i % 2] if i < num_envs // 2 else value for i, value in enumerate(values)]


def pair(env_id: str, num_envs: int, **kwargs: Any) -> tuple[fastvec.VectorEnv, SyncVectorEnv]:
    envs = fastvec.make_vec(env_id, num_envs, num_threads=2, **kwargs)
    return envs, SyncVectorEnv([lambda: gymnasium.make(env_id)] * num_envs)


def step_both(envs: Any, oracle: Any, steps: int, actions: Any) -> None:
    for _ in range(steps):
        batch = actions.sample()
        assert_same(envs.step(batch), oracle.step(batch))


@pytest.mark.parametrize(("env_id", "name"), CASES)
def test_each_env_follows_its_own_value(env_id: str, name: str):
    envs, oracle = pair(env_id, 9)
    values = drawn(env_id, name, 9, np.random.default_rng(3))
    envs.reset(seed=1)
    oracle.reset(seed=1)
    envs.set_attr(name, values)
    oracle.set_attr(name, values)
    oracle.action_space.seed(4)
    step_both(envs, oracle, 150, oracle.action_space)
    assert envs.get_attr(name) == oracle.get_attr(name) == tuple(values)


@pytest.mark.parametrize("env_id", RANGES)
def test_all_at_once_and_changed_in_mid_episode(env_id: str):
    envs, oracle = pair(env_id, 33)
    envs.reset(seed=5)
    oracle.reset(seed=5)
    oracle.action_space.seed(6)
    rng = np.random.default_rng(7)
    for _ in range(3):
        for name in RANGES[env_id]:
            values = drawn(env_id, name, 33, rng)
            envs.set_attr(name, values)
            oracle.set_attr(name, values)
        step_both(envs, oracle, 40, oracle.action_space)


def test_gymnasiums_own_example():
    envs = fastvec.make_vec("CartPole-v1", 4)
    assert envs.get_attr("gravity") == (9.8,) * 4
    envs.set_attr("gravity", [9.81, 3.72, 8.87, 1.62])
    assert envs.get_attr("gravity") == (9.81, 3.72, 8.87, 1.62)
    assert envs.call("gravity") == (9.81, 3.72, 8.87, 1.62)


def test_one_value_is_for_all_and_a_wrong_number_of_them_is_refused():
    envs, oracle = pair("CartPole-v1", 3)
    for each in (envs, oracle):
        each.reset(seed=0)
        each.set_attr("force_mag", 3)
    step_both(envs, oracle, 50, oracle.action_space)
    for each in (envs, oracle):
        with pytest.raises(ValueError, match="3 environments"):
            each.set_attr("force_mag", [1.0, 2.0])


def test_a_value_that_cannot_be_taken_changes_nothing():
    envs, oracle = pair("CartPole-v1", 3)
    envs.reset(seed=0)
    oracle.reset(seed=0)
    with pytest.raises(ValueError, match=r"gravity: expected a number, got 'heavy'"):
        envs.set_attr("gravity", [1.0, "heavy", 2.0])
    with pytest.raises(ValueError, match="kinematics_integrator: expected one of"):
        envs.set_attr("kinematics_integrator", "rk4")
    assert envs.get_attr("gravity") == (9.8,) * 3
    step_both(envs, oracle, 50, oracle.action_space)


def test_an_attribute_that_no_env_has_is_kept_as_in_gymnasium():
    envs, oracle = pair("CartPole-v1", 2)
    for each in (envs, oracle):
        each.reset(seed=0)
        each.set_attr("note", ["a", "b"])
        assert each.get_attr("note") == ("a", "b")
    step_both(envs, oracle, 30, oracle.action_space)


def test_an_attribute_that_the_native_env_could_not_follow_is_refused():
    envs = fastvec.make_vec("CartPole-v1", 2)
    envs.reset(seed=0)
    with pytest.raises(AttributeError, match="observation_space"):
        envs.set_attr("observation_space", [None, None])


def test_a_state_holds_the_parameters():
    envs, oracle = pair("CartPole-v1", 5)
    for each in (envs, oracle):
        each.reset(seed=3)
        each.set_attr("gravity", [1.0, 2.0, 3.0, 4.0, 5.0])
        each.set_attr("kinematics_integrator", ["euler", "semi-implicit euler"] * 2 + ["euler"])
    step_both(envs, oracle, 10, oracle.action_space)
    other = fastvec.make_vec("CartPole-v1", 5)
    other.set_state(envs.get_state())
    assert other.get_attr("gravity") == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert other.get_attr("kinematics_integrator") == oracle.get_attr("kinematics_integrator")
    step_both(other, oracle, 60, oracle.action_space)


def test_a_state_without_parameters_brings_the_defaults_back():
    envs, oracle = pair("CartPole-v1", 3)
    envs.reset(seed=3)
    oracle.reset(seed=3)
    before = envs.get_state()
    envs.set_attr("gravity", 20.0)
    envs.set_state(before)
    assert envs.get_attr("gravity") == (9.8,) * 3
    step_both(envs, oracle, 60, oracle.action_space)


def test_the_picture_shows_the_parameters():
    envs = fastvec.make_vec("CartPole-v1", 2, render_mode="rgb_array")
    oracle = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1", render_mode="rgb_array")] * 2)
    for each in (envs, oracle):
        each.reset(seed=1)
        each.set_attr("length", [0.5, 1.0])
    for one, other in zip(envs.render(), oracle.render(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(*envs.render())


def test_every_constant_of_the_dynamics_is_a_parameter():
    for env_id, names in RANGES.items():
        assert set(fastvec.make_vec(env_id, 1).parameters) == set(names)


def test_a_single_env_has_them_as_attributes():
    env = gymnasium.make("fastvec:fastvec/CartPole-v1")
    oracle: Any = gymnasium.make("CartPole-v1")
    for each in (env, oracle):
        each.reset(seed=2)
        each.unwrapped.gravity = 3.0
        each.unwrapped.state = np.array([0.1, 0.2, 0.05, -0.1])
    assert env.unwrapped.gravity == env.get_wrapper_attr("gravity") == 3.0
    for turn in range(20):
        assert_same(env.step(turn % 2)[0], oracle.step(turn % 2)[0])
    np.testing.assert_array_equal(env.unwrapped.state, oracle.unwrapped.state)
    assert not hasattr(env.unwrapped, "no_such_name")
