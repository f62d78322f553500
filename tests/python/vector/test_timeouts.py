"""``recv(timeout)`` and the waiting halves of calls: the same contract on every backend.

How long one step takes is for the test to say (``make_gated``). That ``step`` of the process backend takes a timeout as
well is tested in its folder, and the games of ale-py in theirs.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.error import NoAsyncCallError
from gymnasium.vector.async_vector_env import AsyncState

from fastvec.errors import CallTimeoutError
from support.backends import NUM_ENVS, ZEROS, make_backend
from support.gated import BLOCK, GO_ON
from support.native import wait_until

# -- recv ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", ["soon", [1], float("nan")])
def test_timeouts_that_are_no_number_are_refused_and_lose_nothing(timeout: Any, backend: str, closing: Any):
    envs = closing(make_backend(backend))
    envs.async_reset(seed=0)
    with pytest.raises((TypeError, ValueError)):
        envs.recv(timeout)
    assert envs.num_in_flight == NUM_ENVS
    envs.recv(timeout=60)
    envs.send(ZEROS, np.arange(NUM_ENVS))
    envs.recv(timeout=60)
    envs.step_async(ZEROS)
    with pytest.raises((TypeError, ValueError)):
        envs.step_wait(timeout)
    envs.step_wait(60)


@pytest.mark.parametrize("timeout", [float("inf"), 1e300, 10**9, 5, np.float32(20)])
def test_long_timeouts_wait_long_enough(timeout: Any, make_gated: Callable[..., Any]):
    envs = make_gated(2)
    envs.reset(seed=0)
    envs.send([GO_ON, BLOCK], np.arange(2))
    wait_until(Path(f"{envs.gate}.entered").exists)
    opener = threading.Timer(0.03, envs.gate.touch)
    opener.start()
    assert envs.recv(timeout)[0].shape == (2, 2)
    opener.join()


def test_recv_that_times_out_loses_nothing(make_gated: Callable[..., Any]):
    envs, twin = make_gated(3), make_gated(3)
    envs.async_reset(seed=0)
    envs.recv(timeout=60)
    twin.reset(seed=0)
    envs.send([GO_ON, BLOCK, GO_ON], np.arange(3))
    wait_until(Path(f"{envs.gate}.entered").exists)
    for timeout in (0.0, 0.02, -1.0):
        with pytest.raises(TimeoutError, match=r"3\b.* finished") as caught:
            envs.recv(timeout)
        assert isinstance(caught.value, CallTimeoutError)
    assert envs.num_in_flight == 3
    envs.gate.touch()
    observations, rewards, _, _, infos = envs.recv(timeout=60)
    expected = twin.step(np.array([GO_ON, BLOCK, GO_ON]))
    np.testing.assert_array_equal(observations, expected[0][infos["env_id"]])
    np.testing.assert_array_equal(rewards, expected[1])


def test_a_slow_env_does_not_hold_up_the_others(make_gated: Callable[..., Any]):
    envs = make_gated(4, batch_size=1)
    envs.async_reset(seed=0)
    for _ in range(4):
        envs.recv(timeout=60)
    envs.send([BLOCK], [2])
    wait_until(Path(f"{envs.gate}.entered").exists)
    others = [0, 1, 3]
    envs.send([GO_ON] * 3, others)
    for _ in range(30):
        env = envs.recv(timeout=30)[4]["env_id"]
        assert env[0] in others
        envs.send([GO_ON], env)
    envs.gate.touch()
    assert sorted(int(envs.recv(timeout=30)[4]["env_id"][0]) for _ in range(4)) == [0, 1, 2, 3]


def test_a_batch_does_not_wait_for_a_slow_env(make_gated: Callable[..., Any]):
    envs = make_gated(4, batch_size=2)
    envs.reset(seed=0)
    envs.send([BLOCK, GO_ON, GO_ON, GO_ON], np.arange(4))
    assert 0 not in envs.recv(timeout=30)[4]["env_id"]
    with pytest.raises(TimeoutError):
        envs.recv(timeout=0.05)
    envs.gate.touch()
    assert 0 in envs.recv(timeout=30)[4]["env_id"]


# -- the waiting half of a call -----------------------------------------------------------------------------


def test_step_wait_that_times_out_loses_nothing(gated: Any):
    gated.reset(seed=0)
    gated.step_async(np.array([BLOCK, GO_ON]))
    for timeout in (0, 0.01, -1):
        with pytest.raises(multiprocessing.TimeoutError) as caught:
            gated.step_wait(timeout=timeout)
        assert isinstance(caught.value, (CallTimeoutError, TimeoutError))
        assert gated._state is AsyncState.DEFAULT
    gated.gate.touch()
    assert gated.step_wait(timeout=60)[0][:, 0].tolist() == [1.0, 1.0]
    assert gated.step(np.zeros(2, np.int64))[0][:, 0].tolist() == [2.0, 2.0]


def test_after_a_timeout_another_call_waits_and_drops(gated: Any):
    nothing = np.zeros(2, np.int64)
    gated.reset(seed=0)
    for begin in (gated.step, lambda actions: (gated.step_async(actions), gated.step_wait())[1]):
        gated.gate.unlink(missing_ok=True)
        before = gated.step(nothing)[0][0, 0]
        gated.step_async(np.array([BLOCK, GO_ON]))
        with pytest.raises(CallTimeoutError):
            gated.step_wait(timeout=0.01)
        gated.gate.touch()
        assert begin(nothing)[0][:, 0].tolist() == [before + 2] * 2
        with pytest.raises(NoAsyncCallError):
            gated.step_wait()
