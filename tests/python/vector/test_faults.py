"""An env that fails costs nobody else anything: the same contract for envs in C++, in worker processes and inline.

What only one backend can do wrong (a worker that is killed, an exception that is no std::exception) has its tests in
the folder of that backend.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import fastvec
from fastvec import EnvError, errors
from support import sample_envs
from support.native import MODES
from support.sameness import assert_same

NUM_ENVS = 4
NONE = np.zeros(NUM_ENVS, np.int64)
RAISE = sample_envs.Faulty.RAISE  # the same number in both families
Make = Callable[..., fastvec.VectorEnv]


@pytest.fixture(params=["native", "workers", "inline"])
def make(request: pytest.FixtureRequest, closing: Any) -> Make:
    """``make(mode, **more)``: four envs that count their steps in their observations, reset."""
    backend = request.param
    faulty = request.getfixturevalue("faulty") if backend == "native" else sample_envs.Faulty
    kwargs = {"native": {"num_threads": 2}, "workers": {"num_workers": 2}, "inline": {"num_workers": 0}}[backend]

    def made(mode: AutoresetMode = AutoresetMode.NEXT_STEP, **more: Any) -> fastvec.VectorEnv:
        envs = closing(fastvec.make_vec(faulty, NUM_ENVS, autoreset_mode=mode, **kwargs, **more))
        envs.reset(seed=1)
        return envs

    made.fails_in_its_next_reset = 8 if backend == "native" else sample_envs.Faulty.BAD_RESET
    return made


def but(env: int, action: int) -> np.ndarray:
    """The action that does nothing for all envs but one."""
    actions = NONE.copy()
    actions[env] = action
    return actions


def reset_of(*envs: int) -> dict[str, np.ndarray]:
    return {"reset_mask": np.isin(np.arange(NUM_ENVS), envs)}


@pytest.mark.parametrize("mode", MODES)
def test_the_error_of_an_env_names_it_and_has_the_batch_of_the_others(make: Make, mode: AutoresetMode):
    envs = make(mode)
    with pytest.raises(EnvError, match="env 2: ") as caught:
        envs.step(but(2, RAISE))
    assert caught.value.env_index == 2
    assert [env for env, _ in caught.value.failures] == [2]
    observations, rewards, terminations, truncations, infos = caught.value.batch
    np.testing.assert_array_equal(observations[:, 0], [1, 1, 0, 1])
    np.testing.assert_array_equal(rewards, [1, 1, 0, 1])
    np.testing.assert_array_equal(truncations, [False, False, True, False])
    assert not terminations.any()
    assert "final_obs" not in infos


@pytest.mark.parametrize("mode", MODES)
def test_the_vector_goes_on_with_a_new_episode_of_that_env(make: Make, mode: AutoresetMode):
    envs = make(mode)
    with pytest.raises(EnvError):
        envs.step(but(1, RAISE))
    if mode is AutoresetMode.DISABLED:
        with pytest.raises(errors.ResetNeededError):
            envs.step(NONE)
        observations, _ = envs.reset(options=reset_of(1))
        assert observations[1, 0] == 0
        expected = [2, 1, 2, 2]
    else:
        expected = [2, 0, 2, 2]  # env 1 was reset
    observations, rewards, terminations, truncations, _ = envs.step(NONE)
    np.testing.assert_array_equal(observations[:, 0], expected)
    np.testing.assert_array_equal(rewards, np.minimum(expected, 1))
    assert not (terminations | truncations).any()
    np.testing.assert_array_equal(envs.step(NONE)[0][:, 0], np.array(expected) + 1)


def test_all_failures_of_a_step_are_told_in_order(make: Make):
    envs = make()
    for _ in range(3):
        with pytest.raises(EnvError, match=r"and 3 more") as caught:
            envs.step(np.full(NUM_ENVS, RAISE))
        assert [env for env, _ in caught.value.failures] == [0, 1, 2, 3]
        assert not caught.value.batch[0].any()
        assert not envs.step(NONE)[0][:, 0].any()


@pytest.mark.parametrize("mode", MODES)
def test_an_autoreset_that_fails_is_told(make: Make, mode: AutoresetMode):
    envs = make(mode)
    ends = but(1, make.fails_in_its_next_reset)
    if mode is not AutoresetMode.SAME_STEP:
        assert envs.step(ends)[2][1]
    renew = {
        AutoresetMode.NEXT_STEP: lambda: envs.step(NONE),
        AutoresetMode.SAME_STEP: lambda: envs.step(ends),
        AutoresetMode.DISABLED: lambda: envs.reset(options=reset_of(1)),
    }[mode]
    with pytest.raises(EnvError, match="env 1: ") as caught:
        renew()
    assert caught.value.env_index == 1
    assert not caught.value.batch[0][1].any()
    if mode is AutoresetMode.DISABLED:
        envs.reset(options=reset_of(1))
    result = envs.step(NONE)
    assert not (result[2] | result[3]).any()


def test_the_batch_of_an_error_is_in_the_callers_arrays(make: Make):
    envs = make()
    observations, rewards = np.full((NUM_ENVS, 2), 9.0, np.float32), np.full(NUM_ENVS, 9.0)
    with pytest.raises(EnvError) as caught:
        envs.step(but(3, RAISE), out=(observations, rewards))
    assert caught.value.batch[0] is observations
    assert caught.value.batch[1] is rewards
    np.testing.assert_array_equal(observations[:, 0], [1, 1, 1, 0])
    np.testing.assert_array_equal(rewards, [1, 1, 1, 0])


def test_the_batch_of_an_error_is_safe_to_keep(make: Make):
    envs = make()
    with pytest.raises(EnvError) as caught:
        envs.step(but(3, RAISE))
    copies = [array.copy() for array in caught.value.batch[:4]]
    for _ in range(20):
        envs.step(NONE)
    assert_same(list(caught.value.batch[:4]), copies)


def test_the_error_of_an_env_in_flight_comes_with_its_batch(make: Make):
    envs = make(batch_size=2)
    envs.async_reset(seed=0)
    for _ in range(2):
        envs.recv(timeout=60)
    envs.send(but(3, RAISE), np.arange(NUM_ENVS))
    failed = []
    for _ in range(2):
        try:
            batch = envs.recv(timeout=60)
        except EnvError as error:
            batch = error.batch
            failed += [env for env, _ in error.failures]
        ids = batch[4]["env_id"]
        np.testing.assert_array_equal(batch[3], ids == 3)
        np.testing.assert_array_equal(batch[1], np.where(ids == 3, 0, 1))
    assert failed == [3]
    envs.send(NONE, np.arange(NUM_ENVS))
    seen = {}
    for _ in range(2):
        observations, _, _, _, infos = envs.recv(timeout=60)
        seen |= dict(zip(infos["env_id"].tolist(), observations[:, 0].tolist(), strict=True))
    assert seen == {0: 2, 1: 2, 2: 2, 3: 0}
