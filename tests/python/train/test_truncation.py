"""Truncation, termination and reset rows in all three autoreset modes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fastvec.train import PPO
from fastvec.train.networks import ActorCritic
from support.train_envs import Counting, sync

GAMMA, LAMBDA = 0.5, 0.8


class KnownCritic(ActorCritic):
    """V(observation) = 100 * episode + t, and a policy that does not care."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(2))

    def actor(self, obs):
        return self.logits.expand(len(obs), 2) + 0.0 * obs

    def critic(self, obs):
        return 100.0 * obs[:, 0] + obs[:, 1]

    def forward(self, obs):
        return self.actor(obs), self.critic(obs)


def estimate(mode, steps, *makers):
    """One rollout's rows ``[T, N]``: advantages, values, valid."""
    ppo = PPO(
        sync(mode, *makers),
        network=KnownCritic(),
        num_steps=steps,
        num_minibatches=1,
        gamma=GAMMA,
        gae_lambda=LAMBDA,
        compile=False,
    )
    rollout = ppo.collect()
    batch = ppo.estimator(rollout)
    return ppo, batch, [x.view(steps, -1) for x in (batch.advantages, batch.values, batch.valid)]


def expected_episode(last_value: float | None) -> list[float]:
    """Advantages of the first episode of three steps, by hand: values 100, 101, 102, rewards 1, 2, 3."""
    end = 0.0 if last_value is None else GAMMA * last_value
    d2 = 3.0 + end - 102.0
    d1 = 2.0 + GAMMA * 102.0 - 101.0
    d0 = 1.0 + GAMMA * 101.0 - 100.0
    a2 = d2
    a1 = d1 + GAMMA * LAMBDA * a2
    return [d0 + GAMMA * LAMBDA * a1, a1, a2]


@pytest.mark.parametrize(
    ("env", "last_value"),
    [
        ({"truncate_at": 3}, 103.0),  # the episode's own last observation is worth 100 * 1 + 3
        ({"terminate_at": 3}, None),
        ({"terminate_at": 3, "truncate_at": 3}, None),  # both at once: termination wins
    ],
    ids=["truncated", "terminated", "both"],
)
def test_the_end_of_an_episode(autoreset_mode, env, last_value):
    _, _, (advantages, values, valid) = estimate(autoreset_mode, 7, lambda: Counting(**env))
    assert values[:3, 0].tolist() == [100.0, 101.0, 102.0]
    assert advantages[:3, 0].tolist() == pytest.approx(expected_episode(last_value))
    # The second episode starts at once, or after the reset row of NextStep.
    second = 4 if autoreset_mode == "NextStep" else 3
    assert values[second : second + 3, 0].tolist() == [200.0, 201.0, 202.0]
    assert valid[:, 0].tolist() == ([1, 1, 1, 0, 1, 1, 1] if autoreset_mode == "NextStep" else [1] * 7)


def test_the_last_observation_is_normalised_like_any_other(autoreset_mode):
    settings = {"num_steps": 3, "num_minibatches": 1, "gamma": GAMMA, "gae_lambda": 0.0, "compile": False}
    envs = sync(autoreset_mode, lambda: Counting(truncate_at=3))
    ppo = PPO(envs, network=KnownCritic(), normalize_obs=True, **settings)
    ppo.obs_normalizer.mean.copy_(torch.tensor([0.5, 1.0]))
    ppo.obs_normalizer.var.copy_(torch.tensor([4.0, 0.25]))
    batch = ppo.estimator(ppo.collect())
    # The last observation is [1, 3]: (1 - 0.5) / 2 = 0.25 and (3 - 1) / 0.5 = 4, worth 25 + 4.
    assert batch.returns.tolist() == pytest.approx([1 + 0.5 * 25, 2 + 0.5 * 27, 3 + 0.5 * 29])


def test_the_modes_agree_on_every_real_step(autoreset_mode):
    makers = [
        lambda: Counting(truncate_at=4),
        lambda: Counting(terminate_at=3),
        lambda: Counting(terminate_at=5),
    ]
    _, _, (advantages, values, valid) = estimate(autoreset_mode, 30, *makers)
    _, _, (ref_adv, ref_values, ref_valid) = estimate("SameStep", 30, *makers)
    for n in range(3):
        rows, ref = valid[:, n] > 0, ref_valid[:, n] > 0
        count = int(rows.sum()) - 6  # near the rollout's end the modes are at different points of an episode
        assert torch.equal(values[rows, n][:count], ref_values[ref, n][:count])
        torch.testing.assert_close(advantages[rows, n][:count], ref_adv[ref, n][:count], atol=1e-2, rtol=0)


def test_a_reset_row_at_the_start_of_a_rollout_is_masked():
    ppo, _, _ = estimate("NextStep", 3, lambda: Counting(terminate_at=3))
    assert ppo.collect().valid[:, 0].tolist() == [0, 1, 1]
    assert ppo.collect().valid[:, 0].tolist() == [1, 0, 1]


def test_episode_returns_and_lengths_leave_reset_rows_out(autoreset_mode):
    ppo, _, _ = estimate(autoreset_mode, 20, lambda: Counting(terminate_at=3), lambda: Counting(truncate_at=4))
    ppo.collect()
    assert set(ppo.collector.episodes.recent) == {(6.0, 3), (10.0, 4)}
    per_episode = (4, 5) if autoreset_mode == "NextStep" else (3, 4)
    extra = 1 if autoreset_mode == "NextStep" else 0
    assert ppo.collector.episodes.finished == sum((40 + extra) // n for n in per_episode)


def test_masked_rows_change_nothing_in_an_update():
    results = []
    for garbage in (0.0, 1e6):
        ppo, batch, _ = estimate("NextStep", 16, lambda: Counting(terminate_at=3), lambda: Counting(truncate_at=2))
        dead = batch.valid == 0
        assert dead.any()
        batch.advantages[dead] = garbage
        batch.returns[dead] = garbage
        batch.log_probs[dead] -= 0.1 * (garbage > 0)
        batch.actions[dead] = int(garbage > 0)
        # The network below reads the observations, so that the update depends on them.
        learner_ppo = PPO(ppo.envs, num_steps=16, num_minibatches=2, update_epochs=2, seed=3, compile=False)
        obs = batch.obs.clone()
        obs[dead] = garbage / 1e6
        metrics = learner_ppo.update(batch._replace(obs=obs), torch.Generator().manual_seed(0))
        results.append((learner_ppo.learner.state.flat_parameters.clone(), metrics))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_masked_rows_do_not_reach_the_observation_statistics():
    envs = sync("NextStep", lambda: Counting(terminate_at=2))
    ppo = PPO(envs, num_steps=6, normalize_obs=True, num_minibatches=1, compile=False)
    ppo.iterate()
    # Observations of real steps: (1,0) (1,1) | (2,0) (2,1); (1,2) and (2,2) are only seen by the rows that
    # reset.
    assert int(ppo.obs_normalizer.count) == 4
    np.testing.assert_allclose(ppo.obs_normalizer.mean.numpy(), [1.5, 0.5], rtol=1e-6)
    np.testing.assert_allclose(ppo.obs_normalizer.var.numpy(), [0.25, 0.25], rtol=1e-6)
