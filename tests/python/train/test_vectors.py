"""Vectors that are passed to PPO: what others like them are made from."""

from __future__ import annotations

import gymnasium as gym
import pytest
from gymnasium.wrappers.vector import RecordEpisodeStatistics, TransformReward

import fastvec
from fastvec.train import PPO
from support.train_envs import sync

SETTINGS = {"num_steps": 16, "num_minibatches": 2, "update_epochs": 1, "compile": False, "total_timesteps": 128}


def lake(make, **kwargs):
    return make("FrozenLake-v1", num_envs=4, map_name="8x8", **kwargs)


VECTORS = {
    "fastvec": lambda: lake(fastvec.make_vec, max_episode_steps=5, num_threads=1, autoreset_mode="SameStep"),
    "gymnasium": lambda: lake(gym.make_vec, max_episode_steps=5, vectorization_mode="sync"),
    "statistics": lambda: RecordEpisodeStatistics(lake(gym.make_vec, max_episode_steps=5, vectorization_mode="sync")),
}


@pytest.mark.parametrize("vector", VECTORS)
def test_evaluations_are_in_environments_like_those_of_training(vector, tmp_path):
    ppo = PPO(VECTORS[vector](), **SETTINGS).learn()
    ppo.save(tmp_path / "p.pt")
    for policy in (ppo, PPO.load(tmp_path / "p.pt")):
        envs = policy.make_evaluation_envs(3)
        assert envs.num_envs == 3
        assert envs.single_observation_space == gym.spaces.Discrete(64)
        assert envs.spec.max_episode_steps == 5
        assert max(policy.evaluate(6, envs=envs, deterministic=False).lengths) == 5
        envs.close(), policy.close()


def test_arguments_beside_a_vector_say_how_others_are_made():
    ppo = PPO(sync("NextStep", *[lambda: gym.make("Pendulum-v1")] * 2), **SETTINGS)
    with pytest.raises(ValueError, match="these environments have no id, so there is no making others like them"):
        ppo.evaluate(2)
    wrapped = TransformReward(gym.make_vec("CartPole-v1", 4, vectorization_mode="sync"), lambda reward: -reward)
    ppo = PPO(wrapped, **SETTINGS)
    for attempt in (lambda: ppo.evaluate(2), lambda: ppo.make_evaluation_envs(1, render_mode="rgb_array")):
        with pytest.raises(ValueError, match="these environments are wrapped, so there is no making others like them"):
            attempt()
    ppo = PPO(wrapped, env_kwargs={"sutton_barto_reward": True}, **SETTINGS)
    assert ppo.evaluate(2).mean_return == -1.0


def test_a_wrapped_vector_is_needed_again_to_load(tmp_path):
    def make():
        return TransformReward(gym.make_vec("CartPole-v1", 4, vectorization_mode="sync"), lambda reward: -reward)

    PPO(make(), **SETTINGS).save(tmp_path / "p.pt")
    with pytest.raises(ValueError, match=r"this checkpoint's environments were wrapped, .*; pass env="):
        PPO.load(tmp_path / "p.pt")
    assert PPO.load(tmp_path / "p.pt", env=make()).iterate().iteration == 1


@pytest.mark.parametrize("env", [gym.make("CartPole-v1"), lambda: gym.make("CartPole-v1"), None])
def test_what_is_no_vector_is_refused(env):
    with pytest.raises(TypeError, match=r"expected the id of an environment or a gymnasium\.vector\.VectorEnv, got"):
        PPO(env)


def test_no_episodes_are_no_evaluation():
    ppo = PPO("CartPole-v1", num_envs=2, **SETTINGS)
    with pytest.raises(ValueError, match="episodes must be at least 1, got 0"):
        ppo.evaluate(0)
    ppo.close()
