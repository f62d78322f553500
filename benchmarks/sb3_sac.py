"""Stable-Baselines3's SAC with settings by fastvec's names, and episodes to compare policies by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from fastvec.train.config import SACConfig

Act = Callable[[Any], Any]

NOT_THERE = (
    "network",
    "activation",
    "normalize_obs",
    "scale_rewards",
    "max_grad_norm",
    "adam_eps",
    "warmup_steps",
    "num_steps",
)
"""Settings that Stable-Baselines3's SAC has not, or has under another roof: they must be left as they are."""


def make_sb3_sac(env_id: str, config: SACConfig, seed: int) -> Any:
    """A learner of plain networks, which makes its gradient steps after each step of all its environments.

    Raises:
        ValueError: a setting that Stable-Baselines3's SAC has not.
    """
    from stable_baselines3 import SAC
    from stable_baselines3.common.env_util import make_vec_env

    usual = SACConfig()
    if others := [name for name in NOT_THERE if getattr(config, name) != getattr(usual, name)]:
        raise ValueError(f"Stable-Baselines3's SAC cannot be set to learn with these: {', '.join(others)}")

    return SAC(
        "MlpPolicy",
        make_vec_env(env_id, n_envs=config.num_envs, seed=seed),
        learning_rate=(lambda left: left * config.learning_rate) if config.anneal_lr else config.learning_rate,
        buffer_size=config.buffer_size,
        learning_starts=config.learning_starts,
        batch_size=config.batch_size,
        tau=config.tau,
        gamma=config.gamma,
        n_steps=config.n_step,
        train_freq=1,
        gradient_steps=round(config.updates_per_step * config.num_envs),
        ent_coef=f"auto_{config.initial_temperature}",
        target_entropy="auto" if config.target_entropy is None else config.target_entropy,
        policy_kwargs={"net_arch": list(config.hidden_sizes)},
        seed=seed,
        device="cpu",
    )


def greedy(model: Any) -> Act:
    """The means of a model's actions."""
    return lambda obs: model.predict(obs, deterministic=True)[0]


def mean_return(act: Act, env_id: str, episodes: int, seed: int) -> float:
    """The mean return of the first episodes of so many of Gymnasium's environments beside each other."""
    envs = gym.make_vec(env_id, num_envs=episodes, vectorization_mode="sync")
    obs, _ = envs.reset(seed=seed)
    returns, going = np.zeros(episodes), np.ones(episodes, dtype=bool)
    while going.any():
        obs, rewards, terminated, truncated, _ = envs.step(act(obs))
        returns += np.where(going, rewards, 0.0)
        going &= ~(terminated | truncated)
    envs.close()
    return float(returns.mean())
