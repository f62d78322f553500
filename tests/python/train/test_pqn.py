"""Q-learning on rollouts, against slow, obvious formulas."""

from __future__ import annotations

import copy

import gymnasium as gym
import numpy as np
import pytest
import torch

from fastvec.train import PQN, PQNConfig
from fastvec.train.distributions import epsilon_greedy_for, mask_logits
from fastvec.train.returns import q_lambda_returns
from support.train_envs import Counting, sync

SETTINGS = {
    "num_steps": 16,
    "num_minibatches": 2,
    "update_epochs": 2,
    "learning_rate": 0.01,
    "hidden_sizes": (8,),
    "total_timesteps": 5 * 32,
    "compile": False,
    "seed": 3,
}
MAKERS = [lambda: Counting(truncate_at=5), lambda: Counting(terminate_at=4)]


class Chooser(Counting):
    action_space = gym.spaces.MultiDiscrete([3, 2])


class Masked(Counting):
    """Only the action that is the time modulo 3, or the one behind it, is allowed."""

    action_space = gym.spaces.Discrete(3)

    def _info(self):
        mask = np.zeros(3, np.int8)
        mask[[self.t % 3, (self.t + 1) % 3]] = 1
        return {"action_mask": mask}

    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], self._info()

    def step(self, action):
        assert self._info()["action_mask"][action]
        return (*super().step(action)[:4], self._info())


@pytest.mark.parametrize("q_lambda", [0.0, 0.65, 1.0])
def test_returns_are_the_weighted_mean_of_all_looks_ahead(q_lambda):
    rng = np.random.default_rng(0)
    steps, envs, gamma = 9, 40, 0.9
    rewards, values = rng.normal(size=(2, steps, envs))
    terminated = rng.random((steps, envs)) < 0.15
    done = terminated | (rng.random((steps, envs)) < 0.15)

    def look_ahead(t, n, env):
        """The first ``n`` rewards from step t on, or those until the end, and the value of what comes then."""
        total = 0.0
        for k in range(n):
            total += gamma**k * rewards[t + k, env]
            if done[t + k, env] or k == n - 1:
                return total + gamma ** (k + 1) * values[t + k, env] * (not terminated[t + k, env])
        raise AssertionError

    expected = np.zeros((steps, envs))
    for env in range(envs):
        for t in range(steps):
            end = next((k + 1 for k in range(steps - t) if done[t + k, env]), steps - t)
            weights = [(1 - q_lambda) * q_lambda ** (n - 1) for n in range(1, end)] + [q_lambda ** (end - 1)]
            expected[t, env] = sum(w * look_ahead(t, n, env) for n, w in enumerate(weights, 1))
    tensors = [torch.from_numpy(np.float32(x)) for x in (rewards, values, terminated, done)]
    actual = q_lambda_returns(*tensors, gamma=gamma, q_lambda=q_lambda)
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_random_actions_are_as_many_as_epsilon_says_and_allowed():
    head = epsilon_greedy_for(gym.spaces.Discrete(4, start=2))
    head.epsilon = 0.4
    generator = torch.Generator().manual_seed(0)
    values = torch.tensor([0.0, 3.0, 1.0, 2.0]).expand(20_000, 4)
    mask = torch.tensor([True, False, True, True]).expand(20_000, 4)
    counts = torch.bincount(head.sample(values, head.draw_noise((20_000,), generator)), minlength=4) / 20_000
    np.testing.assert_allclose(counts.numpy(), [0.1, 0.7, 0.1, 0.1], atol=0.015)
    masked = head.sample(mask_logits(values, mask), head.draw_noise((20_000,), generator))
    counts = torch.bincount(masked, minlength=4) / 20_000
    np.testing.assert_allclose(counts.numpy(), [0.4 / 3, 0.0, 0.4 / 3, 0.6 + 0.4 / 3], atol=0.015)


def plain_targets(pqn, rollout):
    """Returns by a loop over steps, from the values of every observation with the network as it is."""
    config, network = pqn.config, pqn.network
    q = torch.stack([network(row)[0] for row in rollout.obs])
    best = q.amax(-1)
    own = {(t, int(env)): obs for t, last in rollout.bootstrap_observations for env, obs in zip(*last, strict=True)}
    targets = torch.zeros_like(rollout.rewards)
    for env in range(targets.shape[1]):
        later = None
        for t in reversed(range(len(targets))):
            ahead = best[t + 1, env]
            if (t, env) in own:
                ahead = network(torch.from_numpy(own[t, env]).unsqueeze(0))[0].max()
            if rollout.done[t, env] or later is None:
                mixed = ahead
            else:
                mixed = config.q_lambda * later + (1 - config.q_lambda) * ahead
            later = rollout.rewards[t, env] + config.gamma * (1 - rollout.terminated[t, env]) * mixed
            targets[t, env] = later
    return targets


