"""Seeds, and generators: SyncVectorEnv's numbers and refusals, from every backend that has it for an oracle."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from support.backends import make_on
from support.native import MODES, sync_cartpoles
from support.oracles import since_gymnasium_1_4
from support.sameness import assert_same

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
def test_seeds_give_the_oracles_numbers(cartpoles: Any, name: str, mode: AutoresetMode):
    envs, oracle = cartpoles(mode), sync_cartpoles(3, mode=mode)
    envs.reset(seed=77)
    oracle.reset(seed=77)
    assert_same(envs.reset(seed=SEEDS[name]), oracle.reset(seed=SEEDS[name]))
    assert_same(envs.np_random_seed, oracle.np_random_seed)
    for one, other in zip(envs.np_random, oracle.np_random, strict=True):
        assert one.bit_generator.state == other.bit_generator.state
    assert_same(envs.reset(), oracle.reset())  # and the generators go on


@pytest.mark.parametrize("seed", [-1, [1, -5, 2], 2**128, 2**128 - 1, [0, 0, 2**128]])
def test_seeds_out_of_range_are_refused(cartpoles: Any, seed: Any):
    envs = cartpoles()
    envs.reset(seed=1)
    before = envs.get_state()
    with pytest.raises(gymnasium.error.Error, match="Seed must be"):
        envs.reset(seed=seed)
    assert envs.get_state() == before
    assert envs.np_random_seed == (1, 2, 3)


@since_gymnasium_1_4
@pytest.mark.parametrize("seed", [[1, 2], [1, 2, 3, 4], []])
def test_seed_lists_of_the_wrong_length_are_refused(cartpoles: Any, seed: list[int]):
    for envs in (cartpoles(), sync_cartpoles(3)):
        with pytest.raises(ValueError, match=f"num_envs=3 but got length={len(seed)}"):
            envs.reset(seed=seed)


@pytest.mark.parametrize("seed", [1.5, "123", np.int64(3), [1, 2.5, 3], [1, np.int64(3), 2], [1, "2", 3]])
def test_seeds_that_the_oracle_refuses_are_refused(cartpoles: Any, seed: Any):
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever the oracle raises is compared below
        sync_cartpoles(3).reset(seed=seed)
    with pytest.raises(expected.type):
        cartpoles().reset(seed=seed)


def test_unseeded_vectors_differ(python_or_native: str, closing: Any):
    made = [closing(make_on(python_or_native, "CartPole-v1", 2)) for _ in range(4)]
    assert len({envs.reset()[0].tobytes() for envs in made}) == 4
    observations, _ = closing(make_on(python_or_native, "CartPole-v1", 100)).reset()
    assert len(np.unique(observations[:, 0])) > 90


def test_unseeded_vectors_tell_their_seeds(python_or_native: str, closing: Any):
    envs, again = (closing(make_on(python_or_native, "CartPole-v1", 3)) for _ in range(2))
    assert_same(envs.reset(), again.reset(seed=list(envs.np_random_seed)))


def test_drawing_from_np_random_changes_nothing(cartpoles: Any):
    envs, twin = cartpoles(), sync_cartpoles(3)
    envs.reset(seed=4)
    twin.reset(seed=4)
    for generator in envs.np_random:
        generator.random(100)
    assert_same(envs.reset(), twin.reset())


def test_seed_with_a_mask_reaches_only_those_envs(cartpoles: Any):
    envs, oracle = cartpoles(), sync_cartpoles(3)
    envs.reset(seed=0)
    oracle.reset(seed=0)
    mask = np.array([False, True, True])
    for seed in (50, [1, None, 3]):
        assert_same(
            envs.reset(seed=seed, options={"reset_mask": mask}), oracle.reset(seed=seed, options={"reset_mask": mask})
        )
        assert_same(envs.np_random_seed, oracle.np_random_seed)
    assert_same(envs.reset(), oracle.reset())
