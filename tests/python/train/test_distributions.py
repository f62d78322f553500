"""Distributions against torch.distributions, and the action spaces' edges."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import distributions as reference

from fastvec.train.distributions import (
    ActionDecoder,
    Categorical,
    DiagGaussian,
    MultiCategorical,
    distribution_for,
    mask_logits,
)


def test_categorical_agrees_with_torch():
    logits = torch.randn(50, 4)
    actions = torch.randint(0, 4, (50,))
    head, expected = Categorical(4), reference.Categorical(logits=logits)
    torch.testing.assert_close(head.log_prob(logits, actions), expected.log_prob(actions))
    torch.testing.assert_close(head.entropy(logits), expected.entropy())
    assert head.mode(logits).tolist() == logits.argmax(-1).tolist()


def test_multi_categorical_is_a_sum_of_categoricals():
    head = MultiCategorical([3, 2, 5])
    params = torch.randn(40, 10)
    actions = torch.stack([torch.randint(0, n, (40,)) for n in (3, 2, 5)], -1)
    parts = [reference.Categorical(logits=p) for p in (params[:, :3], params[:, 3:5], params[:, 5:])]
    log_prob = sum(p.log_prob(actions[:, i]) for i, p in enumerate(parts))
    torch.testing.assert_close(head.log_prob(params, actions), log_prob)
    torch.testing.assert_close(head.entropy(params), sum(p.entropy() for p in parts))


def test_diag_gaussian_agrees_with_torch():
    head = DiagGaussian(3)
    mean, log_std = torch.randn(40, 3), 0.3 * torch.randn(40, 3)
    params, actions = torch.cat([mean, log_std], -1), torch.randn(40, 3)
    expected = reference.Independent(reference.Normal(mean, log_std.exp()), 1)
    torch.testing.assert_close(head.log_prob(params, actions), expected.log_prob(actions))
    torch.testing.assert_close(head.entropy(params), expected.entropy())
    assert torch.equal(head.mode(params), mean)


@pytest.mark.parametrize("head", [Categorical(3), MultiCategorical([3, 2])], ids=["one", "two"])
def test_samples_come_with_their_probabilities(head):
    params = torch.randn(head.num_params)
    generator = torch.Generator().manual_seed(5)
    count = 200_000
    samples = head.sample(params.expand(count, -1), head.draw_noise((count,), generator)).view(count, -1)
    for column, logits in enumerate(params.split(head.nvec)):
        frequencies = torch.bincount(samples[:, column], minlength=len(logits)) / count
        torch.testing.assert_close(frequencies, logits.softmax(-1), atol=6e-3, rtol=0)


def test_gaussian_samples_have_mean_and_deviation():
    head = DiagGaussian(2)
    params = torch.tensor([1.0, -2.0, -1.0, 0.5])
    noise = head.draw_noise((200_000,), torch.Generator().manual_seed(5))
    samples = head.sample(params.expand(200_000, -1), noise)
    torch.testing.assert_close(samples.mean(0), params[:2], atol=2e-2, rtol=0)
    torch.testing.assert_close(samples.std(0), params[2:].exp(), atol=2e-2, rtol=0)


def test_masked_actions_are_never_drawn_and_add_no_entropy():
    head = Categorical(4)
    logits = torch.randn(1, 4)
    mask = torch.tensor([[True, False, True, False]])
    masked = mask_logits(logits, mask).expand(20_000, -1)
    actions = head.sample(masked, head.draw_noise((20_000,), torch.Generator().manual_seed(1)))
    assert set(actions.tolist()) == {0, 2}
    expected = reference.Categorical(logits=logits[:, [0, 2]])
    torch.testing.assert_close(head.entropy(masked)[:1], expected.entropy())
    torch.testing.assert_close(
        head.log_prob(masked, torch.full((20_000,), 2))[:1], expected.log_prob(torch.tensor([1]))
    )


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Discrete(3, start=-1),
        gym.spaces.MultiDiscrete([2, 3]),
        gym.spaces.MultiDiscrete([[2, 3], [4, 5]], start=[[1, 0], [0, 2]]),
        gym.spaces.Box(-1.0, 0.5, (2, 2), np.float32),
        gym.spaces.Box(-1.0, 1.0, (1,), np.float64),
    ],
    ids=str,
)
def test_decoded_actions_lie_in_the_space(space):
    head, decode = distribution_for(space), ActionDecoder(space)
    noise = head.draw_noise((500,), torch.Generator().manual_seed(0))
    actions = decode(head.sample(torch.randn(500, head.num_params), noise))
    batch = gym.vector.utils.batch_space(space, 500)
    assert actions.shape == batch.shape
    assert actions.dtype == batch.dtype
    assert batch.contains(actions)


def test_an_unsupported_action_space_is_named():
    with pytest.raises(TypeError, match="MultiBinary"):
        distribution_for(gym.spaces.MultiBinary(3))