def test_an_update_is_plain_regression_to_the_returns(autoreset_mode):
    pqn = PQN(sync(autoreset_mode, *MAKERS), **SETTINGS)
    rollout = pqn.collect()
    network = copy.deepcopy(pqn.network)
    with torch.no_grad():
        targets = plain_targets(pqn, rollout)
    batch = pqn.estimate(rollout)
    counts = rollout.valid == 1
    assert counts.all() == (autoreset_mode != "NextStep")
    torch.testing.assert_close(batch.returns.view_as(targets)[counts], targets[counts], rtol=1e-4, atol=1e-4)

    means = pqn.learner.update(batch, torch.Generator().manual_seed(1), epochs=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, eps=pqn.config.adam_eps)
    drawn, sums = torch.Generator().manual_seed(1), 0.0
    for _ in range(2):
        for rows in torch.randperm(32, generator=drawn).view(2, 16):
            rows = rows[batch.valid[rows] == 1]
            q = network(batch.obs[rows])[0][torch.arange(len(rows)), batch.actions[rows]]
            loss = 0.5 * (q - targets.flatten()[rows]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimizer.step()
            sums += loss.detach() / 4
    assert float(means[0]) == pytest.approx(float(sums), rel=1e-3)
    for mine, other in zip(pqn.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"lstm_size": 4}, {"normalize_obs": True, "normalize_reward": True}])
@pytest.mark.parametrize("maker", [Chooser, Masked], ids=["multi", "masked"])
def test_spaces_memory_and_masks_train_in_all_modes(autoreset_mode, maker, settings):
    envs = sync(autoreset_mode, lambda: maker(truncate_at=5), lambda: maker(terminate_at=4))
    pqn = PQN(envs, **SETTINGS, **settings)
    before = pqn.learner.state.flat_parameters.clone()
    reports = []
    pqn.learn(callback=reports.append)
    assert not torch.equal(before, pqn.learner.state.flat_parameters)
    assert all(np.isfinite(value) for report in reports for value in report.metrics.values())
    pqn.close()


def test_images_are_seen_by_convolutions_with_normalised_features():
    class Picture(Counting):
        observation_space = gym.spaces.Box(0, 255, (20, 20, 3), np.uint8)

        def _obs(self):
            return np.full((20, 20, 3), 10 * self.t, np.uint8)

    pqn = PQN(sync("NextStep", lambda: Picture(truncate_at=5), lambda: Picture(truncate_at=6)), **SETTINGS)
    assert any(isinstance(module, torch.nn.LayerNorm) for module in pqn.network.modules())
    pqn.learn()
    assert pqn.predict(np.zeros((2, 20, 20, 3), np.uint8)).shape == (2,)


def test_epsilon_comes_down_and_stays():
    pqn = PQN(sync("NextStep", *MAKERS), **SETTINGS, epsilon_start=0.9, epsilon_end=0.1, exploration_fraction=0.5)
    seen = []
    pqn.learn(callback=lambda report: seen.append(report.metrics["epsilon"]))
    assert seen == pytest.approx([0.9, 0.58, 0.26, 0.1, 0.1])


def test_a_run_resumes_bit_for_bit(tmp_path):
    settings = {**SETTINGS, "num_envs": 2, "normalize_obs": True}
    whole = PQN("CartPole-v1", **settings).learn()
    first = PQN("CartPole-v1", **settings)
    first.iterate(), first.iterate()
    first.save(tmp_path / "checkpoint.pt")
    second = PQN.load(tmp_path).learn()
    assert torch.equal(whole.learner.state.flat_parameters, second.learner.state.flat_parameters)
    assert whole.episodes.recent == second.episodes.recent
    for pqn in (whole, first, second):
        pqn.close()


def test_actions_without_a_list_of_values_are_refused():
    with pytest.raises(TypeError, match="PQN needs Discrete or MultiDiscrete actions, got Box"):
        PQN("Pendulum-v1", compile=False)
    with pytest.raises(ValueError, match=r"q_lambda must be between 0 and 1, got 1\.5"):
        PQNConfig(q_lambda=1.5)


@pytest.mark.slow
def test_pqn_learns_cart_pole():
    pqn = PQN("CartPole-v1").learn()
    assert pqn.evaluate(100, seed=7).mean_return >= 490
    pqn.close()
