"""Wrong arguments of make_vec: the error says what was expected and what came."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import fastvec
from fastvec.errors import UnknownEnvError
from support.native import thread_count


@pytest.mark.parametrize(
    "wrong", ["CartPole-v9", "cartpole-v1", "CartPol-v1", "fastvec/CartPole-v3", "fastvec:CartPole"]
)
def test_unknown_id_names_those_that_are_near(wrong: str):
    with pytest.raises(UnknownEnvError, match=r"CartPole-v[01]") as caught:
        fastvec.make_vec(wrong)
    assert repr(wrong) in str(caught.value)
    assert isinstance(caught.value, gymnasium.error.NameNotFound)
    assert isinstance(caught.value, KeyError)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "fastvec/CartPole-v1", "fastvec:fastvec/CartPole-v1"])
def test_an_id_may_carry_the_packages_name(env_id: str):
    assert fastvec.make_vec(env_id).spec.id == "CartPole-v1"


def test_an_id_like_no_other_is_refused_too():
    with pytest.raises(UnknownEnvError, match="Qqqqq"):
        fastvec.make_vec("Qqqqq-v77")


@pytest.mark.parametrize("wrong", [0, -1, 1 << 31])
def test_num_envs_out_of_range(wrong: int):
    with pytest.raises(ValueError, match=rf"num_envs.*got {wrong}"):
        fastvec.make_vec("CartPole-v1", wrong)


@pytest.mark.parametrize("wrong", [2.0, "2", True, [2]])
@pytest.mark.parametrize("name", ["num_envs", "num_threads", "batch_size", "max_episode_steps"])
def test_numbers_of_the_wrong_type(name: str, wrong: object):
    with pytest.raises(TypeError, match=rf"{name}.*{type(wrong).__name__}"):
        fastvec.make_vec("CartPole-v1", **{"num_envs": 4, name: wrong})


def test_num_envs_is_not_none():
    with pytest.raises(TypeError, match="num_envs"):
        fastvec.make_vec("CartPole-v1", None)


@pytest.mark.parametrize("number", [np.int64(3), np.uint8(3), np.int32(3)])
def test_numpy_integers_are_numbers(number: np.integer):
    envs = fastvec.make_vec("CartPole-v1", number, num_threads=number, batch_size=number)
    assert (envs.num_envs, envs.num_threads, envs.batch_size) == (3, 3, 3)
    assert type(envs.num_envs) is int


@pytest.mark.parametrize("wrong", [0, -2, 1025, 10**9])
def test_num_threads_out_of_range(wrong: int):
    with pytest.raises(ValueError, match=rf"num_threads.*got {wrong}"):
        fastvec.make_vec("CartPole-v1", 4, num_threads=wrong)


@pytest.mark.parametrize("wrong", [0, -1, 5])
def test_batch_size_out_of_range(wrong: int):
    with pytest.raises(ValueError, match=rf"batch_size from 1 to 4, got {wrong}"):
        fastvec.make_vec("CartPole-v1", 4, batch_size=wrong)


@pytest.mark.parametrize("wrong", [0, -2, 1 << 31])
def test_max_episode_steps_out_of_range(wrong: int):
    with pytest.raises(ValueError, match=rf"max_episode_steps.*got {wrong}"):
        fastvec.make_vec("CartPole-v1", 4, max_episode_steps=wrong)


@pytest.mark.parametrize("wrong", ["nextstep", "NEXT_STEP", 0, None, []])
def test_autoreset_mode_of_no_known_name(wrong: object):
    with pytest.raises(ValueError, match=r"'NextStep', .*'SameStep'|'Disabled'"):
        fastvec.make_vec("CartPole-v1", 4, autoreset_mode=wrong)


def test_backend_of_no_known_name():
    with pytest.raises(ValueError, match="'gpu'"):
        fastvec.make_vec("CartPole-v1", 4, backend="gpu")


def test_id_of_the_wrong_type():
    with pytest.raises(TypeError, match="int"):
        fastvec.make_vec(3)


def test_render_mode_of_no_known_name():
    with pytest.raises(ValueError, match=r"rgb_array.*'ascii'"):
        fastvec.make_vec("CartPole-v1", render_mode="ascii")


def test_unknown_keyword_argument_names_the_known():
    with pytest.raises(TypeError, match=r"'sutton_barto'.*sutton_barto_reward"):
        fastvec.make_vec("CartPole-v1", sutton_barto=True)
    with pytest.raises(TypeError, match="num_env'"):
        fastvec.make_vec("CartPole-v1", num_env=3)


def test_unknown_keyword_argument_names_the_near(rich: str):
    with pytest.raises(TypeError, match=r"'gaol'.*goal, scale, name.*did you mean 'goal'"):
        fastvec.make_vec(rich, gaol=3)


@pytest.mark.parametrize(
    ("env_id", "kwargs", "message"),
    [
        ("Kwargs-v0", {"flag": 1}, "flag to be bool, got 1 .int"),
        ("Kwargs-v0", {"flag": "yes"}, "flag to be bool"),
        ("Kwargs-v0", {"small": 1.5}, "small to be int, got 1.5"),
        ("Kwargs-v0", {"small": True}, "small to be int"),
        ("Kwargs-v0", {"single": "1"}, "single to be float"),
        ("Rich-v0", {"name": 3}, "name to be str"),
        ("Rich-v0", {"name": None}, "name to be str"),
        ("Rich-v0", {"weights": 3}, r"weights to be list\[int\]"),
        ("Rich-v0", {"weights": [1, 2.5]}, r"weights\[1\] to be int"),
        ("Rich-v0", {"factors": ["1"]}, r"factors\[0\] to be float"),
        ("Rich-v0", {"words": [b"x"]}, r"words\[0\] to be str"),
    ],
)
def test_keyword_argument_of_the_wrong_type(rich: str, env_id: str, kwargs: dict, message: str):
    with pytest.raises(TypeError, match=message):
        fastvec.make_vec(env_id, 2, **kwargs)


def test_keyword_argument_that_its_c_type_cannot_hold(rich: str):
    with pytest.raises(ValueError, match="small=4294967296"):
        fastvec.make_vec("Kwargs-v0", 2, small=1 << 32)
    with pytest.raises((ValueError, OverflowError, TypeError, RuntimeError)):
        fastvec.make_vec("Kwargs-v0", 2, small=1 << 70)


def test_keyword_arguments_reach_the_env(rich: str):
    envs = fastvec.make_vec("Kwargs-v0", 2, flag=np.True_, small=np.int16(-7), single=np.float32(0.25))
    observations, _ = envs.reset()
    np.testing.assert_array_equal(observations, [[1.0, -7.0, 0.25, 0.0]] * 2)
    observations, _ = fastvec.make_vec("Kwargs-v0", 1).reset()
    np.testing.assert_array_equal(observations, [[0.0, 3.0, 0.5, 0.0]])


def test_refused_vectors_leave_no_threads():
    before = thread_count()
    for _ in range(5):
        with pytest.raises(ValueError, match="render_mode"):
            fastvec.make_vec("CartPole-v1", 8, num_threads=4, render_mode="ascii")
    assert thread_count() == before


def test_time_limit_can_be_lifted():
    envs = fastvec.make_vec("Pendulum-v1", 2, max_episode_steps=-1)
    envs.reset(seed=0)
    assert not any(envs.step(np.zeros((2, 1), np.float32))[3].any() for _ in range(250))


def test_more_threads_than_envs_and_cores():
    envs = fastvec.make_vec("CartPole-v1", 3, num_threads=64, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    for _ in range(20):
        envs.step(np.zeros(3, dtype=np.int64))
    envs.close()


def test_pinned_threads_step_the_same():
    envs = fastvec.make_vec("CartPole-v1", 2000, num_threads=2, pin_threads=True)
    other = fastvec.make_vec("CartPole-v1", 2000, num_threads=1)
    np.testing.assert_array_equal(envs.reset(seed=1)[0], other.reset(seed=1)[0])
    actions = np.zeros(2000, dtype=np.int64)
    for _ in range(20):
        np.testing.assert_array_equal(envs.step(actions)[0], other.step(actions)[0])
