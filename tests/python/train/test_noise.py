"""Exploration noise of Box actions, state-independent and state-dependent, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fastvec.train.batch import Batch
from fastvec.train.config import PPOConfig
from fastvec.train.distributions import DiagGaussian
from fastvec.train.loss import Moments, ppo_loss
from fastvec.train.networks import MlpActorCritic
from fastvec.train.networks.mlp import ThinLinear

SIZE, INPUTS, ROWS = 2, 3, 40


def network(**settings):
    torch.manual_seed(1)
    config = PPOConfig(hidden_sizes=(16,), **settings)
    net = MlpActorCritic(INPUTS, DiagGaussian(SIZE), config)
    with torch.no_grad():  # the last layer starts near zero: make it say something
        net.actor_tower[-1].weight.normal_(generator=torch.Generator().manual_seed(2))
    return net, config


def last_layer(net, obs):
    """What the actor's tower gives for one observation, weight by weight in float64."""
    x = obs.double().numpy()
    layers = [m for m in net.actor_tower if isinstance(m, (torch.nn.Linear, ThinLinear))]
    for number, layer in enumerate(layers):
        weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
        weight = weight.T if isinstance(layer, ThinLinear) else weight
        x = np.array([sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(weight, bias, strict=True)])
        x = np.tanh(x) if number < len(layers) - 1 else x
    return x


@pytest.mark.parametrize("dependent", [False, True])
def test_deviation_density_and_entropy_are_those_of_plain_loops(dependent):
    net, config = network(state_dependent_std=dependent, log_std_init=-0.7)
    head = DiagGaussian(SIZE)
    obs, actions = torch.randn(ROWS, INPUTS), torch.randn(ROWS, SIZE)
    params = net.actor(obs).detach()
    log_probs, entropies = head.log_prob(params, actions), head.entropy(params)
    samples, noise = head.sample(params, torch.ones(ROWS, SIZE)), 1.0
    deviations = set()
    for row in range(ROWS):
        outputs = last_layer(net, obs[row])
        means = outputs[:SIZE]
        if dependent:
            low, high = net.output.LOG_STD_BOUNDS
            stds = [math.exp(min(max(v + config.log_std_init, low), high)) for v in outputs[SIZE:]]
        else:
            assert len(outputs) == SIZE
            stds = [math.exp(config.log_std_init)] * SIZE
        density = entropy = 0.0
        for action, mean, std in zip(actions[row].tolist(), means, stds, strict=True):
            density += -0.5 * ((action - mean) / std) ** 2 - math.log(std * math.sqrt(2 * math.pi))
            entropy += 0.5 * math.log(2 * math.pi * math.e * std**2)
        assert float(log_probs[row]) == pytest.approx(density, rel=1e-4, abs=1e-4)
        assert float(entropies[row]) == pytest.approx(entropy, rel=1e-4, abs=1e-4)
        expected = [mean + std * noise for mean, std in zip(means, stds, strict=True)]
        assert samples[row].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-4)
        deviations.add(tuple(round(std, 4) for std in stds))
    assert (len(deviations) > ROWS // 2) == dependent


def test_the_deviation_never_leaves_its_bounds():
    net, _ = network(state_dependent_std=True)
    low, high = net.output.LOG_STD_BOUNDS
    log_stds = net.actor(torch.randn(500, INPUTS) * 100)[:, SIZE:]
    assert log_stds.min() == low
    assert log_stds.max() == high


def test_the_noise_is_learned_where_it_is_needed():
    """Action 0 is worth most at 0 where the observation is positive, and anywhere where it is negative."""
    net, config = network(state_dependent_std=True, norm_adv=False, ent_coef=0.02)
    head = DiagGaussian(SIZE)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(3)
    for _ in range(200):
        obs = torch.randn(256, INPUTS, generator=generator)
        with torch.no_grad():
            params = net.actor(obs)
            actions = head.sample(params, head.draw_noise((256,), generator))
            gains = -actions[:, 0].square() * (obs[:, 0] > 0)
        zeros, ones = torch.zeros(256), torch.ones(256)
        advantages = gains - gains.mean()
        batch = Batch(obs, actions, head.log_prob(params, actions), zeros, advantages, zeros, ones, None)
        params, values = net(obs)
        moments = Moments(scale=torch.tensor(1 / 256), mean=torch.zeros(()), inverse_std=torch.ones(()))
        loss, _ = ppo_loss(params, values, batch, moments, torch.tensor(0.2), head, config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    probe = torch.randn(500, INPUTS, generator=generator)
    log_stds = net.actor(probe)[:, SIZE]
    assert log_stds[probe[:, 0] > 0.5].mean() < log_stds[probe[:, 0] < -0.5].mean() - 1.0


def test_the_state_independent_deviation_is_one_parameter_per_action():
    net, _ = network(log_std_init=-1.5)
    assert net.output.log_std.tolist() == [-1.5] * SIZE
    dependent, _ = network(state_dependent_std=True)
    assert "output.log_std" not in dict(dependent.named_parameters())
