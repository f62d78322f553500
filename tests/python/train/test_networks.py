"""What networks are before they have learned anything."""

from __future__ import annotations

import math

import pytest
import torch

from fastvec.train.config import PPOConfig
from fastvec.train.distributions import Categorical, DiagGaussian
from fastvec.train.networks import CnnActorCritic, build_network
from fastvec.train.networks.mlp import ThinLinear

WIDE, THIN = 40, 4


def layers(tower):
    """``(weight [out, in], bias)`` of each linear layer."""
    found = [m for m in tower.modules() if isinstance(m, torch.nn.Linear | ThinLinear)]
    return [(m.weight.t() if isinstance(m, ThinLinear) else m.weight, m.bias) for m in found]


@pytest.mark.parametrize("inputs", [THIN, WIDE])
def test_weights_are_orthogonal_with_the_gains_of_ppo(inputs):
    network = build_network((inputs,), torch.float32, Categorical(3), PPOConfig())
    for tower, last_gain in ((network.actor_tower, 0.01), (network.critic_tower, 1.0)):
        found = layers(tower)
        assert [tuple(weight.shape) for weight, _ in found] == [(64, inputs), (64, 64), (3 if last_gain < 1 else 1, 64)]
        for (weight, bias), gain in zip(found, (math.sqrt(2), math.sqrt(2), last_gain), strict=True):
            product = weight @ weight.t() if len(weight) <= weight.shape[1] else weight.t() @ weight
            torch.testing.assert_close(product, gain**2 * torch.eye(len(product)), atol=1e-5, rtol=0)
            assert not bias.any()


@pytest.mark.parametrize(("name", "function"), [("tanh", torch.tanh), ("relu", torch.relu), ("silu", torch.nn.SiLU())])
@torch.no_grad()
def test_the_activation_is_the_one_that_was_asked_for(name, function):
    config = PPOConfig(hidden_sizes=(8, 5), activation=name)
    network = build_network((THIN,), torch.float32, DiagGaussian(2), config)
    obs = torch.randn(6, THIN)
    x = obs
    *hidden, (weight, bias) = layers(network.critic_tower)
    for w, b in hidden:
        x = function(x @ w.t() + b)
    torch.testing.assert_close(network.critic(obs), (x @ weight.t() + bias)[:, 0])


def test_a_seed_gives_the_same_network_and_leaves_torchs_own_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    one, same, other = (build_network((3,), torch.float32, Categorical(2), PPOConfig(seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b, c in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not a.any() or not torch.equal(a, c)


@torch.no_grad()
def test_channels_first_and_last_are_the_same_picture():
    config = PPOConfig(seed=3)
    last = CnnActorCritic((12, 14, 3), Categorical(2), config)
    first = CnnActorCritic((3, 12, 14), Categorical(2), config)
    first.load_state_dict(last.state_dict())
    images = torch.randint(0, 256, (4, 12, 14, 3), dtype=torch.uint8)
    torch.testing.assert_close(first.critic(images.permute(0, 3, 1, 2)), last.critic(images))
