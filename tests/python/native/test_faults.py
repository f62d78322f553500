"""Envs that fail: the error names them, the others step, and the vector goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import fastvec
from fastvec import EnvError
from support.native import MODES, assert_same

GO_ON, THROW_ERROR, THROW_NUMBER, THROW_INVALID, WRITE_NAN, FINISH = 0, 1, 2, 3, 4, 5
THROW_LATIN1, THROW_LONG = 7, 9


def made(faulty: str, num_envs: int = 4, **kwargs: Any) -> fastvec.VectorEnv:
    envs = fastvec.make_vec(faulty, num_envs, **{"num_threads": 2, **kwargs})
    envs.reset(seed=0)
    return envs


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("command", "message"),
    [
        (THROW_ERROR, "the pole snapped"),
        (THROW_NUMBER, "an exception that is not a std::exception"),
        (THROW_INVALID, "not like this"),
        (THROW_LATIN1, "caf\ufffd"),
        (THROW_LONG, "x" * 5000),
    ],
)
def test_env_exception_reaches_step(faulty: str, command: int, message: str, mode: AutoresetMode):
    envs, twin = made(faulty, autoreset_mode=mode), made(faulty, autoreset_mode=mode)
    for _ in range(3):
        envs.step(np.zeros(4, np.int64))
        twin.step(np.zeros(4, np.int64))
    with pytest.raises(EnvError, match="env 2: ") as caught:
        envs.step(np.array([GO_ON, GO_ON, command, GO_ON]))
    error = caught.value
    assert error.env_index == 2
    assert error.failures == [(2, message)]
    assert isinstance(error, RuntimeError)

    expected = twin.step(np.zeros(4, np.int64))
    observations, rewards, terminated, truncated, infos = error.batch
    others = np.array([0, 1, 3])
    np.testing.assert_array_equal(observations[others], expected[0][others])
    np.testing.assert_array_equal(rewards, [1.0, 1.0, 0.0, 1.0])
    np.testing.assert_array_equal(terminated, [False] * 4)
    np.testing.assert_array_equal(truncated, [False, False, True, False])
    np.testing.assert_array_equal(observations[2], [0.0, 0.0])
    np.testing.assert_array_equal(infos["_steps"], [True, True, False, True])
    np.testing.assert_array_equal(infos["steps"], [4, 4, 0, 4])
    assert "final_obs" not in infos


@pytest.mark.parametrize("num_threads", [1, 2, 5])
def test_every_failure_of_a_batch_is_told_in_order(faulty: str, num_threads: int):
    envs = made(faulty, 3000, num_threads=num_threads)
    actions = np.zeros(3000, np.int64)
    failing = np.array([3, 700, 701, 1500, 2999])
    actions[failing] = THROW_ERROR
    for _ in range(3):
        with pytest.raises(EnvError, match=r"env 3: .* \(and 4 more\)") as caught:
            envs.step(actions)
        assert [env for env, _ in caught.value.failures] == failing.tolist()
        np.testing.assert_array_equal(np.flatnonzero(caught.value.batch[3]), failing)
        envs.step(np.zeros(3000, np.int64))


def test_all_envs_may_fail(faulty: str):
    envs = made(faulty, 300)
    for _ in range(5):
        with pytest.raises(EnvError) as caught:
            envs.step(np.full(300, THROW_NUMBER))
        assert len(caught.value.failures) == 300
        assert not caught.value.batch[0].any()
        observations, *_ = envs.step(np.full(300, GO_ON))
        assert not observations[:, 0].any()


def test_failures_leave_no_final_observation_from_an_earlier_step(faulty: str):
    envs = made(faulty, 2, autoreset_mode="SameStep", copy=False)
    envs.step(np.array([FINISH, FINISH]))  # flags of this step lie in the one buffer there is
    with pytest.raises(EnvError) as caught:
        envs.step(np.array([THROW_ERROR, GO_ON]))
    assert caught.value.failures == [(0, "the pole snapped")]
    assert "final_obs" not in caught.value.batch[4]
    np.testing.assert_array_equal(caught.value.batch[0][:, 0], [0.0, 1.0])


def test_other_envs_final_observations_come_with_a_failed_batch(faulty: str):
    envs, twin = made(faulty, 3, autoreset_mode="SameStep"), made(faulty, 3, autoreset_mode="SameStep")
    with pytest.raises(EnvError) as caught:
        envs.step(np.array([THROW_ERROR, FINISH, GO_ON]))
    expected = twin.step(np.array([GO_ON, FINISH, GO_ON]))[4]
    infos = caught.value.batch[4]
    np.testing.assert_array_equal(infos["_final_obs"], [False, True, False])
    assert_same(infos["final_obs"], expected["final_obs"])
    assert_same(infos["final_info"], expected["final_info"])


@pytest.mark.parametrize("limit", [2, 3])
def test_a_failure_at_the_time_limit_is_one_failure(faulty: str, limit: int):
    envs = made(faulty, 2, autoreset_mode="SameStep", max_episode_steps=limit)
    for _ in range(limit - 1):
        envs.step(np.zeros(2, np.int64))
    with pytest.raises(EnvError) as caught:
        envs.step(np.array([THROW_ERROR, GO_ON]))
    assert caught.value.failures == [(0, "the pole snapped")]
    np.testing.assert_array_equal(caught.value.batch[4]["_final_obs"], [False, True])


def test_failing_resets_are_told_and_remembered(faulty: str):
    envs = fastvec.make_vec(faulty, 3, num_threads=2, fail_every_reset=True)
    with pytest.raises(EnvError, match=r"env 0: this reset fails \(and 2 more\)") as caught:
        envs.reset(seed=5)
    observations, infos = caught.value.batch
    assert observations.shape == (3, 2)
    assert infos == {}
    assert envs.np_random_seed == (5, 6, 7)
    with pytest.raises(EnvError, match="this reset fails"):
        envs.step(np.zeros(3, np.int64))


def test_bad_options_are_a_value_error(faulty: str):
    envs = made(faulty)
    before = envs.get_state()
    with pytest.raises(ValueError, match="start: expected 0 or more"):
        envs.reset(seed=3, options={"start": -1})
    assert envs.get_state() == before
    assert envs.reset(options={"start": 5.0})[0][0, 0] == 5.0


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("argument", ValueError, "how: expected something better"),
        ("error", RuntimeError, "Failing-v0 could not be made: the model cannot be read"),
        ("number", RuntimeError, "could not be made: an exception that is not a std::exception"),
    ],
)
def test_an_env_that_cannot_be_made_says_why(faulty: str, how: str, kind: type, message: str):
    for _ in range(3):
        with pytest.raises(kind, match=message):
            fastvec.make_vec("Failing-v0", 8, how=how)
    assert fastvec.make_vec("Failing-v0", 2, how="not at all").reset()[0].shape == (2, 1)


def test_nan_is_passed_on(faulty: str):
    envs = made(faulty)
    observations, rewards, *_ = envs.step(np.array([GO_ON, WRITE_NAN, GO_ON, GO_ON]))
    np.testing.assert_array_equal(np.isnan(rewards), [False, True, False, False])
    np.testing.assert_array_equal(np.isnan(observations[:, 0]), [False, True, False, False])


def test_failing_asynchronous_resets(faulty: str):
    envs = fastvec.make_vec(faulty, 2, batch_size=2, fail_every_reset=True)
    envs.async_reset(seed=0)
    with pytest.raises(EnvError) as caught:
        envs.recv()
    assert sorted(env for env, _ in caught.value.failures) == [0, 1]
    envs.async_reset(seed=0)
    with pytest.raises(EnvError):
        envs.recv()
