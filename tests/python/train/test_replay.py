"""What is drawn from the replay buffer, against episodes written down by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fastvec.train.distributions import ActionDecoder, distribution_for
from fastvec.train.env.stepper import Stepper
from fastvec.train.rollout.collector import Collector
from fastvec.train.rollout.replay import ReplayBuffer
from support.train_envs import Counting, sync

GAMMA = 0.5
CPU = torch.device("cpu")


def replay_of(mode, *makers, rollouts, n_step=1, capacity=1000, seed=0):
    """A buffer that has taken in rollouts of the given lengths."""
    envs = sync(mode, *makers)
    head = distribution_for(envs.single_action_space)
    replay = None
    collectors = {}
    state = None
    for steps in rollouts:
        if steps not in collectors:
            collectors[steps] = Collector(
                [Stepper(envs)], head, ActionDecoder(envs.single_action_space), num_steps=steps, device=CPU
            )
        collector = collectors[steps]
        if state is None:
            collector.reset(0)
            replay = ReplayBuffer(
                capacity,
                envs.num_envs,
                obs_shape=(2,),
                obs_dtype=torch.float32,
                action_shape=head.action_shape,
                action_dtype=head.action_dtype,
                n_step=n_step,
                gamma=GAMMA,
                seed=seed,
                device=CPU,
            )
        else:
            collector.load_state_dict(state)
        noise = torch.zeros(steps, envs.num_envs, head.num_noise)
        replay.add(collector.collect(lambda obs, noise, *_: obs[:, 1].long() % 2, noise))
        state = collector.state_dict()
    envs.close()
    return replay


def drawn(replay, number=6000):
    """The transitions that can be drawn, from a large sample: obs, action, rewards, next obs, discount."""
    batch = replay.sample(number)
    columns = (batch.obs.tolist(), batch.actions.tolist(), batch.rewards.tolist(), batch.next_obs.tolist())
    rows = zip(*columns, batch.discounts.tolist(), strict=True)
    return {(tuple(o), a, round(r, 5), tuple(n), round(d, 5)) for o, a, r, n, d in rows}


def by_hand(*, steps, length, terminated, reset_rows, n_step, first_step=0):
    """The transitions of one :class:`Counting` env that was stepped so often, those from ``first_step`` on.

    Its observation at time t of episode e is (e, t), step t is worth t + 1, and the action is t % 2.
    """
    made = set()
    episode, t = 1, 0
    for step in range(steps):
        if t == length:  # the step that only resets
            assert reset_rows
            episode, t = episode + 1, 0
            continue
        known = min(n_step, length - t)
        ends = t + known == length
        if step >= first_step and step + n_step <= steps:
            rewards = sum(GAMMA**k * (t + k + 1) for k in range(known))
            discount = 0.0 if ends and terminated else GAMMA**known
            made.add(((episode, t), t % 2, round(rewards, 5), (episode, t + known), round(discount, 5)))
        t += 1
        if t == length and not reset_rows:
            episode, t = episode + 1, 0
    return made


@pytest.mark.parametrize("n_step", [1, 2, 3, 5])
@pytest.mark.parametrize("rollouts", [(1,) * 13, (13,), (4, 4, 4, 1)], ids=["steps", "whole", "mixed"])
def test_transitions_are_those_of_the_episodes(autoreset_mode, n_step, rollouts):
    replay = replay_of(
        autoreset_mode,
        lambda: Counting(truncate_at=3),
        lambda: Counting(terminate_at=4),
        rollouts=rollouts,
        n_step=n_step,
    )
    common = {"steps": 13, "reset_rows": autoreset_mode == "NextStep", "n_step": n_step}
    expected = by_hand(length=3, terminated=False, **common) | by_hand(length=4, terminated=True, **common)
    # A terminated episode's last observation has no weight; only NextStep still has it.
    seen = {row if row[4] else (*row[:3], None, 0.0) for row in drawn(replay)}
    assert seen == {row if row[4] else (*row[:3], None, 0.0) for row in expected}
    assert len(seen) >= 12


def test_the_oldest_steps_go_and_last_observations_go_with_them(autoreset_mode):
    replay = replay_of(autoreset_mode, lambda: Counting(truncate_at=2), rollouts=(3,) * 100, n_step=2, capacity=9)
    assert len(replay) == 9
    expected = by_hand(
        steps=300, length=2, terminated=False, reset_rows=autoreset_mode == "NextStep", n_step=2, first_step=291
    )
    assert drawn(replay) == expected
    assert len(replay.last_obs) <= 64  # slots are used again


def test_every_step_is_drawn_as_often_as_any_other():
    replay = replay_of("NextStep", lambda: Counting(truncate_at=2), rollouts=(12,))
    draws = 60_000
    batch = replay.sample(draws)
    _, counts = np.unique(batch.obs.numpy(), axis=0, return_counts=True)
    chances = 8  # a third of the steps only reset
    assert len(counts) == chances
    deviation = np.sqrt(draws / chances * (1 - 1 / chances))
    assert np.abs(counts - draws / chances).max() < 5 * deviation


def test_a_saved_buffer_goes_on_with_the_same_draws(autoreset_mode):
    made = [lambda: Counting(truncate_at=3)]
    first = replay_of(autoreset_mode, *made, rollouts=(4,) * 9, capacity=20)
    second = replay_of(autoreset_mode, *made, rollouts=(4,), capacity=20, seed=7)
    first.sample(5)
    second.load_state_dict(first.state_dict())
    for mine, other in zip(first.sample(3, 8), second.sample(3, 8), strict=True):
        assert torch.equal(mine, other)
    smaller = replay_of(autoreset_mode, *made, rollouts=(4,), capacity=10)
    with pytest.raises(ValueError, match="of another size"):
        smaller.load_state_dict(first.state_dict())


def test_a_buffer_that_is_too_short_or_too_large_is_refused():
    replay = replay_of("NextStep", Counting, rollouts=(2,), n_step=3)
    with pytest.raises(ValueError, match="expected at least 3 rows in the replay buffer, got 2"):
        replay.sample(1)
    with pytest.raises(
        ValueError,
        match=r"a replay buffer of 1,000,000,000,000 steps takes .* GB, and there are .* GB that may be used",
    ):
        ReplayBuffer(
            10**12,
            4,
            obs_shape=(2,),
            obs_dtype=torch.float32,
            action_shape=(1,),
            action_dtype=torch.float32,
            n_step=1,
            gamma=GAMMA,
            seed=0,
            device=CPU,
        )
