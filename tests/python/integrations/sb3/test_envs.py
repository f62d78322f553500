"""Single envs through SB3VecEnv: their methods, attributes, wrappers and pictures, and what Monitor knows."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

pytest.importorskip("stable_baselines3")

from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from fastvec.integrations.sb3 import SB3VecEnv
from support.sb3 import MAKERS, NUM_ENVS, Reporting, assert_same, dummy, sampled_actions, sync


@pytest.mark.parametrize("maker", ["fastvec", "Gymnasium SameStep"])
def test_methods_and_attributes_of_chosen_envs(maker):
    env = MAKERS[maker]("Reporting-v0")
    env.seed(1)
    env.reset()
    for actions in sampled_actions(env, 3):
        env.step(actions)
    times = env.get_attr("t")
    assert env.env_method("weigh", 2.0, times=3, indices=[1, 4]) == [times[1] * 6.0, times[4] * 6.0]
    assert env.has_attr("gravity")
    assert not env.has_attr("nothing_like_it")
    env.env_method("weigh", 5.0)
    assert env.get_attr("weighed") == [5.0] * NUM_ENVS
    env.env_method("weigh", 7.0, indices=2)
    assert env.get_attr("weighed") == [5.0, 5.0, 7.0, 5.0, 5.0]
    env.set_attr("weighed", 1.0, indices=range(2))
    env.set_attr("gravity", 9.0, indices=-1)
    assert env.get_attr("weighed") == [1.0, 1.0, 7.0, 5.0, 5.0]
    assert env.env_method("weigh", 1.0, indices=[4, 0]) == [times[4] * 9.0, times[0] * 1.0]
    assert env.get_attr("gravity", [0, 4]) == [1.0, 9.0]
    with pytest.raises(AttributeError):
        env.get_attr("nothing_like_it")
    env.close()


def test_attributes_of_native_envs():
    env = SB3VecEnv("CartPole-v1", 3)
    env.seed(0)
    env.reset()
    assert env.get_attr("length") == [0.5] * 3
    before = env.get_attr("state")
    env.set_attr("state", (0.0, 0.0, 0.1, 0.0), indices=[1])
    after = env.get_attr("state")
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1], (0.0, 0.0, 0.1, 0.0))
    env.close()


def test_pictures_are_gymnasiums_tiled_by_sb3(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pytest.importorskip("pygame")
    env = SB3VecEnv("CartPole-v1", 2, render_mode="rgb_array")
    expected = dummy("CartPole-v1", 2, render_mode="rgb_array")
    assert env.render_mode == "rgb_array"
    assert env.metadata["render_fps"] == 50
    for vector in (env, expected):
        vector.seed(5)
        vector.reset()
    np.testing.assert_array_equal(env.get_images(), expected.get_images())
    np.testing.assert_array_equal(env.render("rgb_array"), expected.render("rgb_array"))
    np.testing.assert_array_equal(env.env_method("render", indices=[1])[0], expected.get_images()[1])
    env.close(), expected.close()


@pytest.mark.parametrize("maker", MAKERS)
def test_what_monitor_knows(maker):
    env, expected = MAKERS[maker]("Reporting-v0"), dummy("Reporting-v0")
    for each in (env, expected):
        each.seed(3)
        each.reset()
        each.action_space.seed(5)
        for _ in range(30):
            each.step(np.array([each.action_space.sample() for _ in range(NUM_ENVS)]))
    for method in ("get_episode_rewards", "get_episode_lengths", "get_total_steps"):
        assert_same(env.env_method(method), expected.env_method(method))
        assert_same(env.env_method(method, indices=[3, 1]), expected.env_method(method, indices=[3, 1]))
    for name in ("episode_returns", "episode_lengths", "total_steps", "needs_reset", "allow_early_resets"):
        assert_same(env.get_attr(name), expected.get_attr(name))
        assert_same(env.get_attr(name, 2), expected.get_attr(name, 2))
    times = env.env_method("get_episode_times")
    assert [len(one) for one in times] == [len(one) for one in expected.env_method("get_episode_times")]
    assert all(one == sorted(one) for one in times)
    assert env.metadata == expected.metadata
    env.close()


def test_without_a_monitor_its_methods_are_not_there():
    env = SB3VecEnv("CartPole-v1", 2, monitor=False)
    with pytest.raises(AttributeError):
        env.env_method("get_episode_rewards")
    assert not env.has_attr("episode_returns")


# -- wrappers ---------------------------------------------------------------------------------------------------


class Inner(gym.Wrapper):
    """A wrapper of our own."""


class Outer(Inner):
    """One that is derived from it."""


CLASSES = [
    Monitor,
    TimeLimit,
    OrderEnforcing,
    PassiveEnvChecker,
    gym.Wrapper,
    gym.wrappers.RescaleAction,
    gym.wrappers.RecordEpisodeStatistics,
    Inner,
    Outer,
]


class Cartless(Reporting):
    """An env that was not made from an id."""


@pytest.mark.parametrize("backend", [None, "process"])
def test_wrappers_are_known(backend):
    kwargs = {} if backend is None else {"backend": backend, "wrappers": [gym.wrappers.NormalizeObservation]}
    env = SB3VecEnv("CartPole-v1", 2, **kwargs)
    assert env.env_is_wrapped(Monitor) == [True, True]
    assert env.env_is_wrapped(gym.wrappers.NormalizeObservation, indices=1) == [backend == "process"]
    env.close()
    env = SB3VecEnv(sync("CartPole-v1", AutoresetMode.SAME_STEP, 2), monitor=False)
    assert env.env_is_wrapped(Monitor) == [False, False]
    assert env.env_is_wrapped(gym.wrappers.TimeLimit) == [True, True]
    env.close()


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Reporting-v0", "Blackjack-v1"])
def test_wrappers_are_those_of_dummy_vec_env(maker, env_id):
    env, expected = MAKERS[maker](env_id), dummy(env_id)
    for wrapper in CLASSES:
        assert env.env_is_wrapped(wrapper) == expected.env_is_wrapped(wrapper), wrapper
        assert env.env_is_wrapped(wrapper, indices=[1]) == expected.env_is_wrapped(wrapper, indices=[1])
    env.close()


@pytest.mark.parametrize("backend", ["native", "process"])
def test_wrappers_follow_the_arguments(backend):
    env = SB3VecEnv("CartPole-v1", 2, backend=backend, max_episode_steps=-1, monitor=False)
    expected = DummyVecEnv([lambda: gym.make("CartPole-v1", max_episode_steps=-1)] * 2)
    for wrapper in CLASSES:
        assert env.env_is_wrapped(wrapper) == expected.env_is_wrapped(wrapper), wrapper
    env.close()


def test_wrappers_of_each_env_of_a_list():
    makers = [lambda: Outer(Cartless()), lambda: Monitor(Cartless()), Cartless]
    env, expected = SB3VecEnv(makers, monitor=False, num_workers=2), DummyVecEnv(makers)
    for wrapper in CLASSES:
        assert env.env_is_wrapped(wrapper) == expected.env_is_wrapped(wrapper), wrapper
    env.close()
