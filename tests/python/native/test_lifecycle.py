"""Before the first reset, after close, and seeds."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import fastvec
from fastvec.errors import ResetNeededError
from support.native import MODES, assert_same, cartpoles, sync_cartpoles, thread_count, wait_until
from support.oracles import since_gymnasium_1_4

ACTIONS = np.zeros(3, dtype=np.int64)


def test_step_before_reset_is_refused_and_harmless():
    envs = cartpoles(3)
    with pytest.raises(ResetNeededError, match=r"reset first, got env 0 .*call reset") as caught:
        envs.step(ACTIONS)
    assert isinstance(caught.value, gymnasium.error.ResetNeeded)
    assert_same(envs.reset(seed=1), cartpoles(3).reset(seed=1))
    envs.step(ACTIONS)


def test_step_after_a_masked_first_reset_names_an_env_that_was_left_out():
    envs = cartpoles(3)
    envs.reset(options={"reset_mask": np.array([True, False, True])})
    with pytest.raises(ResetNeededError, match="got env 1"):
        envs.step(ACTIONS)
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    envs.step(ACTIONS)


def test_finished_env_needs_a_reset_when_autoreset_is_disabled():
    envs, oracle = (
        cartpoles(3, autoreset_mode="Disabled", max_episode_steps=2),
        sync_cartpoles(3, mode=AutoresetMode.DISABLED, max_episode_steps=2),
    )
    assert_same(envs.reset(seed=0), oracle.reset(seed=0))
    for _ in range(2):
        assert_same(envs.step(ACTIONS), oracle.step(ACTIONS))
    before = envs.get_state()
    with pytest.raises(ResetNeededError, match="got env 0 finished"):
        envs.step(ACTIONS)
    with pytest.raises(AssertionError):
        oracle.step(ACTIONS)
    assert envs.get_state() == before
    mask = np.array([True, True, False])
    assert_same(envs.reset(options={"reset_mask": mask}), oracle.reset(options={"reset_mask": mask}))
    with pytest.raises(ResetNeededError, match="got env 2 finished"):
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


# -- seeds --------------------------------------------------------------------------------------------------

SEEDS: dict[str, Any] = {
    "int": 123,
    "zero": 0,
    "list": [5, 3, 9],
    "tuple": (5, 3, 9),
    "equal": [4, 4, 4],
    "with none": [5, None, 9],
    "all none": [None, None, None],
    "32 bits": 2**32 - 2,
    "64 bits": 2**64 - 2,
    "beyond 64 bits": 2**64 + 12345,
    "beyond 96 bits": 2**97 + 2**33,
    "mixed sizes": [1, 2**40, 2**127],
    "true": True,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SEEDS)
def test_seeds_give_the_oracles_numbers(name: str, mode: AutoresetMode):
    envs, oracle = cartpoles(3, autoreset_mode=mode), sync_cartpoles(3, mode=mode)
    envs.reset(seed=77)
    oracle.reset(seed=77)
    assert_same(envs.reset(seed=SEEDS[name]), oracle.reset(seed=SEEDS[name]))
    assert_same(envs.np_random_seed, oracle.np_random_seed)
    for one, other in zip(envs.np_random, oracle.np_random, strict=True):
        assert one.bit_generator.state == other.bit_generator.state
    assert_same(envs.reset(), oracle.reset())  # and the generators go on


@pytest.mark.parametrize("seed", [-1, [1, -5, 2], 2**128, 2**128 - 1, [0, 0, 2**128]])
def test_seeds_out_of_range_are_refused(seed: Any):
    envs = cartpoles(3)
    envs.reset(seed=1)
    before = envs.get_state()
    with pytest.raises(gymnasium.error.Error, match="Seed must be"):
        envs.reset(seed=seed)
    assert envs.get_state() == before
    assert envs.np_random_seed == (1, 2, 3)


@since_gymnasium_1_4
@pytest.mark.parametrize("seed", [[1, 2], [1, 2, 3, 4], []])
def test_seed_lists_of_the_wrong_length_are_refused(seed: list[int]):
    envs, oracle = cartpoles(3), sync_cartpoles(3)
    with pytest.raises(ValueError, match=f"num_envs=3 but got length={len(seed)}"):
        envs.reset(seed=seed)
    with pytest.raises(ValueError, match=f"num_envs=3 but got length={len(seed)}"):
        oracle.reset(seed=seed)


@pytest.mark.parametrize("seed", [1.5, "123", np.int64(3), [1, 2.5, 3], [1, np.int64(3), 2], [1, "2", 3]])
def test_seeds_that_the_oracle_refuses_are_refused(seed: Any):
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever the oracle raises is compared below
        sync_cartpoles(3).reset(seed=seed)
    with pytest.raises(expected.type):
        cartpoles(3).reset(seed=seed)


def test_unseeded_vectors_differ():
    firsts = {cartpoles(2).reset()[0].tobytes() for _ in range(4)}
    assert len(firsts) == 4
    observations, _ = cartpoles(100).reset()
    assert len(np.unique(observations[:, 0])) > 90


def test_unseeded_vectors_tell_their_seeds():
    envs = cartpoles(3)
    again = cartpoles(3)
    assert_same(envs.reset(), again.reset(seed=list(envs.np_random_seed)))


def test_drawing_from_np_random_changes_nothing():
    envs, twin = cartpoles(3), cartpoles(3)
    envs.reset(seed=4)
    twin.reset(seed=4)
    for generator in envs.np_random:
        generator.random(100)
    assert_same(envs.reset(), twin.reset())


def test_seed_with_a_mask_reaches_only_those_envs():
    envs, oracle = cartpoles(4), sync_cartpoles(4)
    envs.reset(seed=0)
    oracle.reset(seed=0)
    mask = np.array([False, True, True, False])
    for seed in (50, [1, None, 3, 4]):
        assert_same(
            envs.reset(seed=seed, options={"reset_mask": mask}), oracle.reset(seed=seed, options={"reset_mask": mask})
        )
        assert_same(envs.np_random_seed, oracle.np_random_seed)
    assert_same(envs.reset(), oracle.reset())


BAD_MASKS: dict[str, Any] = {
    "list": [True, False, True],
    "int array": np.array([1, 0, 1]),
    "short": np.array([True, False]),
    "two-dimensional": np.ones((3, 1), bool),
    "all false": np.zeros(3, bool),
    "none": None,
}


@since_gymnasium_1_4
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", BAD_MASKS)
def test_bad_reset_masks_are_refused_as_the_oracle_refuses_them(name: str, mode: AutoresetMode):
    envs, oracle = cartpoles(3, autoreset_mode=mode), sync_cartpoles(3, mode=mode)
    envs.reset(seed=0)
    oracle.reset(seed=0)
    before = envs.get_state()
    with pytest.raises((TypeError, ValueError)) as expected:
        oracle.reset(seed=5, options={"reset_mask": BAD_MASKS[name]})
    with pytest.raises(expected.type) as caught:
        envs.reset(seed=5, options={"reset_mask": BAD_MASKS[name]})
    assert str(caught.value) == str(expected.value)
    assert envs.get_state() == before


@pytest.mark.parametrize("mask", [np.array([1, 0, 0, 1, 1, 0], bool)[::2], np.array([True, False, True])])
def test_reset_masks_of_any_layout(mask: np.ndarray):
    envs, oracle = cartpoles(3), sync_cartpoles(3)
    envs.reset(seed=0)
    oracle.reset(seed=0)
    assert_same(envs.reset(options={"reset_mask": mask}), oracle.reset(options={"reset_mask": mask}))


def test_the_callers_options_are_left_alone():
    envs = cartpoles(2)
    options = {"reset_mask": np.array([True, True]), "low": -0.01}
    envs.reset(options=options)
    assert set(options) == {"reset_mask", "low"}


@pytest.mark.parametrize("options", [{"low": 1.0, "high": -1.0}, {"low": "x"}, {"low": [1]}])
def test_bad_options_reset_nothing_and_seed_nothing(options: dict[str, Any]):
    envs = cartpoles(2)
    envs.reset(seed=3)
    before = envs.get_state()
    with pytest.raises(ValueError, match=r"."):
        envs.reset(seed=9, options=options)
    assert envs.get_state() == before
    assert envs.np_random_seed == (3, 4)
