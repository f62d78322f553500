"""An env with every kind of space and info field, beside its twin in Python under SyncVectorEnv."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit

import fastvec
from support.native import MODES, assert_same
from support.rich_env import RichEnv

LIMIT = 6  # as registered in rich.cpp


def oracle(num_envs: int, mode: AutoresetMode = AutoresetMode.NEXT_STEP, goal: int = 7) -> SyncVectorEnv:
    return SyncVectorEnv([lambda: TimeLimit(RichEnv(goal=goal), LIMIT)] * num_envs, autoreset_mode=mode)


def test_spaces_are_built_as_described(rich: str):
    envs, twin = fastvec.make_vec(rich, 3), oracle(3)
    assert envs.single_observation_space == twin.single_observation_space
    assert envs.single_action_space == twin.single_action_space
    assert envs.observation_space == twin.observation_space
    assert envs.action_space == twin.action_space
    assert list(envs.single_action_space.spaces) == ["go", "bits", "dial", "force"]


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("num_envs", [1, 4, 300])
@pytest.mark.parametrize("mode", MODES)
def test_trajectories_are_the_twins(rich: str, mode: AutoresetMode, num_envs: int, num_threads: int):
    goal = 4  # both ends of an episode occur: the goal and, after some resets, the limit
    envs = fastvec.make_vec(rich, num_envs, num_threads=num_threads, autoreset_mode=mode, goal=goal)
    twin = oracle(num_envs, mode, goal)
    assert_same(envs.reset(seed=1), twin.reset(seed=1))
    twin.action_space.seed(1)
    for _ in range(12 if num_envs == 300 else 40):
        actions = twin.action_space.sample()
        result, expected = envs.step(actions), twin.step(actions)
        assert_same(result, expected)
        done = expected[2] | expected[3]
        if mode is AutoresetMode.DISABLED and done.any():
            options = {"reset_mask": done.copy()}
            assert_same(envs.reset(options={"reset_mask": done.copy()}), twin.reset(options=options))


@pytest.mark.parametrize("mode", MODES[:2])
def test_the_time_limit_is_the_registered_one(rich: str, mode: AutoresetMode):
    envs, twin = fastvec.make_vec(rich, 3, autoreset_mode=mode, goal=50), oracle(3, mode, 50)
    assert_same(envs.reset(seed=2), twin.reset(seed=2))
    twin.action_space.seed(2)
    truncations = 0
    for _ in range(25):
        actions = twin.action_space.sample()
        result, expected = envs.step(actions), twin.step(actions)
        assert_same(result, expected)
        truncations += int(expected[3].sum())
    assert truncations >= 9


def test_masked_resets_with_infos(rich: str):
    envs, twin = fastvec.make_vec(rich, 5), oracle(5)
    assert_same(envs.reset(seed=3), twin.reset(seed=3))
    rng = np.random.default_rng(3)
    twin.action_space.seed(3)
    for _ in range(30):
        actions = twin.action_space.sample()
        assert_same(envs.step(actions), twin.step(actions))
        mask = rng.random(5) < 0.3
        if mask.any():
            options = {"reset_mask": mask.copy()}
            assert_same(envs.reset(options={"reset_mask": mask}), twin.reset(options=options))


def test_observations_lie_in_their_space(rich: str):
    envs = fastvec.make_vec(rich, 3)
    observations, _ = envs.reset(seed=0)
    assert observations in envs.observation_space
    envs.action_space.seed(0)
    for _ in range(10):
        observations, *_ = envs.step(envs.action_space.sample())
        assert observations in envs.observation_space


def test_pictures_are_drawn_by_the_env(rich: str):
    envs = fastvec.make_vec(rich, 2, render_mode="rgb_array")
    twin = SyncVectorEnv([lambda: TimeLimit(RichEnv(render_mode="rgb_array"), LIMIT)] * 2)
    assert envs.metadata["render_modes"] == ["human", "rgb_array"]
    assert envs.render_mode == "rgb_array"
    assert_same(envs.reset(seed=0), twin.reset(seed=0))
    twin.action_space.seed(0)
    for _ in range(4):
        assert_same(envs.render(), twin.render())
        actions = twin.action_space.sample()
        envs.step(actions)
        twin.step(actions)


def test_defaults_differ_by_id(rich: str):
    # RichShort-v0 is the same class with goal=3 and without a time limit.
    envs, twin = fastvec.make_vec("RichShort-v0", 2), SyncVectorEnv([lambda: RichEnv(goal=3)] * 2)
    assert envs.spec.max_episode_steps is None
    assert_same(envs.reset(seed=0), twin.reset(seed=0))
    twin.action_space.seed(0)
    for _ in range(12):
        actions = twin.action_space.sample()
        assert_same(envs.step(actions), twin.step(actions))


def test_registered_limits_reach_gymnasium(rich: str):
    spec = gymnasium.spec("fastvec/Rich-v0")
    assert (spec.max_episode_steps, spec.reward_threshold) == (LIMIT, 2.5)
    assert gymnasium.spec("fastvec/RichShort-v0").reward_threshold is None


def test_single_env_of_composite_spaces(rich: str):
    env, twin = gymnasium.make("fastvec/Rich-v0", disable_env_checker=True), TimeLimit(RichEnv(), LIMIT)
    result, expected = env.reset(seed=4), twin.reset(seed=4)
    twin.action_space.seed(4)
    for _ in range(LIMIT):
        np.testing.assert_equal(result[0], expected[0])
        assert {key: np.asarray(value).tolist() for key, value in result[-1].items()} == {
            key: np.asarray(value).tolist() for key, value in expected[-1].items()
        }
        action = twin.action_space.sample()
        result, expected = env.step(action), twin.step(action)
        assert result[1:4] == expected[1:4]
    assert result[3]


def test_float64_actions_of_a_float32_box_arrive_unrounded(rich: str):
    envs = fastvec.make_vec("Kwargs-v0", 3)
    envs.reset(seed=0)
    actions = np.array([[0.1], [1 / 3], [-0.7]])
    np.testing.assert_array_equal(envs.step(actions)[1], actions[:, 0])
    narrow = actions.astype(np.float32)
    np.testing.assert_array_equal(envs.step(narrow)[1], narrow[:, 0].astype(np.float64))
