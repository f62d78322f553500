"""A whole update against the same thing in plain PyTorch: torch.optim.Adam, clip_grad_norm_ and losses row by row."""

from __future__ import annotations

import copy

import gymnasium as gym
import numpy as np
import pytest
import torch

from fastvec.train import PPO
from support.train_envs import Counting, sync

SETTINGS = {
    "num_steps": 16,
    "num_minibatches": 4,
    "update_epochs": 3,
    "hidden_sizes": (8,),
    "learning_rate": 0.02,
    "compile": False,
    "total_timesteps": 16 * 4 * 5,
    "seed": 3,
}


class Masked(Counting):
    """Three actions, of which one is not allowed."""

    action_space = gym.spaces.Discrete(3)

    def _info(self):
        return {"action_mask": (np.arange(3) != self.t % 3).astype(np.int8)}

    def reset(self, **arguments):
        return super().reset(**arguments)[0], self._info()

    def step(self, action):
        return *super().step(action)[:4], self._info()


def plain_log_prob_and_entropy(ppo, params, actions, masks):
    """By torch.distributions; of masked actions only those that are allowed."""
    if isinstance(ppo.envs.single_action_space, gym.spaces.Box):
        mean, log_std = params.chunk(2, -1)
        normal = torch.distributions.Normal(mean, log_std.exp())
        return normal.log_prob(actions).sum(-1), normal.entropy().sum(-1)
    log_probs, entropies = [], []
    for i, (row, action) in enumerate(zip(params, actions, strict=True)):
        allowed = torch.ones(len(row), dtype=torch.bool) if masks is None else masks[i]
        choices = torch.distributions.Categorical(logits=row[allowed])
        log_probs.append(choices.log_prob(allowed[:action].sum()))
        entropies.append(choices.entropy())
    return torch.stack(log_probs), torch.stack(entropies)


def plain_update(ppo, network, optimizer, batch, generator):
    """What the paper says, and nothing that makes it fast. Rows that are no decisions are thrown away."""
    config, sums, count = ppo.config, np.zeros(len(ppo.learner.metrics)), 0
    clip = float(ppo.learner.state.scalars["clip_coef"])
    for _ in range(config.update_epochs):
        order = torch.randperm(batch.num_rows, generator=generator)
        kls = []
        for rows in order.view(config.num_minibatches, -1):
            rows = rows[batch.valid[rows] == 1]
            params, values = network(batch.obs[rows])
            masks = None if batch.masks is None else batch.masks[rows]
            log_probs, entropies = plain_log_prob_and_entropy(ppo, params, batch.actions[rows], masks)
            advantages = batch.advantages[rows]
            if config.norm_adv:
                advantages = (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-8)
            ratios = (log_probs - batch.log_probs[rows]).exp()
            gains = []
            for ratio, advantage in zip(ratios, advantages, strict=True):
                bounded = min(max(float(ratio.detach()), 1 - clip), 1 + clip)
                worse = bounded * advantage if bounded * advantage < ratio * advantage else ratio * advantage
                gains.append(worse)
            policy_loss = -torch.stack(gains).mean()
            errors = (values - batch.returns[rows]) ** 2
            if config.clip_vloss:
                old = batch.values[rows]
                errors = torch.maximum(errors, (old + (values - old).clamp(-clip, clip) - batch.returns[rows]) ** 2)
            value_loss, entropy = 0.5 * errors.mean(), entropies.mean()
            loss = policy_loss + config.vf_coef * value_loss - config.ent_coef * entropy
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
            optimizer.step()
            kl = ((ratios - 1) - ratios.log()).mean()
            outside = ((ratios - 1).abs() > clip).float().mean()
            sums += [float(x.detach()) for x in (policy_loss, value_loss, entropy, kl, outside, norm)]
            count += 1
            kls.append(float(kl.detach()))
        if config.target_kl is not None and np.mean(kls) > config.target_kl:
            break
    return dict(zip(ppo.learner.metrics, sums / count, strict=True))


CASES = {
    "default": {},
    "clipped values, entropy": {"clip_vloss": True, "ent_coef": 0.1, "vf_coef": 1.5},
    "advantages as they are": {"norm_adv": False, "adam_eps": 1e-2, "max_grad_norm": 1e9},
    "short gradients": {"max_grad_norm": 0.05},
    "stopped early": {"target_kl": 0.01},
    "annealed clip": {"anneal_clip": True, "anneal_lr": False},
}
ENVS = {
    "counting": [lambda: Counting(terminate_at=3), lambda: Counting(truncate_at=5)] * 2,
    "masked": [lambda: Masked(terminate_at=3), lambda: Masked(truncate_at=5)] * 2,
    "pendulum": [lambda: gym.make("Pendulum-v1", max_episode_steps=7)] * 4,
}


PAIRS = [*(("counting", case) for case in CASES), ("masked", "default"), ("pendulum", "default")]


@pytest.mark.parametrize(("env", "case"), PAIRS)
def test_updates_are_those_of_plain_pytorch(env, case):
    settings = {**SETTINGS, **CASES[case]}
    ppo = PPO(sync("NextStep", *ENVS[env]), **settings)
    network = copy.deepcopy(ppo.network)
    optimizer = torch.optim.Adam(network.parameters(), eps=ppo.config.adam_eps)
    epochs = []
    for iteration in range(3):
        left = 1 - iteration / 5
        ppo.anneal(left)
        assert float(ppo.learner.state.learning_rate) == pytest.approx(0.02 * (left if ppo.config.anneal_lr else 1))
        assert float(ppo.learner.state.scalars["clip_coef"]) == pytest.approx(
            0.2 * (left if ppo.config.anneal_clip else 1)
        )
        optimizer.param_groups[0]["lr"] = float(ppo.learner.state.learning_rate)
        batch = ppo.estimator(ppo.collect())
        assert (batch.valid == 0).any()
        with torch.no_grad():  # what the rollout saw is what the network says of it
            params, values = network(batch.obs)
            log_probs, _ = plain_log_prob_and_entropy(ppo, params, batch.actions, batch.masks)
        counts = batch.valid == 1
        torch.testing.assert_close(batch.log_probs[counts], log_probs[counts])
        torch.testing.assert_close(batch.values, values)
        before = int(ppo.learner.state.step)
        means = ppo.update(batch, torch.Generator().manual_seed(iteration))
        metrics = dict(zip(ppo.learner.metrics, means.tolist(), strict=True))
        epochs.append((int(ppo.learner.state.step) - before) / 4)
        expected = plain_update(ppo, network, optimizer, batch, torch.Generator().manual_seed(iteration))
        assert metrics == pytest.approx(expected, rel=1e-3, abs=1e-5)
        for mine, other in zip(ppo.network.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-5)
        with torch.no_grad():  # small differences must not grow from update to update
            for mine, other in zip(ppo.network.parameters(), network.parameters(), strict=True):
                other.copy_(mine)
    if ppo.config.target_kl is None:
        assert epochs == [3] * 3
    else:
        assert min(epochs) < 3


def test_a_run_anneals_what_it_is_told_to():
    ppo = PPO(sync("NextStep", *ENVS["counting"]), **SETTINGS, anneal_clip=True)
    seen = []
    ppo.learn(
        callback=lambda _: seen.append([ppo.learner.learning_rate, float(ppo.learner.state.scalars["clip_coef"])])
    )
    assert np.array(seen) == pytest.approx(np.outer([1.0, 0.8, 0.6, 0.4, 0.2], [0.02, 0.2]))
