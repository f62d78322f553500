"""Settings that are known to learn each environment. Every flag of the command line overrides them."""

from __future__ import annotations

import dataclasses
from typing import Literal

from fastvec.train.config import PPOConfig

# What the MuJoCo results of the literature were made with (minibatches of 64, 10 epochs, everything normalised), on
# 8 envs of 256 steps where that was 1 of 2048: as many samples per update, and fewer calls of the policy for them.
MUJOCO = PPOConfig(
    total_timesteps=1_000_000,
    num_envs=8,
    num_steps=256,
    num_minibatches=32,
    update_epochs=10,
    normalize_obs=True,
    normalize_reward=True,
)

PRESETS: dict[str, PPOConfig] = {
    # 64 steps, gamma 0.99 and lambda 0.95 see the cart's slow drift to the edge. Shorter sight (32 steps,
    # 0.98, 0.9) learns as fast, but on some seeds loses again what it had learned.
    "CartPole-v1": PPOConfig(
        total_timesteps=250_000,
        num_envs=64,
        num_steps=64,
        num_minibatches=8,
        update_epochs=4,
        learning_rate=2e-3,
        anneal_clip=True,
    ),
    "Acrobot-v1": PPOConfig(
        total_timesteps=500_000,
        num_envs=16,
        num_steps=256,
        num_minibatches=16,
        update_epochs=4,
        learning_rate=1e-3,
        gae_lambda=0.94,
        normalize_obs=True,
    ),
    "Pendulum-v1": PPOConfig(
        total_timesteps=300_000,
        num_envs=16,
        num_steps=128,
        num_minibatches=8,
        update_epochs=10,
        learning_rate=1e-3,
        gamma=0.9,
    ),
    "MountainCarContinuous-v0": PPOConfig(
        total_timesteps=300_000,
        num_envs=16,
        num_steps=256,
        num_minibatches=16,
        update_epochs=10,
        gamma=0.9999,
        normalize_obs=True,
        normalize_reward=True,
    ),
    "MountainCar-v0": PPOConfig(
        total_timesteps=500_000,
        num_envs=16,
        num_steps=64,
        learning_rate=1e-3,
        gae_lambda=0.98,
        normalize_obs=True,
        normalize_reward=True,
    ),
    # The goal is found by chance in one episode of seventy: the entropy bonus keeps the policy looking until then.
    "FrozenLake-v1": PPOConfig(
        total_timesteps=500_000,
        learning_rate=2e-3,
        ent_coef=0.01,
    ),
    "FrozenLake8x8-v1": PPOConfig(
        total_timesteps=1_000_000,
        learning_rate=2e-3,
        ent_coef=0.01,
    ),
    "Taxi-v4": PPOConfig(
        total_timesteps=500_000,
        learning_rate=2e-3,
        ent_coef=0.01,
        normalize_reward=True,
    ),
    # A game is decided within a few cards, and luck is most of it: only many games tell how good a policy is.
    "Blackjack-v1": PPOConfig(
        total_timesteps=500_000,
        learning_rate=1e-3,
        gamma=1.0,
        ent_coef=0.01,
        eval_episodes=10_000,
    ),
    "InvertedPendulum-v5": dataclasses.replace(MUJOCO, total_timesteps=200_000),
    # Exploring with little noise, it learns to run almost three times as fast as with a deviation of 1 to begin
    # with. Nothing ends its episodes early, so a shorter sight is enough.
    "HalfCheetah-v5": dataclasses.replace(MUJOCO, gamma=0.98, gae_lambda=0.92, log_std_init=-2.0),
    # Where a fall ends the episode, it pays to look further ahead than 100 steps.
    "Hopper-v5": dataclasses.replace(MUJOCO, gamma=0.995),
    "Walker2d-v5": dataclasses.replace(MUJOCO, gamma=0.995),
}


PresetName = Literal["learning", "throughput"]


def preset(env_id: str, kind: PresetName = "learning") -> PPOConfig:
    """The settings for ``env_id``; the defaults of :class:`PPOConfig` where there are none of its own.

    "learning" learns from few steps. "throughput" makes the most steps per second: so many environments that nothing
    but arithmetic is left to wait for, and minibatches of 4096, which two threads share and a processor's cache holds
    (larger ones were slower). It needs more steps, and for fast environments less time.
    """
    config = PRESETS.get(env_id.rpartition("/")[2].rpartition(":")[2], PPOConfig())
    if kind == "learning":
        return config
    if kind != "throughput":
        raise ValueError(f"preset must be learning or throughput, got {kind!r}")
    return dataclasses.replace(
        config,
        total_timesteps=max(config.total_timesteps, 2_000_000),
        num_envs=1024,
        num_steps=32,
        num_minibatches=8,
        update_epochs=4,
        learning_rate=2.5e-3,
        anneal_clip=False,
        compile=True,
    )
