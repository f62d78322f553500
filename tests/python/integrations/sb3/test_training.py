"""SB3's algorithms on SB3VecEnv."""

from __future__ import annotations

import gymnasium as gym
import pytest

pytest.importorskip("stable_baselines3")

from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from fastvec.integrations.sb3 import SB3VecEnv
from support.sb3 import assert_same, dummy


@pytest.mark.parametrize(
    ("algorithm", "policy", "env_id", "settings"),
    [
        (PPO, "MlpPolicy", "CartPole-v1", {"n_steps": 128, "batch_size": 128, "n_epochs": 4}),
        (PPO, "MultiInputPolicy", "Reporting-v0", {"n_steps": 64, "batch_size": 64, "n_epochs": 2}),
        (A2C, "MlpPolicy", "Pendulum-v1", {"n_steps": 8}),
        (A2C, "MlpPolicy", "FrozenLake-v1", {"n_steps": 8}),
    ],
)
def test_sb3_trains_the_same_on_it_as_on_its_own(algorithm, policy, env_id, settings):
    def train(env):
        model = algorithm(policy, env, seed=3, device="cpu", **settings)
        model.learn(2048)
        returns = [(episode["r"], episode["l"]) for episode in model.ep_info_buffer]
        weights = [p.detach().numpy().copy() for p in model.policy.parameters()]
        env.close()
        return weights, returns

    weights, returns = train(SB3VecEnv(env_id, 8))
    expected_weights, expected_returns = train(dummy(env_id, 8))
    assert returns == expected_returns
    assert len(returns) > 0
    assert_same(weights, expected_weights)


def test_sb3_learns_cartpole_through_its_own_wrappers():
    env = VecNormalize(VecMonitor(SB3VecEnv("CartPole-v1", 16, monitor=False)), norm_reward=False)
    model = PPO("MlpPolicy", env, n_steps=64, batch_size=256, learning_rate=2e-3, seed=1, device="cpu")
    model.learn(12_000)
    env.training = False
    mean, _ = evaluate_policy(model, env, n_eval_episodes=20)
    env.close()
    assert mean > 120


def test_a_single_env_passes_sb3s_own_checker():
    env = gym.make("fastvec/CartPole-v1")
    check_env(env.unwrapped, skip_render_check=True)
    env.close()
