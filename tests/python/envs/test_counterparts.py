"""Pictures, attributes and methods of native envs, which come from Gymnasium's classes, against Gymnasium's."""

from __future__ import annotations

import os
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import fastvec
from fastvec.native import registry
from support.differential import GOLDEN_IDS, Case, assert_same, make_oracle_envs, sync_vector

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

ATTRIBUTES = {
    "CartPole-v1": ("state", "steps_beyond_terminated"),
    "MountainCar-v0": ("state",),
    "MountainCarContinuous-v0": ("state",),
    "Pendulum-v1": ("state", "last_u"),
    "Acrobot-v1": ("state",),
    "FrozenLake-v1": ("s", "lastaction"),
    "CliffWalkingSlippery-v1": ("s", "lastaction"),
    "Taxi-v4": ("s", "lastaction", "fickle_step"),
    "Blackjack-v1": ("dealer", "player", "dealer_top_card_suit", "dealer_top_card_value_str"),
}
TEXT_IDS = ("FrozenLake-v1", "FrozenLake8x8-v1", "CliffWalking-v1", "Taxi-v4")
KWARGS: dict[str, dict[str, Any]] = {
    "Taxi-v4": {"fickle_passenger": True, "is_rainy": True},
    "FrozenLake-v1": {"desc": ["SFHF", "FFFG", "HFFS"]},
}


def pair(env_id: str, num_envs: int = 3, **kwargs: Any) -> tuple[Any, Any]:
    """A fastvec vector and Gymnasium's."""
    oracle = make_oracle_envs(Case(env_id, kwargs, limit=25), num_envs)
    envs = fastvec.make_vec(env_id, num_envs, max_episode_steps=25, **kwargs)
    return envs, sync_vector(oracle, AutoresetMode.NEXT_STEP)


def actions_for(envs: Any, step: int) -> Any:
    rng = np.random.default_rng(step)
    space = envs.single_action_space
    if isinstance(space, gymnasium.spaces.Discrete):
        return rng.integers(space.n, size=envs.num_envs)
    return rng.uniform(space.low, space.high, (envs.num_envs, *space.shape)).astype(np.float32)


@pytest.mark.parametrize("env_id", [env_id for env_id in GOLDEN_IDS if env_id != "CartPole-v0"])
def test_pictures_equal_gymnasium(env_id: str) -> None:
    envs, oracle = pair(env_id, render_mode="rgb_array", **KWARGS.get(env_id, {}))
    for vector in (envs, oracle):
        vector.reset(seed=5)
    assert_same(envs.render(), oracle.render(), "after reset")
    for step in range(12):
        actions = actions_for(envs, step)
        assert_same(envs.step(actions), oracle.step(actions), f"step {step}")
        assert_same(envs.render(), oracle.render(), f"picture {step}")
    for vector in (envs, oracle):
        vector.close()


def test_taxi_keeps_its_orientation_from_the_last_picture() -> None:
    envs, oracle = pair("Taxi-v4", 4, render_mode="rgb_array")
    for vector in (envs, oracle):
        vector.reset(seed=11)
    for step, actions in enumerate(([2, 3, 1, 0], [4, 4, 4, 4], [3, 2, 0, 1], [5, 5, 4, 5], [4, 5, 4, 5])):
        assert_same(envs.step(np.array(actions)), oracle.step(np.array(actions)), f"step {step}")
        if step != 2:  # nobody looked, so it still shows the one before
            assert_same(envs.render(), oracle.render(), f"picture {step}")
    for vector in (envs, oracle):
        vector.close()


@pytest.mark.parametrize("env_id", TEXT_IDS)
def test_text_equals_gymnasium(env_id: str) -> None:
    envs, oracle = pair(env_id, render_mode="ansi", **KWARGS.get(env_id, {}))
    for vector in (envs, oracle):
        vector.reset(seed=5)
    for step in range(30):
        assert envs.render() == oracle.render()
        actions = actions_for(envs, step)
        envs.step(actions)
        oracle.step(actions)


