"""Settings that are known to learn each environment. Every flag of the command line overrides them."""

from __future__ import annotations

from fastvec.train.config import PPOConfig

PRESETS: dict[str, PPOConfig] = {
    "CartPole-v1": PPOConfig(
        total_timesteps=400_000,
        num_envs=64,
        num_steps=32,
        num_minibatches=4,
        update_epochs=8,
        learning_rate=2e-3,
        gamma=0.98,
        gae_lambda=0.9,
        anneal_clip=True,
    ),
}


def preset(env_id: str) -> PPOConfig:
    """The settings for ``env_id``; the defaults of :class:`PPOConfig` where there are none of its own."""
    return PRESETS.get(env_id.rpartition("/")[2].rpartition(":")[2], PPOConfig())
