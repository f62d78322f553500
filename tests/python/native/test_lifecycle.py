"""Before the first reset, and after close."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import gymnasium
import numpy as np
import pytest

import fastvec
from fastvec.errors import ResetNeededError
from support.native import assert_same, cartpoles, thread_count, wait_until

ACTIONS = np.zeros(3, dtype=np.int64)


def test_step_before_reset_is_refused_and_harmless():
    envs = cartpoles(3)
    with pytest.raises(ResetNeededError, match=r"reset first, got env 0 .*call reset") as caught:
        envs.step(ACTIONS)
    assert isinstance(caught.value, gymnasium.error.ResetNeeded)
    assert_same(envs.reset(seed=1), cartpoles(3).reset(seed=1))
    envs.step(ACTIONS)


def test_close_leaves_what_was_returned_alone():
    envs = cartpoles(300)
    observations, _ = envs.reset(seed=0)
    kept = [observations, *envs.step(np.zeros(300, np.int64))[:4]]
    copies = [array.copy() for array in kept]
    tail = kept[0][250:, 1]
    tail_copy = tail.copy()
    envs.close()
    del envs
    gc.collect()
    others = [cartpoles(300) for _ in range(5)]
    for other in others:
        other.reset(seed=9)
    assert_same(kept, copies)
    assert_same(tail, tail_copy)


def test_threads_are_gone_when_close_returns():
    before = thread_count()
    for count in (1, 2, 7):
        envs = fastvec.make_vec("CartPole-v1", 5000, num_threads=count)
        envs.reset(seed=0)
        assert thread_count() == before + count - 1
        envs.step(np.zeros(5000, np.int64))
        envs.close()
        assert thread_count() == before


def test_asynchronous_threads_are_gone_too():
    before = thread_count()
    envs = fastvec.make_vec("CartPole-v1", 50, num_threads=3, batch_size=10)
    envs.async_reset(seed=0)
    envs.recv()
    assert thread_count() > before
    envs.close()  # with 40 envs in flight
    assert thread_count() == before


def test_a_forgotten_vector_is_closed():
    before = thread_count()
    envs = fastvec.make_vec("CartPole-v1", 5000, num_threads=3)
    envs.reset(seed=0)
    gone = weakref.ref(envs)
    del envs
    gc.collect()
    assert gone() is None
    wait_until(lambda: thread_count() == before)


@pytest.mark.parametrize("options", [{"low": 1.0, "high": -1.0}, {"low": "x"}, {"low": [1]}])
def test_bad_options_reset_nothing_and_seed_nothing(options: dict[str, Any]):
    envs = cartpoles(2)
    envs.reset(seed=3)
    before = envs.get_state()
    with pytest.raises(ValueError, match=r"."):
        envs.reset(seed=9, options=options)
    assert envs.get_state() == before
    assert envs.np_random_seed == (3, 4)
