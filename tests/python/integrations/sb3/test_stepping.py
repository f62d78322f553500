"""SB3VecEnv gives what SB3's own DummyVecEnv gives, step by step."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import fastvec

pytest.importorskip("stable_baselines3")

from fastvec.integrations.sb3 import SB3VecEnv
from support.sb3 import MAKERS, NUM_ENVS, Reporting, assert_same, comparable, dummy, sampled_actions, sync

IDS = ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1", "Reporting-v0"]


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("maker", MAKERS)
def test_everything_is_as_dummy_vec_env_gives_it(env_id, maker):
    env, expected = MAKERS[maker](env_id), dummy(env_id)
    assert env.observation_space == expected.observation_space
    assert env.action_space == expected.action_space
    assert env.seed(7) == expected.seed(7)
    assert_same(env.reset(), expected.reset())
    assert_same(env.reset_infos, expected.reset_infos)
    ended, kept = 0, []
    for actions in sampled_actions(env, 210 if env_id == "Pendulum-v1" else 80):
        observations, rewards, dones, infos = env.step(actions)
        results = expected.step(actions)
        kept.append((observations, results[0]))
        assert_same((observations, rewards, dones), results[:3])
        assert_same(comparable(infos, maker), comparable(results[3], maker))
        assert_same(env.reset_infos, expected.reset_infos)
        ended += dones.sum()
    assert ended >= NUM_ENVS
    for observations, others in kept:  # no later call has overwritten them
        assert_same(observations, others)
    env.close(), expected.close()


def test_truncation_is_marked_and_termination_wins():
    def both():
        env = Reporting()
        env.step = lambda action: (env._observation(), 0.0, True, True, {})
        return env

    env = SB3VecEnv([lambda: gym.make("CartPole-v1", max_episode_steps=3), lambda: gym.make("CartPole-v1")])
    env.reset()
    marks = [env.step([1, 1])[3][0]["TimeLimit.truncated"] for _ in range(3)]
    env.close()
    assert marks == [False, False, True]
    env = SB3VecEnv(SyncVectorEnv([both], autoreset_mode=AutoresetMode.SAME_STEP))
    env.reset()
    _, _, dones, infos = env.step(np.array([[0, 0]]))
    assert dones[0]
    assert infos[0]["TimeLimit.truncated"] is False


def test_infos_are_new_dicts_at_every_step():
    env = SB3VecEnv("CartPole-v1", 2)
    env.reset()
    infos = env.step(np.array([0, 1]))[3]
    infos[0]["mine"] = 1
    assert env.step(np.array([0, 1]))[3] == [{"TimeLimit.truncated": False}] * 2
    env.close()


def test_step_infos_can_be_left_out_and_ends_are_still_told():
    env = SB3VecEnv(sync("Reporting-v0", AutoresetMode.SAME_STEP), step_infos=False, monitor=False)
    env.seed(0)
    env.reset()
    seen = set()
    for actions in sampled_actions(env, 30):
        _, _, dones, infos = env.step(actions)
        for done, info in zip(dones, infos, strict=True):
            seen.add((bool(done), frozenset(info) - {"odd"}))
    ended = {"TimeLimit.truncated", "terminal_observation", "time", "nested"}
    assert seen == {(False, frozenset({"TimeLimit.truncated"})), (True, frozenset(ended))}


@pytest.mark.parametrize("options", [{"low": -5.0}, [{"low": -float(i)} for i in range(NUM_ENVS)]], ids=["one", "each"])
@pytest.mark.parametrize("maker", ["fastvec", "Gymnasium SameStep"])
def test_options_reach_the_next_reset_only(maker, options):
    env, expected = MAKERS[maker]("Reporting-v0"), dummy("Reporting-v0")
    for vector in (env, expected):
        vector.seed(3)
        vector.set_options(options)
    assert_same(env.reset(), expected.reset())
    assert_same(env.reset(), expected.reset())
    env.set_options(options), expected.set_options(options)
    assert_same(env.reset(), expected.reset())
    assert_same(env.reset_infos, expected.reset_infos)
    env.close(), expected.close()


def test_terminal_observations_are_arrays_of_their_own():
    env = SB3VecEnv("CartPole-v1", 8)
    env.reset()
    ends = []
    for _ in range(40):
        _, _, dones, infos = env.step(np.zeros(8, np.int64))
        ends += [infos[i]["terminal_observation"] for i in np.flatnonzero(dones)]
    kept = [end.copy() for end in ends]
    for _ in range(20):
        env.step(np.zeros(8, np.int64))
    env.close()
    assert len(ends) > 16
    assert all(end.flags.owndata for end in ends)
    np.testing.assert_array_equal(ends, kept)


def test_atari_games_of_ale_py_end_as_sb3_expects():
    pytest.importorskip("ale_py")
    settings = {"max_num_frames_per_episode": 60, "use_fire_reset": False, "noop_max": 0}
    env = SB3VecEnv("ALE/Breakout-v5", 2, **settings)
    reference = fastvec.make_vec("ALE/Breakout-v5", 2, autoreset_mode="SameStep", **settings)
    env.seed(3)
    np.testing.assert_array_equal(env.reset(), reference.reset(seed=3)[0])
    ended = 0
    for _ in range(40):
        actions = np.array([1, 2])
        observations, rewards, dones, infos = env.step(actions)
        expected, expected_rewards, terminated, truncated, info = reference.step(actions)
        np.testing.assert_array_equal(observations, expected)
        np.testing.assert_array_equal(rewards, expected_rewards.astype(np.float32))
        np.testing.assert_array_equal(dones, terminated | truncated)
        for i in np.flatnonzero(dones):
            np.testing.assert_array_equal(infos[i]["terminal_observation"], info["final_obs"][i])
            assert infos[i]["TimeLimit.truncated"] == bool(truncated[i])
            ended += 1
    env.close(), reference.close()
    assert ended > 2
