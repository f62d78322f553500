"""Settings that are known to learn each environment. Every flag of the command line overrides them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import gymnasium

from fastvec.ale.backend import is_ale_id
from fastvec.train.config import OnPolicyConfig, PPOConfig, PQNConfig, SACConfig

PresetName = Literal["learning", "throughput"]


@dataclass(frozen=True)
class Presets:
    """The settings of one algorithm.

    Attributes:
        defaults: for envs that have no settings of their own.
        by_env: settings that learn from few steps, by the env's id without its namespace.
        by_package: settings for those envs of a Python package that have none of their own.
        for_throughput: from those of an env, the settings that make the most steps per second.
    """

    defaults: Any
    by_env: Mapping[str, Any]
    for_throughput: Callable[[Any], Any]
    by_package: Mapping[str, Any] = field(default_factory=dict)


# What the MuJoCo results of the literature were made with (minibatches of 64, 10 epochs, everything normalised), on
# 8 envs of 256 steps where that was 1 of 2048: as many samples per update, and fewer calls of the policy for them.
PPO_MUJOCO = PPOConfig(
    total_timesteps=1_000_000,
    num_envs=8,
    num_steps=256,
    num_minibatches=32,
    update_epochs=10,
    normalize_obs=True,
    normalize_reward=True,
)

# The sight of HalfCheetah, and less noise to begin with than PPO_MUJOCO has, with which ants reached 900 or so.
PPO_ANT = dataclasses.replace(PPO_MUJOCO, gamma=0.98, gae_lambda=0.92, log_std_init=-1.0)

# A landing is worth as much as all of the flight, and comes late: hence the long sight.
PPO_LUNAR_LANDER = PPOConfig(
    total_timesteps=500_000,
    num_envs=32,
    num_steps=256,
    num_minibatches=32,
    update_epochs=6,
    learning_rate=1e-3,
    gamma=0.999,
    gae_lambda=0.98,
    ent_coef=0.01,
    normalize_obs=True,
    normalize_reward=True,
)

# OpenAI's Baselines had these for Atari games, and most figures since were made with them. (PPO's paper says 3 epochs
# and a weight of 1 for the value loss.)
PPO_ATARI = PPOConfig(
    total_timesteps=10_000_000,
    num_envs=8,
    num_steps=128,
    num_minibatches=4,
    update_epochs=4,
    learning_rate=2.5e-4,
    clip_coef=0.1,
    anneal_clip=True,
    clip_vloss=True,
    ent_coef=0.01,
)

PPO_BY_ENV: dict[str, PPOConfig] = {
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
        rescale_actions=False,
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
        update_epochs=8,
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
    # On the larger lake it is rarer by far: with a bonus of 0.01, one run of ten had never seen it.
    "FrozenLake8x8-v1": PPOConfig(
        total_timesteps=1_000_000,
        learning_rate=2e-3,
        ent_coef=0.02,
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
    # With 6 epochs, which land as well, one run of ten had forgotten how to by its end.
    "LunarLander-v3": dataclasses.replace(PPO_LUNAR_LANDER, update_epochs=4),
    "LunarLanderContinuous-v3": PPO_LUNAR_LANDER,
    # Long rollouts in small minibatches: with 512 steps in minibatches of 256, the greedy walker fell on some seeds.
    "BipedalWalker-v3": PPOConfig(
        total_timesteps=5_000_000,
        num_envs=32,
        num_steps=2048,
        num_minibatches=1024,
        update_epochs=10,
        clip_coef=0.18,
        gamma=0.999,
        normalize_obs=True,
        normalize_reward=True,
    ),
    "InvertedPendulum-v5": dataclasses.replace(PPO_MUJOCO, total_timesteps=200_000, rescale_actions=False),
    # Exploring with little noise, it learns to run almost three times as fast as with a deviation of 1 to begin
    # with. Nothing ends its episodes early, so a shorter sight is enough.
    "HalfCheetah-v5": dataclasses.replace(PPO_MUJOCO, gamma=0.98, gae_lambda=0.92, log_std_init=-2.0),
    # Where a fall ends the episode, it pays to look further ahead than 100 steps.
    "Hopper-v5": dataclasses.replace(PPO_MUJOCO, gamma=0.995),
    "Walker2d-v5": dataclasses.replace(PPO_MUJOCO, gamma=0.995),
    # A stroke pays long after it was made: nothing less than the whole episode tells.
    "Swimmer-v5": dataclasses.replace(PPO_MUJOCO, gamma=0.9999, gae_lambda=0.98, learning_rate=6e-4),
    "Reacher-v5": PPO_MUJOCO,
    "Pusher-v5": PPO_MUJOCO,
    "Ant-v5": PPO_ANT,
    "Humanoid-v5": PPO_ANT,
    "InvertedDoublePendulum-v5": dataclasses.replace(PPO_MUJOCO, gamma=0.98, log_std_init=-1.0),
}


def on_policy_for_throughput(config: OnPolicyConfig) -> OnPolicyConfig:
    """The settings that make the most steps per second.

    So many environments that nothing but arithmetic is left to wait for, and minibatches of 4096, which two threads
    share and a processor's cache holds (larger ones were slower).
    """
    return dataclasses.replace(
        config,
        total_timesteps=max(config.total_timesteps, 2_000_000),
        num_envs=1024,
        num_steps=32,
        num_minibatches=8,
        update_epochs=4,
        learning_rate=2.5e-3,
        compile=True,
    )


def ppo_for_throughput(config: PPOConfig) -> OnPolicyConfig:
    """:func:`on_policy_for_throughput`, with a clip that stays as it is."""
    return on_policy_for_throughput(dataclasses.replace(config, anneal_clip=False))


SAC_BY_ENV: dict[str, SACConfig] = {
    "Pendulum-v1": SACConfig(total_timesteps=20_000, learning_starts=1_000, learning_rate=1e-3),
    # Rewards reach 100, and are brought to one scale: as they are, a lander with these settings still hovered after
    # 100k steps. A fourth of a gradient step for each step is enough.
    "LunarLanderContinuous-v3": SACConfig(
        total_timesteps=300_000,
        num_envs=16,
        updates_per_step=0.25,
        n_step=3,
        learning_rate=1e-3,
        anneal_lr=True,
        tau=0.01,
        hidden_sizes=(128, 128),
        scale_rewards=True,
        value_range=10.0,
    ),
    # Where a step costs so little, gradient steps are what counts: small networks and batches make six of them in the
    # time of one of 256-256 networks on batches of 256, and learn as much from each.
    "HalfCheetah-v5": SACConfig(
        total_timesteps=1_000_000,
        num_envs=64,
        updates_per_step=1 / 8,
        learning_starts=10_000,
        batch_size=128,
        learning_rate=1e-3,
        anneal_lr=True,
        gamma=0.98,
        tau=0.01,
        hidden_sizes=(128, 128),
    ),
}


def sac_for_throughput(config: SACConfig) -> SACConfig:
    """Many environments and few gradient steps for each of their steps, on large batches."""
    return dataclasses.replace(
        config, total_timesteps=max(config.total_timesteps, 2_000_000), num_envs=256, updates_per_step=1 / 64
    )


PQN_BY_ENV: dict[str, PQNConfig] = {
    "CartPole-v1": PQNConfig(total_timesteps=500_000),
    "Acrobot-v1": PQNConfig(total_timesteps=500_000),
    "LunarLander-v3": PQNConfig(total_timesteps=1_000_000),
}

PRESETS: dict[str, Presets] = {
    "ppo": Presets(PPOConfig(), PPO_BY_ENV, ppo_for_throughput, {"ale_py": PPO_ATARI}),
    "pqn": Presets(PQNConfig(), PQN_BY_ENV, on_policy_for_throughput),
    "sac": Presets(SACConfig(), SAC_BY_ENV, sac_for_throughput),
}
"""By the algorithm's name, as :mod:`fastvec.train.algorithms` has it."""


