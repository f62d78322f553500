"""Running statistics of observations and rewards against loops over everything seen, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fastvec.train import PPO
from fastvec.train.normalize import ObservationNormalizer, RewardNormalizer, RunningMoments
from support.train_envs import Counting, sync

GAMMA, STEPS, ENVS = 0.9, 11, 3


def rollouts(count, scale=1.0):
    """Rewards, dones and valid ``[T, N]`` of rollouts; after a done comes a row that is none, as with NextStep."""
    rng = np.random.default_rng(4)
    reset = np.zeros(ENVS, bool)
    for _ in range(count):
        rewards, done, valid = rng.normal(1.0, scale, (STEPS, ENVS)), np.zeros((STEPS, ENVS), bool), []
        for t in range(STEPS):
            valid.append(~reset)
            rewards[t, reset] = 0.0
            done[t] = ~reset & (rng.random(ENVS) < 0.25)
            reset = done[t]
        yield [torch.tensor(np.array(x), dtype=torch.float32) for x in (rewards, done, valid)]


def test_rewards_are_divided_by_the_deviation_of_the_discounted_return():
    normalizer = RewardNormalizer(ENVS, GAMMA)
    seen, running = [], np.zeros(ENVS)
    for rewards, done, valid in rollouts(4):
        scaled = normalizer(rewards, done, valid)
        for t in range(STEPS):
            for n in range(ENVS):
                running[n] = GAMMA * running[n] + float(rewards[t, n])
                if valid[t, n]:
                    seen.append(running[n])
                if done[t, n]:
                    running[n] = 0.0
        np.testing.assert_allclose(scaled.numpy(), rewards.numpy() / np.std(seen), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(normalizer.returns.numpy(), running, rtol=1e-4, atol=1e-5)
    assert int(normalizer.moments.count) == len(seen)


def test_normalised_numbers_are_clipped_at_ten_and_no_sooner():
    rewards = RewardNormalizer(1, 0.0)
    rewards.moments.var.fill_(1.0)
    rewards.moments.count.fill_(10**9)
    none = torch.zeros(4, 1)
    given = torch.tensor([[9.5], [11.0], [-9.5], [-1e3]])
    assert rewards(given, none, none).flatten().tolist() == pytest.approx([9.5, 10.0, -9.5, -10.0])
    observations = ObservationNormalizer((1,))
    observations.mean.fill_(1.0)
    observations.var.fill_(4.0)
    assert observations(given).flatten().tolist() == pytest.approx([4.25, 5.0, -5.25, -10.0])


def test_moments_of_batches_are_those_of_everything():
    moments, rng, kept = RunningMoments((2,)), np.random.default_rng(0), []
    for size in (5, 1, 40):
        batch, valid = rng.normal([100.0, -3.0], [0.5, 8.0], (size, 2)), rng.random(size) < 0.7
        moments.update(torch.tensor(batch, dtype=torch.float32), torch.tensor(valid, dtype=torch.float32))
        kept.append(batch[valid])
    everything = np.concatenate(kept)
    assert int(moments.count) == len(everything)
    np.testing.assert_allclose(moments.mean.numpy(), everything.mean(0), rtol=1e-5)
    np.testing.assert_allclose(moments.var.numpy(), everything.var(0), rtol=1e-3)


def test_a_rollout_is_normalised_by_what_came_before_it(autoreset_mode):
    envs = sync(autoreset_mode, lambda: Counting(truncate_at=4), lambda: Counting(terminate_at=6))
    settings = {"num_steps": 9, "num_minibatches": 1, "update_epochs": 1, "compile": False}
    ppo = PPO(envs, **settings, normalize_obs=True)
    seen, updates = [], []
    update = ppo.update
    ppo.update = lambda batch: (updates.append(batch.obs.clone()), update(batch))[1]
    for iteration in range(3):
        before = np.concatenate(seen) if seen else None
        assert (ppo.iterate().metrics == {}) == (iteration == 0)  # the first one only looks
        obs, valid = ppo.collector.obs[:-1].numpy(), ppo.collector.valid.numpy() == 1
        if before is not None:
            expected = (obs - before.mean(0)) / np.sqrt(before.var(0) + 1e-8)
            np.testing.assert_allclose(updates[-1].numpy(), expected.reshape(-1, 2).clip(-10, 10), rtol=1e-3, atol=1e-4)
        seen.append(obs[valid].astype(np.float64))
    np.testing.assert_allclose(ppo.obs_normalizer.mean.numpy(), np.concatenate(seen).mean(0), rtol=1e-5)
