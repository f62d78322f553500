"""The surface of a native vector: what SyncVectorEnv shows, and Gymnasium's registry."""

from __future__ import annotations

import copy
import pickle
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import fastvec
from support.native import MODES, assert_same, cartpoles, run_script, sync_cartpoles
from support.oracles import since_gymnasium_1_4


def test_spaces_are_those_of_sync_vector_env():
    envs, oracle = cartpoles(3), sync_cartpoles(3)
    assert envs.observation_space == oracle.observation_space
    assert envs.action_space == oracle.action_space
    assert envs.single_observation_space == oracle.single_observation_space
    assert envs.single_action_space == oracle.single_action_space
    assert envs.num_envs == oracle.num_envs == 3


def test_spaces_sample_what_the_oracles_spaces_sample():
    envs, oracle = cartpoles(3), sync_cartpoles(3)
    envs.action_space.seed(5)
    oracle.action_space.seed(5)
    np.testing.assert_array_equal(envs.action_space.sample(), oracle.action_space.sample())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("by_name", [False, True])
def test_autoreset_mode_is_told_as_an_enum(mode: AutoresetMode, by_name: bool):
    envs = cartpoles(2, autoreset_mode=mode.value if by_name else mode)
    assert envs.autoreset_mode is mode
    assert envs.metadata["autoreset_mode"] is mode
    assert envs.spec is not None


@since_gymnasium_1_4
def test_metadata_is_the_instances_own():
    one, other = cartpoles(1, autoreset_mode="SameStep"), cartpoles(1)
    one.metadata["mine"] = 1
    assert "mine" not in other.metadata
    assert "mine" not in fastvec.VectorEnv.metadata
    assert "autoreset_mode" not in gymnasium.make("CartPole-v1").metadata
    assert other.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


def test_metadata_names_the_render_modes_of_the_oracle():
    assert cartpoles(1).metadata["render_modes"] == sync_cartpoles(1).metadata["render_modes"]


def test_repr_names_the_env_and_their_number():
    assert repr(cartpoles(3)) == "NativeVectorEnv(CartPole-v1, num_envs=3)"


def test_a_vector_is_a_gymnasium_vector_env():
    envs = cartpoles(1)
    assert isinstance(envs, gymnasium.vector.VectorEnv)
    assert envs.unwrapped is envs
    assert envs.render_mode is None


@pytest.mark.parametrize("make", [fastvec.make_vec, gymnasium.make_vec])
def test_spec_makes_an_equal_vector(make):
    first = fastvec.make_vec(
        "CartPole-v1",
        3,
        num_threads=2,
        autoreset_mode="SameStep",
        max_episode_steps=7,
        copy=False,
        sutton_barto_reward=True,
    )
    second = make(first.spec)
    assert second.num_envs == 3
    assert second.num_threads == 2
    assert second.autoreset_mode is AutoresetMode.SAME_STEP
    actions = np.array([0, 1, 0])
    assert_same(second.reset(seed=4), copy.deepcopy(first.reset(seed=4)))
    for _ in range(9):  # the limit of 7 included
        expected = copy.deepcopy(first.step(actions))
        assert_same(second.step(actions), expected)
    assert make(second.spec).spec == second.spec


def test_spec_survives_pickle_and_deepcopy():
    spec = cartpoles(2).spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert copy.deepcopy(spec) == spec


def test_spec_says_what_gymnasium_says_of_the_env():
    spec, known = cartpoles(1).spec, gymnasium.spec("CartPole-v1")
    assert spec.id == known.id
    assert spec.reward_threshold == known.reward_threshold
    assert spec.max_episode_steps == known.max_episode_steps


def test_arguments_win_over_the_spec():
    spec = cartpoles(2, autoreset_mode="SameStep").spec
    assert fastvec.make_vec(spec, num_envs=5).num_envs == 5
    assert fastvec.make_vec(spec, autoreset_mode="Disabled").autoreset_mode is AutoresetMode.DISABLED


def test_spec_of_gymnasiums_vector_is_understood():
    spec = gymnasium.make_vec("fastvec/CartPole-v1", num_envs=3, autoreset_mode="SameStep").spec
    envs = fastvec.make_vec(spec)
    assert (envs.num_envs, envs.autoreset_mode) == (3, AutoresetMode.SAME_STEP)


def test_gymnasium_makes_a_native_vector_with_the_oracles_numbers():
    envs = gymnasium.make_vec("fastvec:fastvec/CartPole-v1", num_envs=3)
    assert isinstance(envs.unwrapped, fastvec.VectorEnv)
    oracle = sync_cartpoles(3)
    assert_same(envs.reset(seed=11), oracle.reset(seed=11))
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.integers(0, 2, 3)
        assert_same(envs.step(actions), oracle.step(actions))


def test_gymnasium_makes_a_single_env_with_the_oracles_numbers():
    env, oracle = gymnasium.make("fastvec/CartPole-v1"), gymnasium.make("CartPole-v1")
    rng = np.random.default_rng(1)
    for episode in range(4):
        seed = 7 if episode == 0 else None
        assert_same(env.reset(seed=seed), oracle.reset(seed=seed))
        done = False
        while not done:
            action = rng.integers(0, 2)
            result, expected = env.step(action), oracle.step(action)
            assert_same(result, expected)
            done = expected[2] or expected[3]


def test_single_env_has_gymnasiums_time_limit():
    env = gymnasium.make("fastvec/CartPole-v1", max_episode_steps=3)
    env.reset(seed=0)
    assert [env.step(0)[3] for _ in range(3)] == [False, False, True]


def test_single_env_passes_gymnasiums_checker():
    def complaints(env_id: str) -> set[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check_env(gymnasium.make(env_id).unwrapped, skip_render_check=True)
        return {str(warning.message) for warning in caught}

    assert complaints("fastvec/CartPole-v1") <= complaints("CartPole-v1")


def test_single_env_tells_its_generator():
    env, oracle = gymnasium.make("fastvec/CartPole-v1"), gymnasium.make("CartPole-v1")
    env.reset(seed=5)
    oracle.reset(seed=5)
    assert env.unwrapped.np_random_seed == oracle.unwrapped.np_random_seed
    assert env.unwrapped.np_random.bit_generator.state == oracle.unwrapped.np_random.bit_generator.state


def test_every_native_id_is_registered_both_ways():
    for env_id in fastvec.list_envs():
        # Other tests of this process load libraries whose ids have a namespace of their own.
        spec = gymnasium.spec(env_id if "/" in env_id else f"fastvec/{env_id}")
        assert spec.entry_point is not None
        assert spec.vector_entry_point is not None


def test_importing_fastvec_does_not_import_torch():
    done = run_script("import sys, fastvec; assert 'torch' not in sys.modules; print(len(fastvec.list_envs()))")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 2


def test_a_vector_can_be_made_and_left_without_a_word():
    done = run_script("import fastvec; e = fastvec.make_vec('CartPole-v1', 300, num_threads=3); e.reset()")
    assert (done.returncode, done.stderr) == (0, "")


def test_bytes_per_env_is_small():
    assert 0 < cartpoles(2).bytes_per_env < 1000
