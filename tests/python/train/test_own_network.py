"""A user's own module as the network, and Dict observations."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn

from fastvec.train import PPO
from fastvec.train.networks import ActorCritic
from support.train_envs import Counting, sync

SETTINGS = {"num_steps": 16, "num_minibatches": 2, "update_epochs": 2, "compile": False, "total_timesteps": 16 * 4 * 3}
MAKERS = [lambda: Counting(terminate_at=3)] * 4


class Plain(nn.Module):
    """Nothing of fastvec's; ``unused`` is a parameter that no loss reaches."""

    def __init__(self, inputs=2, actions=2):
        super().__init__()
        self.body = nn.Linear(inputs, 8)
        self.policy, self.value = nn.Linear(8, actions), nn.Linear(8, 1)
        self.unused = nn.Linear(3, 3)

    def forward(self, obs):
        x = torch.relu(self.body(obs))
        return self.policy(x), self.value(x).squeeze(-1)


class Ours(ActorCritic):
    """The same as a subclass."""

    def __init__(self):
        super().__init__()
        self.plain = Plain()

    def forward(self, obs):
        return self.plain(obs)


def test_a_plain_module_trains_as_a_subclass_does():
    thetas = []
    for make in (Plain, Ours):
        torch.manual_seed(3)
        module = make()
        before = [p.detach().clone() for p in module.parameters()]
        ppo = PPO(sync("NextStep", *MAKERS), network=module, **SETTINGS).learn()
        thetas.append(ppo.learner.state.flat_parameters)
        changed = [not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)]
        assert changed == [True] * 6 + [False] * 2  # trained in place
    assert torch.equal(*thetas)


def test_a_plain_module_is_saved_and_loaded(tmp_path):
    ppo = PPO(sync("NextStep", *MAKERS), network=Plain(), **SETTINGS).learn()
    ppo.save(tmp_path / "p.pt")
    other = PPO.load(tmp_path / "p.pt", env=sync("NextStep", *MAKERS), network=Plain())
    obs = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    np.testing.assert_array_equal(ppo.predict(obs), other.predict(obs))


class Wrong(Plain):
    """Forgets to squeeze the values."""

    def forward(self, obs):
        x = self.body(obs)
        return self.policy(x), self.value(x)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Plain(actions=3), r"must give params as float32 \[2, 2\].* it gave torch.float32 \[2, 3\]"),
        (Wrong(), r"must give values as float32 \[2\].* it gave torch.float32 \[2, 1\]"),
        (Plain().double(), "parameters must be float32, Plain has torch.float64"),
        (nn.Identity(), "Identity has no parameters to train"),
    ],
    ids=["params", "values", "dtype", "empty"],
)
def test_a_module_that_does_not_fit_is_explained(network, message):
    with pytest.raises(ValueError, match=message):
        PPO(sync("NextStep", *MAKERS), network=network, **SETTINGS)


class Parts(gym.Env):
    """Shows a number and a choice by name; ``flat`` shows them as ``gymnasium.spaces.flatten`` does."""

    action_space = gym.spaces.Discrete(2)
    parts = gym.spaces.Dict({"choice": gym.spaces.Discrete(3), "numbers": gym.spaces.Box(-5.0, 5.0, (2,), np.float32)})

    def __init__(self, flat):
        self.flat = flat
        self.observation_space = gym.spaces.flatten_space(self.parts) if flat else self.parts
        if flat:
            self.observation_space = gym.spaces.Box(-np.inf, np.inf, self.observation_space.shape, np.float32)

    def _look(self):
        numbers = self.np_random.uniform(-5, 5, 2).astype(np.float32)
        observation = {"choice": np.int64(self.np_random.integers(3)), "numbers": numbers}
        self.right = int(observation["choice"] == 1)
        return gym.spaces.flatten(self.parts, observation).astype(np.float32) if self.flat else observation

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._look(), {}

    def step(self, action):
        reward = float(action == self.right)
        return self._look(), reward, bool(self.np_random.random() < 0.1), bool(self.np_random.random() < 0.1), {}


def test_dict_observations_train_as_their_flattened_selves(autoreset_mode):
    thetas = []
    for flat in (False, True):
        ppo = PPO(sync(autoreset_mode, *[lambda flat=flat: Parts(flat)] * 4), **SETTINGS, normalize_obs=True).learn()
        thetas.append(ppo.learner.state.flat_parameters)
    assert torch.equal(*thetas)


def test_dict_observations_are_learned_from():
    settings = {**SETTINGS, "total_timesteps": 8000, "learning_rate": 1e-2, "gamma": 0.5, "hidden_sizes": (16,)}
    ppo = PPO(sync("SameStep", *[lambda: Parts(False)] * 8), **settings).learn()
    observations = {"choice": np.array([0, 1, 2]), "numbers": np.zeros((3, 2), np.float32)}
    assert ppo.predict(observations).tolist() == [0, 1, 0]
