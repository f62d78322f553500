"""gae against an obvious loop, and against a case worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fastvec.train import gae


def slow_gae(rewards, values, next_values, terminated, done, gamma, lam):
    """The definition: a sum over the later temporal differences of the same episode."""
    T, N = rewards.shape
    out = np.zeros((T, N))
    for n in range(N):
        for t in range(T):
            weight = 1.0
            for k in range(t, T):
                bootstrap = 0.0 if terminated[k, n] else gamma * next_values[k, n]
                out[t, n] += weight * (rewards[k, n] + bootstrap - values[k, n])
                weight *= gamma * lam
                if done[k, n]:
                    break
    return out


@pytest.mark.parametrize(("gamma", "lam"), [(0.99, 0.95), (1.0, 1.0), (0.9, 0.0), (0.0, 0.5)])
def test_gae_equals_the_definition(gamma, lam):
    rng = np.random.default_rng(3)
    T, N = 23, 5
    rewards, values, next_values = (rng.normal(size=(T, N)) for _ in range(3))
    terminated = rng.random((T, N)) < 0.15
    done = terminated | (rng.random((T, N)) < 0.15)
    arrays = (rewards, values, next_values, terminated, done)
    tensors = [torch.tensor(a, dtype=torch.float32) for a in arrays]
    advantages, returns = gae(*tensors, gamma=gamma, gae_lambda=lam)
    expected = slow_gae(*arrays, gamma, lam)
    np.testing.assert_allclose(advantages.numpy(), expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(returns.numpy(), expected + values, rtol=2e-5, atol=2e-5)


def test_truncation_bootstraps_and_termination_does_not():
    one = torch.ones(1, 2)
    advantages, returns = gae(
        one,
        2.0 * one,
        10.0 * one,
        terminated=torch.tensor([[1.0, 0.0]]),
        done=one,
        gamma=0.5,
        gae_lambda=0.9,
    )
    assert advantages.tolist() == [[1.0 - 2.0, 1.0 + 0.5 * 10.0 - 2.0]]
    assert returns.tolist() == [[1.0, 6.0]]


def test_float32_stays_float32():
    x = torch.ones(4, 2)
    assert {t.dtype for t in gae(x, x, x, x, x, gamma=0.99, gae_lambda=0.95)} == {torch.float32}
