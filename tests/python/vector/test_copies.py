"""A vector can be neither copied nor pickled, and says what to do; a single env, and SB3's face, can."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers.vector import RecordEpisodeStatistics

import fastvec
from support.native import assert_same

WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
}


def make_env() -> gymnasium.Env:
    return gymnasium.make("CartPole-v1")


MAKERS: dict[str, Callable[[], Any]] = {
    "native": lambda: fastvec.make_vec("CartPole-v1", 2),
    "process": lambda: fastvec.make_vec("CartPole-v1", 2, backend="process", num_workers=1),
    "callables": lambda: fastvec.make_vec([make_env] * 2, num_workers=1),
    "ale": lambda: fastvec.make_vec("ALE/Pong-v5", 1),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_vector_says_what_to_do_instead(kind: str, closing):
    if kind == "ale" and find_spec("ale_py") is None:
        pytest.skip("ale-py is not installed")
    envs = closing(MAKERS[kind]())
    envs.reset(seed=0)
    hint = "same callables" if kind == "callables" else r"fastvec\.make_vec\(envs\.spec\) makes another"
    for way in WAYS.values():
        with pytest.raises(TypeError, match=rf"cannot be copied or pickled.*{hint}.*set_state\(envs\.get_state\(\)\)"):
            way(envs)
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        pickle.dumps({"envs": [envs]})


def test_a_wrapped_vector_says_the_same():
    envs = RecordEpisodeStatistics(fastvec.make_vec("CartPole-v1", 2))
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        copy.deepcopy(envs)


@pytest.mark.parametrize("backend", ["native", "process"])
def test_what_it_says_works(backend: str, closing):
    envs = closing(fastvec.make_vec("CartPole-v1", 3, backend=backend, max_episode_steps=15))
    envs.reset(seed=1)
    actions = np.array([0, 1, 1])
    for _ in range(10):
        envs.step(actions)
    again = closing(fastvec.make_vec(envs.spec))
    again.set_state(envs.get_state())
    for _ in range(30):
        assert_same(again.step(actions), envs.step(actions))


@pytest.mark.parametrize("way", WAYS)
def test_a_single_native_env_is_copied_as_gymnasiums_is(way: str):
    env: Any = gymnasium.make("fastvec/CartPole-v1", sutton_barto_reward=True)
    env.reset(seed=3)
    env.unwrapped.gravity = 20.0
    env.step(1)
    oracle: Any = gymnasium.make("CartPole-v1", sutton_barto_reward=True)
    oracle.reset(seed=3)
    oracle.unwrapped.gravity = 20.0
    oracle.step(1)
    if way == "copy":
        env = env.unwrapped
    kept = WAYS[way](env)
    assert kept.unwrapped is not env.unwrapped
    env.reset(seed=9)  # is not seen by the copy
    for turn in range(12):
        one, other = kept.step(turn % 2), oracle.step(turn % 2)
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1:4] == other[1:4]
    np.testing.assert_array_equal(kept.reset()[0], oracle.reset()[0])
