"""Box actions whose bounds are not -1 and 1."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from fastvec.train import PPO
from fastvec.train.checkpoint import read_checkpoint, write_checkpoint
from fastvec.train.distributions import ActionDecoder, rescaling_decoder_for
from support.train_envs import sync

SETTINGS = {"num_steps": 16, "num_minibatches": 2, "update_epochs": 4, "compile": False, "eval_episodes": 0}


class Target(gym.Env):
    """An action is worth minus its distance from 700, in shares of 1000."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, low=0.0, high=1000.0, at=700.0):
        self.action_space = spaces.Box(low, high, (1,), np.float32)
        self.at, self.t = at, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.ones(1, np.float32), {}

    def step(self, action):
        self.t += 1
        worth = -abs(float(action[0]) - self.at) / float(self.action_space.high[0])
        return np.ones(1, np.float32), worth, False, self.t == 16, {}


def test_actions_between_0_and_1000_are_learned():
    ppo = PPO(sync("SameStep", *[Target] * 8), total_timesteps=10_000, learning_rate=3e-3, **SETTINGS).learn()
    action = float(ppo.predict(np.ones(1, np.float32))[0])
    assert abs(action - 700.0) < 100.0
    as_it_is = PPO(sync("SameStep", *[Target] * 8), total_timesteps=10_000, rescale_actions=False, **SETTINGS).learn()
    assert float(as_it_is.predict(np.ones(1, np.float32))[0]) < 100.0  # far away, a step of 1 at a time


def test_what_is_decoded_lies_between_the_bounds_and_what_has_none_stays():
    low, high = np.array([0.0, -np.inf, -1.0, -4.0], np.float32), np.array([10.0, 3.0, 1.0, -2.0], np.float32)
    decode = rescaling_decoder_for(spaces.Box(low, high))
    actions = torch.tensor([[-1.0, -7.0, 0.5, 1.0], [0.0, 2.0, 2.0, 0.0], [9.0, 9.0, -9.0, -0.5]])
    np.testing.assert_allclose(decode(actions), [[0, -7, 0.5, -2], [5, 2, 1, -3], [10, 3, -1, -3.5]])


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (-np.inf, np.inf)])
def test_where_bounds_are_1_or_none_nothing_changes(bounds):
    space = spaces.Box(*bounds, (2,), np.float32)
    assert type(rescaling_decoder_for(space)) is ActionDecoder
    thetas = []
    for rescale in (True, False):
        envs = sync("NextStep", *[lambda: Target(*bounds, at=0.3)] * 2)
        ppo = PPO(envs, rescale_actions=rescale, total_timesteps=128, **SETTINGS).learn()
        thetas.append(ppo.learner.state.flat_parameters)
    assert torch.equal(*thetas)


def test_a_checkpoint_from_before_goes_on_without_rescaling(tmp_path):
    ppo = PPO(sync("NextStep", *[Target] * 2), **SETTINGS)
    ppo.save(tmp_path / "x.pt")
    content = read_checkpoint(tmp_path / "x.pt")
    assert content["config"].pop("rescale_actions")
    write_checkpoint(tmp_path / "x.pt", content)
    assert not PPO.load(tmp_path / "x.pt", env=sync("NextStep", *[Target] * 2)).config.rescale_actions


def test_an_exported_policy_has_the_bounds_inside(tmp_path):
    ppo = PPO(sync("NextStep", *[lambda: Target(-3.0, 1.0)] * 2), **SETTINGS)
    ppo.iterate()
    ppo.export(tmp_path / "policy.pt2")
    batch = torch.linspace(-1, 1, 5).unsqueeze(1)
    actions = torch.export.load(tmp_path / "policy.pt2").module()(batch)
    np.testing.assert_allclose(actions.numpy(), ppo.predict(batch.numpy()), rtol=1e-5, atol=1e-6)
    assert np.abs(actions.numpy() + 1.0).max() < 1.0  # the middle, to begin with
