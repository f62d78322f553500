"""set_attr("_max_episode_steps", ...): the time limit of each env, as Gymnasium's TimeLimit has it."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import fastvec
from support.native import MODES, assert_same

LIMIT = "_max_episode_steps"


def pair(
    env_id: str, num_envs: int, mode: AutoresetMode = AutoresetMode.NEXT_STEP, **kwargs: Any
) -> tuple[fastvec.VectorEnv, SyncVectorEnv]:
    envs = fastvec.make_vec(env_id, num_envs, num_threads=2, autoreset_mode=mode, **kwargs)
    oracle = SyncVectorEnv([lambda: gymnasium.make(env_id, **kwargs)] * num_envs, autoreset_mode=mode)
    for each in (envs, oracle):
        each.reset(seed=3)
        each.action_space.seed(4)
    return envs, oracle


def step_both(envs: Any, oracle: Any, steps: int) -> int:
    """How often envs were truncated."""
    truncated = 0
    for _ in range(steps):
        actions = oracle.action_space.sample()
        one, other = envs.step(actions), oracle.step(actions)
        assert_same(one, other)
        truncated += int(other[3].sum())
        done = other[2] | other[3]
        if envs.autoreset_mode is AutoresetMode.DISABLED and done.any():
            assert_same(*(each.reset(options={"reset_mask": done.copy()}) for each in (envs, oracle)))
    return truncated


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "values",
    [7, [1, 2, 3, 5, 8], [0, -3, 4, 10**12, 6], [2.5, math.inf, 3.0, np.float32(4.2), math.nan], np.int64(4), True],
)
def test_episodes_are_truncated_where_they_are_in_gymnasium(mode: AutoresetMode, values: Any):
    envs, oracle = pair("Pendulum-v1", 5, mode)
    step_both(envs, oracle, 3)
    for each in (envs, oracle):
        each.set_attr(LIMIT, values)
    assert step_both(envs, oracle, 40) > 10
    got, expected = envs.get_attr(LIMIT), oracle.get_attr(LIMIT)
    np.testing.assert_array_equal(got, expected)
    assert envs.call(LIMIT) == got or any(value != value for value in got)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "FrozenLake-v1", "Taxi-v4", "MountainCar-v0"])
def test_limits_change_in_mid_episode(env_id: str):
    envs, oracle = pair(env_id, 33)
    rng = np.random.default_rng(1)
    for _ in range(5):
        limits = rng.integers(1, 20, 33).tolist()
        for each in (envs, oracle):
            each.set_attr(LIMIT, limits)
        assert step_both(envs, oracle, 15) > 0


def test_what_is_read_before_and_after():
    envs, oracle = pair("CartPole-v1", 3, max_episode_steps=50)
    assert envs.get_attr(LIMIT) == oracle.get_attr(LIMIT) == (50, 50, 50)
    for each in (envs, oracle):
        each.set_attr(LIMIT, [5, 6, 7])
    assert envs.get_attr(LIMIT) == oracle.get_attr(LIMIT) == (5, 6, 7)
    limits = [[spec.max_episode_steps for spec in each.get_attr("spec")] for each in (envs, oracle)]
    assert limits == [[5, 6, 7], [5, 6, 7]]
    for each in (envs, oracle):
        each.step(np.array([0, 1, 0]))
    assert envs.get_attr("_elapsed_steps") == oracle.get_attr("_elapsed_steps")
    step_both(envs, oracle, 20)


@pytest.mark.parametrize("env_id", ["Blackjack-v1", "CartPole-v1"])
def test_without_a_time_limit_it_is_an_attribute_like_any(env_id: str):
    kwargs = {} if env_id == "Blackjack-v1" else {"max_episode_steps": -1}
    envs, oracle = pair(env_id, 3, **kwargs)
    for each in (envs, oracle):
        each.set_attr(LIMIT, 2)
    assert step_both(envs, oracle, 30) == 0
    assert envs.get_attr(LIMIT) == oracle.get_attr(LIMIT) == (2, 2, 2)


def test_a_value_that_is_no_number_changes_nothing():
    envs, oracle = pair("Pendulum-v1", 2, max_episode_steps=9)
    for wrong in (None, "5", [5, None]):
        with pytest.raises(ValueError, match="_max_episode_steps: expected a number"):
            envs.set_attr(LIMIT, wrong)
    with pytest.raises(ValueError, match="2 environments"):
        envs.set_attr(LIMIT, [1, 2, 3])
    assert envs.get_attr(LIMIT) == (9, 9)
    assert step_both(envs, oracle, 30) == 6


@pytest.mark.parametrize("mode", MODES)
def test_a_state_holds_the_limits(mode: AutoresetMode):
    envs, oracle = pair("Pendulum-v1", 4, mode)
    for each in (envs, oracle):
        each.set_attr(LIMIT, [4, 7, math.inf, 11])
    step_both(envs, oracle, 10)
    other = fastvec.make_vec("Pendulum-v1", 4, autoreset_mode=mode, max_episode_steps=3)
    other.set_state(envs.get_state())
    assert other.get_attr(LIMIT) == (4, 7, math.inf, 11)
    assert step_both(other, oracle, 30) > 8


def test_a_state_without_limits_brings_the_vectors_own_back():
    envs, oracle = pair("Pendulum-v1", 3, max_episode_steps=6)
    before = envs.get_state()
    envs.set_attr(LIMIT, [1, 2, 3])
    with pytest.raises(fastvec.errors.StateError):
        envs.set_state(before[:-1])
    assert envs.get_attr(LIMIT) == (1, 2, 3)
    envs.set_state(before)
    assert envs.get_attr(LIMIT) == (6, 6, 6)
    assert step_both(envs, oracle, 20) == 9


def test_limits_move_with_single_envs():
    envs, _ = pair("Pendulum-v1", 3)
    envs.set_attr(LIMIT, [5, 6, 7])
    envs.set_state(envs.get_state([2]), [0])
    assert envs.get_attr(LIMIT) == (7, 6, 7)


def test_asynchronous_envs_have_them_too():
    envs = fastvec.make_vec("Pendulum-v1", 4, batch_size=2)
    envs.set_attr(LIMIT, [2, 3, 4, 5])
    envs.async_reset(seed=0)
    steps = np.zeros(4, np.int64)
    ends: dict[int, list[int]] = {env: [] for env in range(4)}
    for _ in range(60):
        _, _, _, truncations, infos = envs.recv()
        for env, truncated in zip(infos["env_id"].tolist(), truncations.tolist(), strict=True):
            if truncated:
                ends[env].append(int(steps[env]))
        envs.send(np.zeros((2, 1), np.float32), infos["env_id"])
        steps[infos["env_id"]] += 1
    envs.recv(batch_size=4)
    for env, at in ends.items():  # a step of the reset itself stands between episodes
        assert at[:4] == [(env + 2) * (k + 1) + k for k in range(4)]


def test_an_env_that_gymnasium_has_not(rich: str):
    envs = fastvec.make_vec(rich, 3, max_episode_steps=20)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    assert envs.get_attr(LIMIT) == (20, 20, 20)
    envs.set_attr(LIMIT, [1, 2, 3])
    assert envs.get_attr(LIMIT) == (1, 2, 3)
    truncations = [envs.step(envs.action_space.sample())[3].tolist() for _ in range(3)]
    assert truncations == [[True, False, False], [False, True, False], [True, False, True]]
