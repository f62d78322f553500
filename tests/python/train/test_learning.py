"""The trainer learns."""

from __future__ import annotations

import pytest

from fastvec.train import PPO


@pytest.mark.parametrize(
    "mode", ["NextStep", *(pytest.param(mode, marks=pytest.mark.slow) for mode in ("SameStep", "Disabled"))]
)
def test_cartpole_is_learned_from_little(mode):
    settings = {"total_timesteps": 40_000, "update_epochs": 10, "anneal_lr": False, "anneal_clip": False}
    ppo = PPO("CartPole-v1", seed=2, autoreset_mode=mode, compile=False, **settings)
    before = ppo.evaluate(20).mean_return
    after = ppo.learn().evaluate(20).mean_return
    ppo.close()
    assert before < 200
    assert after > 300
