"""Compiled and eager are the same algorithm."""

from __future__ import annotations

import gymnasium as gym
import pytest
import torch
from torch import nn

from fastvec.train import PPO, on_policy
from fastvec.train.jit import can_compile, own_copy
from support.train_envs import sync

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(not can_compile(), reason="this PyTorch cannot compile whole updates"),
]


def run(compiled, updates, **settings):
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
    with torch._dynamo.config.patch(error_on_recompile=True):  # everything is compiled by now
        for _ in range(updates // 2 - 1):
            ppo.iterate()
    return ppo


@pytest.mark.parametrize("threads", [1, 2])
def test_compiled_and_eager_agree_after_ten_updates_without_recompiling(threads, monkeypatch):
    eager = run(False, 10, torch_threads=1).learner.state
    monkeypatch.setattr(on_policy, "MIN_ROWS", 8)
    ppo = run(True, 10, torch_threads=threads)
    assert (ppo.learner.threads is None) == (threads == 1)
    compiled = ppo.learner.state
    assert int(eager.step) == int(compiled.step) == 10
    torch.testing.assert_close(compiled.flat_parameters, eager.flat_parameters, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(compiled.exp_avg, eager.exp_avg, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_compiled_actions_come_with_what_the_eager_network_says_of_them(env_id):
    ppo = PPO(
        env_id, num_envs=16, num_steps=8, num_minibatches=2, hidden_sizes=(16,), total_timesteps=10**6, compile=True
    )
    rollout = ppo.collect()
    with torch.no_grad():
        params, values = ppo.network(ppo.policy.normalize(rollout.obs[:-1].flatten(0, 1)))
        log_probs = ppo.head.log_prob(params, rollout.actions.flatten(0, 1))
    torch.testing.assert_close(rollout.log_probs.flatten(), log_probs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(rollout.values.flatten(), values, rtol=1e-5, atol=1e-5)


def test_annealed_numbers_are_not_frozen_into_the_graph():
    ppo = run(True, 2)
    ppo.learner.state.learning_rate.fill_(0.0)
    before = ppo.learner.state.flat_parameters.clone()
    ppo.anneal = lambda remaining: None
    ppo.iterate()
    assert torch.equal(before, ppo.learner.state.flat_parameters)


def test_a_trainer_does_not_recompile_the_code_of_another():
    def double(x):
        return x * 2

    entries = []
    for size in range(2, 14):  # more than PyTorch's limit of 8 for one code object
        compiled = torch.compile(own_copy(double), fullgraph=True, dynamic=False, backend="eager")
        assert compiled(torch.ones(size)).tolist() == [2.0] * size
        entries.append(compiled)
    with torch._dynamo.config.patch(error_on_recompile=True):
        assert entries[0](torch.ones(2)).tolist() == [2.0, 2.0]


@pytest.mark.parametrize("setting", [{"max_grad_norm": 0.01}, {"vf_coef": 5.0}])
def test_a_program_is_not_taken_from_the_cache_for_one_with_other_constants(setting):
    run(True, 4)  # leaves its programs in the cache
    eager, compiled = (run(compiled, 4, torch_threads=1, **setting).learner.state for compiled in (False, True))
    torch.testing.assert_close(compiled.flat_parameters, eager.flat_parameters, rtol=1e-4, atol=1e-5)


class Shared(nn.Module):
    """A user's network: one body for actor and critic."""

    def __init__(self, pure):
        super().__init__()
        self.pure = pure
        self.body, self.policy, self.value = nn.Linear(4, 8), nn.Linear(8, 2), nn.Linear(8, 1)

    def forward(self, obs):
        x = torch.relu(self.body(obs))
        return self.policy(x), self.value(x).squeeze(-1)


def test_a_network_of_ones_own_trains_alike_however_it_is_compiled():
    thetas = []
    for compiled, pure in [(False, False), (True, False), (True, True)]:
        torch.manual_seed(3)
        ppo = run(compiled, 4, network=Shared(pure))
        thetas.append(ppo.learner.state.flat_parameters)
    for theta in thetas[1:]:
        torch.testing.assert_close(theta, thetas[0], rtol=1e-4, atol=1e-5)