# The states of the classic-control envs are float64 and so tell more than their float32 observations.
@pytest.mark.parametrize("env_id", ATTRIBUTES)
def test_attributes_equal_gymnasium(env_id: str) -> None:
    envs, oracle = pair(env_id, 16, **KWARGS.get(env_id, {}))
    options = {"low": -2.0, "high": 2.0} if env_id == "Acrobot-v1" else None
    for vector in (envs, oracle):
        vector.reset(seed=9, options=options)
    for step in range(40):
        for name in ATTRIBUTES[env_id]:
            for actual, expected in zip(envs.get_attr(name), oracle.get_attr(name), strict=True):
                where = f"{name} after {step} steps"
                assert isinstance(actual, tuple) == isinstance(expected, tuple), where
                if expected is None:
                    assert actual is None, where
                else:
                    assert_same(np.asarray(actual), np.asarray(expected), where)
        actions = actions_for(envs, step)
        envs.step(actions)
        oracle.step(actions)


@pytest.mark.parametrize(
    ("env_id", "name", "values"),
    [
        ("CartPole-v1", "state", [np.array([0.1, -0.2, 0.05, 0.3]), np.array([2.3, 1.0, -0.1, 0.0])]),
        ("MountainCar-v0", "state", [(0.3, 0.05), np.array([-1.19, -0.06])]),
        ("MountainCarContinuous-v0", "state", [np.array([0.2, 0.06], np.float32), np.array([-0.3, 0.01])]),
        ("Pendulum-v1", "state", [np.array([3.0, -7.0]), np.array([-50.0, 0.5])]),
        ("Acrobot-v1", "state", [np.array([1.0, 2.0, -3.0, 4.0], np.float32), np.array([0.3, 0.2, 0.1, 0.0])]),
        ("FrozenLake-v1", "s", [6, 14]),
        ("Taxi-v4", "s", [137, 499]),
        ("Blackjack-v1", "player", [[10, 2, 8], [1, 10]]),
    ],
)
def test_native_envs_go_on_from_attributes_that_were_set(env_id: str, name: str, values: list[Any]) -> None:
    envs, oracle = pair(env_id, 2)
    for vector in (envs, oracle):
        vector.reset(seed=2)
        vector.set_attr(name, values)
    for step in range(20):
        actions = actions_for(envs, step)
        assert_same(envs.step(actions), oracle.step(actions), f"step {step}")


@pytest.mark.parametrize("env_id", GOLDEN_IDS)
def test_state_survives_dump_and_load(env_id: str) -> None:
    counterpart = registry.get(env_id).counterpart
    assert counterpart is not None
    assert counterpart.gymnasium_id == env_id
    kwargs = KWARGS.get(env_id, {})
    source, target = (env.unwrapped for env in make_oracle_envs(Case(env_id, kwargs, limit=None), 2))
    source.reset(seed=1)
    target.reset(seed=2)
    source.action_space.seed(3)
    for step in range(60):
        state = counterpart.dump_state(source)
        counterpart.load_state(target, state)
        assert counterpart.dump_state(target) == state
        target.np_random.bit_generator.state = source.np_random.bit_generator.state
        action = source.action_space.sample()
        outcome = source.step(action)
        assert_same(target.step(action), outcome, f"step {step}")
        if outcome[2]:
            source.reset()


@pytest.mark.parametrize("env_id", GOLDEN_IDS)
def test_state_of_another_size_is_refused(env_id: str) -> None:
    counterpart = registry.get(env_id).counterpart
    assert counterpart is not None
    env = make_oracle_envs(Case(env_id, limit=None), 1)[0].unwrapped
    with pytest.raises(ValueError, match="bytes"):
        counterpart.load_state(env, b"123")


@pytest.mark.parametrize(
    ("env_id", "name", "value"),
    [
        ("FrozenLake-v1", "s", 16),
        ("CliffWalking-v1", "s", -1),
        ("Taxi-v4", "lastaction", 6),
        ("Taxi-v4", "taxi_orientation", 9),
        ("Blackjack-v1", "player", [1] * 23),
        ("Blackjack-v1", "dealer", [0, 5]),
    ],
)
def test_states_that_do_not_exist_never_reach_the_native_env(env_id: str, name: str, value: Any) -> None:
    counterpart = registry.get(env_id).counterpart
    assert counterpart is not None
    env: Any = make_oracle_envs(Case(env_id, limit=None), 1)[0].unwrapped
    env.reset(seed=0)
    setattr(env, name, value)
    with pytest.raises(ValueError, match="expected"):
        counterpart.dump_state(env)
