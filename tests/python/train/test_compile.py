"""Compiled and eager are the same algorithm."""

from __future__ import annotations

import gymnasium as gym
import pytest
import torch

from conftest import sync
from fastvec.train import PPO
from fastvec.train.jit import can_compile

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(not can_compile(), reason="this PyTorch cannot compile whole updates"),
]


def run(compiled, updates, monkeypatch=None, **settings):
    envs = sync("NextStep", *[lambda: gym.make("CartPole-v1", disable_env_checker=True)] * 4)
    ppo = PPO(
        envs,
        num_steps=16,
        num_minibatches=2,
        update_epochs=1,
        hidden_sizes=(16,),
        total_timesteps=10**6,
        compile=compiled,
        **settings,
    )
    ppo.iterate()
    if monkeypatch is not None:
        monkeypatch.setattr(torch._dynamo.config, "error_on_recompile", True)
    for _ in range(updates // 2 - 1):
        ppo.iterate()
    return ppo


def test_compiled_and_eager_agree_after_ten_updates_without_recompiling(monkeypatch):
    eager = run(False, 10).learner.state
    compiled = run(True, 10, monkeypatch, anneal_clip=False).learner.state
    assert int(eager.step) == int(compiled.step) == 10
    torch.testing.assert_close(compiled.theta, eager.theta, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(compiled.exp_avg, eager.exp_avg, rtol=1e-3, atol=1e-5)


def test_annealed_numbers_are_not_frozen_into_the_graph():
    ppo = run(True, 2)
    ppo.learner.state.learning_rate.fill_(0.0)
    before = ppo.learner.state.theta.clone()
    ppo.learner.anneal = lambda remaining: None
    ppo.iterate()
    assert torch.equal(before, ppo.learner.state.theta)
