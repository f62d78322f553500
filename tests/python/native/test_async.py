"""async_reset, send and recv of the engine: its threads, its infos, and what may not run beside a step.

What every backend has to do is in vector/test_async.py, test_async_misuse.py and test_timeouts.py.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastvec
from fastvec.errors import AsyncStateError
from support.gated import BLOCK, GO_ON
from support.native import cartpoles, wait_until


def test_infos_of_received_envs(rich: str):
    envs, twin = fastvec.make_vec(rich, 3, batch_size=3, num_threads=2), fastvec.make_vec(rich, 3)
    envs.async_reset(seed=1)
    received, expected = envs.recv(), twin.reset(seed=1)
    order = received[4].pop("env_id")
    np.testing.assert_array_equal(received[4]["count"], expected[1]["count"][order])
    np.testing.assert_array_equal(received[0]["image"], expected[0]["image"][order])
    envs.action_space.seed(0)
    for _ in range(12):
        actions = envs.action_space.sample()
        envs.send(actions, np.arange(3))
        received, expected = envs.recv(), twin.step(actions)
        order = received[4].pop("env_id")
        assert received[4].keys() == expected[4].keys()
        for key in received[4]:
            if key.startswith("_"):
                np.testing.assert_array_equal(received[4][key], expected[4][key][order])
        np.testing.assert_array_equal(received[0]["pair"][0], expected[0]["pair"][0][order])
        np.testing.assert_array_equal(received[1], expected[1][order])


def test_refused_async_reset_seeds_nothing():
    envs = cartpoles(2)
    envs.reset(seed=5)
    before = envs.get_state()
    with pytest.raises(ValueError, match="low"):
        envs.async_reset(seed=1, options={"low": 1.0, "high": 0.0})
    assert envs.get_state() == before
    assert envs.np_random_seed == (5, 6)


def test_what_a_thread_took_along_is_not_held_up_by_a_slow_env(faulty: str, tmp_path: Path):
    num_envs, gate = 64, tmp_path / "gate"
    envs = fastvec.make_vec(faulty, num_envs, num_threads=2, batch_size=num_envs - 1, gate=str(gate))
    envs.reset(seed=0)
    for _ in range(20):  # until the threads know how quick these envs are, and take many at a time
        envs.send([GO_ON] * (num_envs - 1), np.arange(num_envs - 1))
        envs.recv(30.0)
    for slow in (0, 1, 40):
        gate.unlink(missing_ok=True)
        Path(f"{gate}.entered").unlink(missing_ok=True)
        envs.send([BLOCK if env == slow else GO_ON for env in range(num_envs)], np.arange(num_envs))
        others = envs.recv(30.0)[4]["env_id"]
        assert sorted(others) == [env for env in range(num_envs) if env != slow]
        gate.touch()
        envs.send([GO_ON] * (num_envs - 2), others[1:])
        assert slow in envs.recv(30.0)[4]["env_id"]


def test_close_waits_for_the_env_that_is_stepping(faulty: str):
    envs = fastvec.make_vec(faulty, 8, num_threads=2, step_milliseconds=20.0)
    envs.async_reset(seed=0)
    envs.recv()
    envs.send(np.zeros(8, np.int64), np.arange(8))
    begin = time.process_time()
    envs.close()
    assert time.process_time() - begin < 5.0


@pytest.fixture(scope="module")
def exclusive(build: Any) -> str:
    """The id of an env that says when two calls of its table overlap: see tests/cpp/fixtures/exclusive.cpp."""
    fastvec.load_plugin(build("exclusive"))
    return "Exclusive-v0"


def test_calls_about_one_env_are_refused_while_envs_are_in_flight(exclusive: str, tmp_path: Path):
    gate = tmp_path / "gate"
    envs = fastvec.make_vec(exclusive, 2, batch_size=1, num_threads=1, render_mode="rgb_array", gate=str(gate))
    envs.reset(seed=0)
    before = envs.get_state()
    envs.send(np.array([1]), [0])  # it steps until the gate is there
    wait_until((tmp_path / "gate.entered").exists)
    calls = {
        "render": envs.render,
        "async_reset": lambda: envs.async_reset(
            options={"reset_mask": np.array([False, True]), "start": 1.0},
        ),
        "get_state": envs.get_state,
        "set_state": lambda: envs.set_state(before),
        "get_attr": lambda: envs.get_attr("wind"),
        "set_attr": lambda: envs.set_attr("wind", 2.0),
        "bytes_per_env": lambda: envs.bytes_per_env,
        "np_random": lambda: envs.np_random,
    }
    for name, call in calls.items():
        with pytest.raises(AsyncStateError, match="in flight"):
            pytest.fail(f"{name} went through: {call()!r}")
    envs.async_reset(options={"reset_mask": np.array([False, True])})  # without options there is nothing to check
    gate.touch()
    envs.recv(batch_size=2)
    for name, call in calls.items():
        call()
        if name == "async_reset":
            envs.recv()
    np.testing.assert_array_equal(envs.step(np.zeros(2, np.int64))[0], 0.0)  # overlaps that the env has seen
    envs.close()
