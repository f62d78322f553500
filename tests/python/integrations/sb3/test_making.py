"""Making SB3VecEnv: what it refuses, copies of it, and the seeds of make_vec_env."""

from __future__ import annotations

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import TimeLimit

import fastvec

pytest.importorskip("stable_baselines3")

from stable_baselines3.common.env_util import make_vec_env

from fastvec.integrations.sb3 import SB3VecEnv
from support.sb3 import assert_same, comparable, sync


def test_a_vector_that_sb3_would_misread_is_refused():
    envs = fastvec.make_vec("CartPole-v1", 2)
    with pytest.raises(ValueError, match=r"autoreset_mode='SameStep'.* got 'NextStep'"):
        SB3VecEnv(envs)
    with pytest.raises(TypeError, match="num_threads"):
        SB3VecEnv(envs, num_threads=1)
    envs.close()
    envs = fastvec.make_vec("CartPole-v1", 2, autoreset_mode="SameStep")
    with pytest.raises(ValueError, match="expected num_envs to be the vector's 2, got 3"):
        SB3VecEnv(envs, 3)
    envs.close()


# -- copies -----------------------------------------------------------------------------------------------------


WAYS = {"deepcopy": copy.deepcopy, "pickle": lambda env: pickle.loads(pickle.dumps(env))}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "make",
    [
        lambda: SB3VecEnv("CartPole-v1", 3),
        lambda: SB3VecEnv("FrozenLake-v1", 3, map_name="8x8", is_slippery=False),
        lambda: SB3VecEnv("Pendulum-v1", 3, backend="process", num_workers=1),
        lambda: SB3VecEnv(sync("CartPole-v1", AutoresetMode.SAME_STEP)),
    ],
    ids=["native", "native with arguments", "process", "Gymnasium's"],
)
def test_a_copy_goes_on_as_the_original(make, way):
    if way == "pickle" and not isinstance(make().envs, fastvec.VectorEnv):
        pytest.skip("Gymnasium's vector keeps its callables")
    env = make()
    env.seed(4)
    env.reset()
    env.action_space.seed(2)
    for _ in range(20):
        env.step(np.array([env.action_space.sample() for _ in range(env.num_envs)]))
    copied = WAYS[way](env)
    assert copied.envs is not env.envs
    for _ in range(40):
        actions = np.array([env.action_space.sample() for _ in range(env.num_envs)])
        one, other = copied.step(actions), env.step(actions)
        assert_same(one[:3], other[:3])
        assert_same(comparable(one[3], ""), comparable(other[3], ""))
    assert copied.env_method("get_total_steps") == env.env_method("get_total_steps") == [60] * env.num_envs
    env.close()
    copied.step(actions)
    copied.close()


def test_a_copy_that_cannot_be_made_says_what_to_do():
    env = SB3VecEnv([lambda: gym.make("CartPole-v1")] * 2, num_workers=1)
    with pytest.raises(TypeError, match="same callables"):
        copy.deepcopy(env)
    env.close()


# -- seeds ------------------------------------------------------------------------------------------------------


def first_observations(env, steps=15):
    rng = np.random.default_rng(0)
    return [env.reset(), *[env.step(rng.integers(0, 2, env.num_envs))[0] for _ in range(steps)]]


@pytest.mark.parametrize("backend", ["native", "process"])
@pytest.mark.parametrize("seed", [None, 11])
def test_seeds_are_those_of_make_vec_env(backend, seed):
    np.random.seed(7)
    expected = make_vec_env("CartPole-v1", 3, seed=seed)
    wanted = first_observations(expected)
    np.random.seed(7)
    env = SB3VecEnv("CartPole-v1", 3, seed=seed, backend=backend)
    assert_same(first_observations(env), wanted)
    if seed is not None:
        assert env.action_space.sample() == expected.action_space.sample()
    after = np.random.random()
    np.random.seed(7)
    first_observations(make_vec_env("CartPole-v1", 3, seed=seed))
    assert np.random.random() == after  # as many draws
    env.close()


def test_it_can_be_the_class_that_make_vec_env_makes():
    wanted = first_observations(make_vec_env("CartPole-v1", 3, seed=2))
    env = make_vec_env("CartPole-v1", 3, seed=2, vec_env_cls=SB3VecEnv)
    assert_same(first_observations(env), wanted)
    assert env.env_is_wrapped(TimeLimit) == [True] * 3
    env.close()


def test_a_vector_that_is_made_already_keeps_its_generators():
    envs = fastvec.make_vec("CartPole-v1", 3, autoreset_mode="SameStep")
    envs.reset(seed=5)
    state = envs.get_state()
    first = SB3VecEnv(envs).reset()
    envs.set_state(state)
    assert_same(SB3VecEnv(envs).reset(), first)