def package_of(env_id: str) -> str:
    """The Python package that an env comes from, as far as its id or Gymnasium's registry tells; "" where neither does.

    Nothing is imported for it: Atari's ids are in the registry only after somebody asked for one.
    """
    module, _, name = env_id.rpartition(":")
    spec = gymnasium.registry.get(name)
    if is_ale_id(env_id):
        module = "ale_py"
    elif spec is not None and isinstance(spec.entry_point, str):
        module = spec.entry_point.partition(":")[0]
    return module.partition(".")[0]


def preset(env_id: str, kind: PresetName = "learning", *, algorithm: str = "ppo") -> Any:
    """The settings for an env.

    Args:
        env_id: with or without a namespace; an env without settings of its own has those of its package (Atari games),
            else the algorithm's defaults.
        kind: "learning" learns from few steps. "throughput" makes the most steps per second: it needs more steps, and
            for fast environments less time.
        algorithm: a key of :data:`PRESETS`.

    Raises:
        ValueError: there is no such kind, or no such algorithm.
    """
    if kind not in get_args(PresetName):
        raise ValueError(f"preset must be {' or '.join(get_args(PresetName))}, got {kind!r}")
    if algorithm not in PRESETS:
        raise ValueError(f"expected algorithm to be one of {', '.join(PRESETS)}, got {algorithm!r}")
    presets = PRESETS[algorithm]
    name = env_id.rpartition("/")[2].rpartition(":")[2]
    config = presets.by_env.get(name) or presets.by_package.get(package_of(env_id), presets.defaults)
    return presets.for_throughput(config) if kind == "throughput" else config
