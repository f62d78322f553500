"""Evaluations: which episodes are played, and what they return."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch

from fastvec.train import PPO
from fastvec.train.batch import Batch
from fastvec.train.estimate import explained_variance
from fastvec.train.evaluate import evaluate
from support.train_envs import Counting, sync


def nothing(observations, *, deterministic, mask):
    return np.zeros(len(observations), np.int64)


def test_each_environment_plays_its_share_of_whole_episodes(autoreset_mode):
    makers = [lambda: Counting(terminate_at=2), lambda: Counting(truncate_at=3), lambda: Counting(terminate_at=30)]
    result = evaluate(nothing, sync(autoreset_mode, *makers), episodes=7, seed=0)
    # Steps are worth 1, 2, 3, ...; the first environment plays three episodes, the others two each.
    assert sorted(result.lengths) == [2, 2, 2, 3, 3, 30, 30]
    assert sorted(result.returns) == [3.0, 3.0, 3.0, 6.0, 6.0, 465.0, 465.0]
    assert result.mean_return == pytest.approx(np.mean(result.returns))
    assert result.std_return == pytest.approx(np.std(result.returns))


def test_an_episode_without_end_is_counted_as_it_stands(autoreset_mode):
    makers = [Counting, lambda: Counting(terminate_at=2)]
    result = evaluate(nothing, sync(autoreset_mode, *makers), episodes=6, seed=0, max_episode_steps=20)
    assert sorted(result.lengths) == [2, 2, 2, 20]


@pytest.mark.parametrize("backend", [None, "gymnasium"])
def test_training_and_evaluation_begin_where_their_seeds_say(backend):
    settings = {"num_steps": 4, "num_minibatches": 1, "compile": False, "seed": 20}
    ppo = PPO("Pendulum-v1", num_envs=3, backend=backend, **settings)
    ppo.iterate()
    starts = np.stack([gym.make("Pendulum-v1").reset(seed=20 + i)[0] for i in range(3)])
    np.testing.assert_array_equal(ppo.collector.obs[0].numpy(), starts)
    seen = []
    predict = ppo.predict

    def watch(observations, **options):
        seen.append(observations.copy())
        return predict(observations, **options)

    ppo.predict = watch
    ppo.evaluate(2, seed=5)
    ppo.close()
    np.testing.assert_array_equal(seen[0], [gym.make("Pendulum-v1").reset(seed=5 + i)[0] for i in range(2)])


def test_explained_variance_is_that_of_the_rows_that_count():
    rng = np.random.default_rng(0)
    returns, values = rng.normal(size=50), rng.normal(size=50)
    weights = rng.random(50) < 0.8
    columns = [torch.tensor(x, dtype=torch.float32) for x in (values, returns, weights)]
    empty = torch.zeros(50)
    batch = Batch(empty, empty, empty, columns[0], empty, columns[1], columns[2], None)
    errors = (returns - values)[weights]
    assert explained_variance(batch) == pytest.approx(1 - errors.var() / returns[weights].var(), abs=1e-5)
