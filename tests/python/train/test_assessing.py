"""What choosing actions already gives of a rollout, against a second look at it."""

from __future__ import annotations

import gymnasium as gym
import pytest
import torch

from fastvec.train import PPO
from fastvec.train.devices import assesses_while_acting
from support.train_envs import sync

ENVS = {
    "Discrete": "CartPole-v1",
    "Box": "Pendulum-v1",
    "masks": "Taxi-v4",
}


def trainer(env_id, mode, **settings):
    envs = sync(mode, *[lambda: gym.make(env_id, max_episode_steps=9, disable_env_checker=True)] * 4)
    return PPO(envs, num_steps=32, num_minibatches=2, hidden_sizes=(16,), compile=False, **settings)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("kind", ENVS)
def test_it_is_what_a_second_look_gives(kind, mode):
    kept, plain = (trainer(ENVS[kind], mode, normalize_obs=kind != "masks") for _ in range(2))
    kept.collector.keep_assessments()
    kept.act = kept.choose_and_assess
    for _ in range(3):  # the statistics of observations change between rollouts
        rollouts = kept.collect(), plain.collect()
        assert (rollouts[0].masks is None) == (kind != "masks")
        assert torch.equal(rollouts[0].actions, rollouts[1].actions)
        batches = kept.estimate(rollouts[0]), plain.estimate(rollouts[1])
        for mine, theirs in zip(*batches, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
        assert torch.equal(batches[0].log_probs, rollouts[0].log_probs.flatten())
        for ppo, batch in zip((kept, plain), batches, strict=True):
            if ppo.obs_normalizer is not None:
                ppo.obs_normalizer.take_in(ppo.collector.buffers([]).obs, ppo.collector.valid, ppo.world)
            assert batch.values.isfinite().all()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, True), ({"compiles": False}, False), ({"shards": 2}, False), ({"groups": 4}, True), ({"groups": 8}, False)],
)
def test_it_is_kept_where_a_second_look_costs_more(settings, expected):
    config = PPO.config_type(num_envs=64)
    assert assesses_while_acting(config, **{"compiles": True, "groups": 1, "shards": 1, **settings}) is expected
