"""Parameters that are frozen, and networks that tell training from evaluation."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn

from fastvec.train import PPO
from fastvec.train.jit import can_compile
from support.train_envs import sync

SETTINGS = {"num_steps": 16, "num_minibatches": 2, "update_epochs": 2, "total_timesteps": 3 * 64, "eval_episodes": 0}


def envs():
    return sync("NextStep", *[lambda: gym.make("CartPole-v1")] * 4)


class WithModes(nn.Module):
    """A frozen encoder, batch normalisation and dropout."""

    def __init__(self, dropout=0.5):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Linear(4, 8).requires_grad_(False)
        self.norm = nn.BatchNorm1d(8)
        self.dropout = nn.Dropout(dropout)
        self.policy, self.value = nn.Linear(8, 2), nn.Linear(8, 1)
        self.modes = []

    def forward(self, obs):
        if not torch.compiler.is_compiling():
            self.modes.append(self.training)
        x = self.dropout(self.norm(self.encoder(obs)))
        return self.policy(x), self.value(x).squeeze(-1)


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def copy_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_a_frozen_encoder_is_not_trained():
    network = WithModes()
    before = copy_of(network)
    PPO(envs(), network=network, compile=False, max_grad_norm=100.0, **SETTINGS).learn()
    trained = changed(before, network.state_dict())
    assert not any(name.startswith("encoder") for name in trained)
    assert {"policy.weight", "value.weight", "norm.weight", "norm.running_mean"} <= trained


def test_a_network_without_anything_to_train_is_refused():
    with pytest.raises(ValueError, match="has no parameters to train: expected one with requires_grad"):
        PPO(envs(), network=WithModes().requires_grad_(False), compile=False, **SETTINGS)


def test_only_the_gradient_is_taken_in_training_mode():
    network = WithModes()
    ppo = PPO(envs(), network=network, compile=False, **SETTINGS)
    network.modes.clear()
    ppo.collect()
    assert set(network.modes) == {False}
    network.modes.clear()
    ppo.iterate()
    assert network.modes.count(True) == 4  # minibatches
    assert not network.training


def test_greedy_answers_do_not_vary_and_evaluations_change_nothing():
    network = WithModes()
    before = copy_of(network)
    ppo = PPO(envs(), network=network, compile=False, **SETTINGS)
    batch = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    assert all(np.array_equal(ppo.predict(batch), ppo.predict(batch)) for _ in range(5))
    assert ppo.predict(batch[0]) == ppo.predict(batch)[0]  # one row: batch normalisation cannot train on it
    ppo.evaluate(4, envs=envs(), max_episode_steps=50)
    assert changed(before, network.state_dict()) == set()


def test_a_network_with_batch_normalisation_is_exported(tmp_path):
    ppo = PPO(envs(), network=WithModes(), compile=False, **SETTINGS)
    ppo.iterate()
    ppo.export(tmp_path / "policy.pt2")
    assert (tmp_path / "policy.pt2").exists()


def test_what_dropout_draws_is_the_seeds():
    after = []
    for _ in range(2):
        torch.rand(3)  # the process's own generator is elsewhere each time
        network = WithModes()
        PPO(envs(), network=network, compile=False, **SETTINGS).learn()
        after.append(copy_of(network))
    assert changed(*after) == set()


def test_a_frozen_part_that_was_in_evaluation_mode_stays_there():
    network = WithModes()
    network.norm.eval()
    before = copy_of(network)
    PPO(envs(), network=network, compile=False, **SETTINGS).learn()
    assert "norm.running_mean" not in changed(before, network.state_dict())


def test_batch_normalisation_is_trained_eagerly_and_says_so():
    with pytest.warns(UserWarning, match="batch normalisation change .* training runs eagerly"):
        ppo = PPO(envs(), network=WithModes(), compile=True, **SETTINGS)
    assert not ppo.compiles
    assert ppo.iterate().iteration == 1


class Frozen(nn.Module):
    """A frozen encoder, and nothing that tells training from evaluation."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Linear(4, 8).requires_grad_(False)
        self.policy, self.value = nn.Linear(8, 2), nn.Linear(8, 1)

    def forward(self, obs):
        x = torch.tanh(self.encoder(obs))
        return self.policy(x), self.value(x).squeeze(-1)


@pytest.mark.slow
@pytest.mark.skipif(not can_compile(), reason="this PyTorch cannot compile whole updates")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_and_eager_agree_with_frozen_parameters_and_schedules():
    after = []
    for compile in (False, True):
        network = Frozen()
        before = copy_of(network)
        schedule = {"anneal_shape": "cosine", "warmup_steps": 100}
        PPO(envs(), network=network, compile=compile, **SETTINGS, **schedule).learn()
        assert not any(name.startswith("encoder") for name in changed(before, network.state_dict()))
        after.append(copy_of(network))
    torch.testing.assert_close(after[1], after[0], rtol=1e-4, atol=1e-6)
