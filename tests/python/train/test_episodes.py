"""Returns and lengths of training episodes, against a sum for each environment on its own."""

from __future__ import annotations

import numpy as np
import pytest

from fastvec.train.rollout.episodes import EpisodeCounter


def reference(rewards, done, has_reset_rows):
    """Each episode's return and length in the order in which they end, by plain addition."""
    found = []
    for env in range(rewards.shape[1]):
        total, length, is_reset_row = 0.0, 0, False
        for t, (reward, ends) in enumerate(zip(rewards[:, env].tolist(), done[:, env].tolist(), strict=True)):
            total += reward
            length += not is_reset_row
            is_reset_row = has_reset_rows and ends
            if ends:
                found.append((t, env, total, length))
                total, length = 0.0, 0
    return [(total, length) for _, _, total, length in sorted(found)]


@pytest.mark.parametrize("has_reset_rows", [False, True], ids=["no reset rows", "reset rows"])
@pytest.mark.parametrize(("num_envs", "rate"), [(1, 0.02), (1, 0.5), (5, 0.01), (5, 0.3), (3, 0.0)])
def test_returns_and_lengths_are_those_of_plain_sums_to_the_last_bit(num_envs, rate, has_reset_rows):
    rng = np.random.default_rng(3)
    rewards = rng.normal(size=(200, num_envs)) * 10.0 ** rng.integers(-3, 4, (200, num_envs))
    done = rng.random((200, num_envs)) < rate
    if has_reset_rows:
        done[1:] &= ~done[:-1]  # a reset row ends nothing
    counter = EpisodeCounter(num_envs)
    counter.KEPT = 10_000
    before = np.zeros(num_envs, dtype=bool) if has_reset_rows else None
    for first, last in [(0, 70), (70, 71), (71, 200)]:  # rollouts
        counter.add(rewards[first:last], done[first:last], before)
        before = done[last - 1] if has_reset_rows else None
    expected = reference(rewards, done, has_reset_rows)
    assert counter.recent == expected
    assert counter.finished == len(expected)
    assert counter.totals[2:] == (sum(r for r, _ in expected), sum(n for _, n in expected))
