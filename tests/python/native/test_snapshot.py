"""get_state and set_state: going on bit for bit, and refusing all other bytes."""

from __future__ import annotations

import base64
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

import fastvec
from fastvec.errors import StateError
from support.native import MODES, assert_same, cartpoles

ENVS = ["CartPole-v1", "Pendulum-v1", "MountainCarContinuous-v0", "Acrobot-v1"]
ENVS += [env_id for env_id in ("Taxi-v4", "Blackjack-v1", "FrozenLake-v1") if env_id in fastvec.list_envs()]


def run(envs: fastvec.VectorEnv, steps: int, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    results = []
    for _ in range(steps):
        single = envs.single_action_space
        if hasattr(single, "n"):
            actions = rng.integers(0, single.n, envs.num_envs)
        else:
            actions = rng.uniform(-1, 1, envs.action_space.shape).astype(np.float32)
        results.append(envs.step(actions))
        done = results[-1][2] | results[-1][3]
        if envs.autoreset_mode is AutoresetMode.DISABLED and done.any():
            results.append(envs.reset(options={"reset_mask": done}))
    return results


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", ENVS)
def test_the_same_vector_goes_on_bit_for_bit(env_id: str, mode: AutoresetMode):
    envs = fastvec.make_vec(env_id, 5, autoreset_mode=mode, max_episode_steps=13)
    envs.reset(seed=3)
    run(envs, 20, 0)
    state = envs.get_state()
    expected = run(envs, 40, 1)
    envs.set_state(state)
    assert envs.get_state() == state
    assert_same(run(envs, 40, 1), expected)


@pytest.mark.parametrize("env_id", ENVS)
@pytest.mark.parametrize("threads", [(1, 4), (4, 1)])
def test_a_new_vector_goes_on_bit_for_bit(env_id: str, threads: tuple[int, int]):
    first = fastvec.make_vec(env_id, 5, num_threads=threads[0], max_episode_steps=13)
    first.reset(seed=3)
    run(first, 20, 0)
    state = first.get_state()
    second = fastvec.make_vec(env_id, 5, num_threads=threads[1], max_episode_steps=13)
    second.set_state(state)  # without any reset
    assert_same(run(second, 40, 1), run(first, 40, 1))


def test_time_limit_and_pending_resets_are_part_of_the_state():
    envs = cartpoles(2, max_episode_steps=5)
    envs.reset(seed=0)
    for _ in range(4):
        envs.step(np.array([0, 1]))
    state = envs.get_state()
    assert envs.step(np.array([0, 1]))[3].all()
    pending = envs.get_state()
    other = cartpoles(2, max_episode_steps=5)
    other.set_state(state)
    assert other.step(np.array([0, 1]))[3].all()
    other.set_state(pending)
    expected = envs.step(np.array([0, 1]))
    assert not expected[3].any()
    assert_same(other.step(np.array([0, 1])), expected)


def test_a_vector_never_reset_saves_that_too():
    state = cartpoles(2).get_state()
    envs = cartpoles(2)
    envs.reset(seed=0)
    envs.set_state(state)
    with pytest.raises(fastvec.errors.ResetNeededError):
        envs.step(np.zeros(2, np.int64))


def test_single_envs_are_saved_and_moved():
    envs = cartpoles(4)
    envs.reset(seed=0)
    run(envs, 10, 0)
    twin = cartpoles(4)
    twin.set_state(envs.get_state())
    piece = envs.get_state([2])
    envs.set_state(piece, [0])
    result, expected = envs.step(np.ones(4, np.int64)), twin.step(np.ones(4, np.int64))
    np.testing.assert_array_equal(result[0][0], expected[0][2])  # env 0 goes on as env 2
    np.testing.assert_array_equal(result[0][1:], expected[0][1:])
    envs.set_state(twin.get_state([3, 1]), np.array([1, 3]))
    after, again = envs.step(np.zeros(4, np.int64))[0], twin.step(np.zeros(4, np.int64))[0]
    np.testing.assert_array_equal(after[[1, 3]], again[[3, 1]])


def test_state_on_the_heap_is_saved(rich: str):
    envs, other = fastvec.make_vec(rich, 3), fastvec.make_vec(rich, 3)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    actions = [envs.action_space.sample() for _ in range(30)]
    for action in actions[:10]:
        envs.step(action)
    other.set_state(envs.get_state())
    for action in actions[10:]:
        assert_same(other.step(action), envs.step(action))
    assert_same(other.get_state([1]), envs.get_state([1]))


def test_state_of_an_asynchronous_vector():
    envs, other = cartpoles(3, batch_size=3), cartpoles(3)
    envs.async_reset(seed=0)
    envs.recv()
    envs.send(np.ones(3, np.int64), np.arange(3))
    envs.recv()
    other.set_state(envs.get_state())
    assert_same(other.step(np.zeros(3, np.int64)), envs.step(np.zeros(3, np.int64)))


def test_the_state_may_come_in_any_bytes():
    envs = cartpoles(2)
    envs.reset(seed=0)
    state = envs.get_state()
    assert type(state) is bytes
    for form in (bytearray(state), memoryview(state)):
        envs.set_state(form)
    assert envs.get_state() == state


def test_the_generators_seed_is_unknown_after_set_state():
    envs = cartpoles(2)
    envs.reset(seed=3)
    envs.set_state(envs.get_state([0]), [1])
    assert envs.np_random_seed == (3, -1)


# -- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["text", 3, None, np.zeros(3), [1, 2]])
def test_what_is_no_bytes_is_refused(state: Any):
    envs = cartpoles(2)
    with pytest.raises(TypeError, match=type(state).__name__):
        envs.set_state(state)


def foreign() -> dict[str, tuple[Any, str]]:
    return {
        "another id": (lambda: fastvec.make_vec("CartPole-v0", 3), "env_id='CartPole-v1', got .*'CartPole-v0'"),
        "other kwargs": (lambda: cartpoles(3, sutton_barto_reward=True), r"kwargs=\[False\], got .*\[True\]"),
        "more envs": (lambda: cartpoles(4), "num_envs=3, got .*num_envs=4"),
        "fewer envs": (lambda: cartpoles(2), "num_envs=3, got .*num_envs=2"),
    }


@pytest.mark.parametrize("name", foreign())
def test_foreign_states_are_refused(name: str):
    make, message = foreign()[name]
    envs, other = cartpoles(3), make()
    envs.reset(seed=0)
    other.reset(seed=1)
    before = envs.get_state()
    with pytest.raises(StateError, match=message):
        envs.set_state(other.get_state())
    assert envs.get_state() == before
    assert envs.np_random_seed == (0, 1, 2)


def test_another_format_version_is_refused():
    envs = cartpoles(2)
    state = bytearray(envs.get_state())
    for other in (state[8] + 1, 0):
        state[8] = other
        with pytest.raises(StateError, match=rf"format 2 or older, got format {other}"):
            envs.set_state(bytes(state))


# What get_state gave when time limits were no part of it: two CartPoles with a limit of 12 and a gravity of 9 and 11,
# 9 steps after reset(seed=[5, 6]).
FORMAT_1 = """
ZmFzdHZlYwABAAAAud3gWGEAAAB7ImFiaSI6IFsxLCAxXSwgImJ5dGVvcmRlciI6ICJsaXR0bGUiLCAiZW52X2lkIjogIkNhcnRQ
b2xlLXYxIiwgImt3YXJncyI6IFtmYWxzZV0sICJudW1fZW52cyI6IDJ9ldBJA/fW6nZ6mGzKeTbA4qS0apOMe2+vTSMQLXsLAk8A
AAAAAAAAAAkAAAAAAQsAIAAAAAAAAABSLp3UXt2UP6G5wGvvMMW/J5UbZkznlj+iUvjmOxnTPwAAAAAAACJAAAAAAAAA8D+amZmZ
mZm5P5qZmZmZmfE/AAAAAAAA4D+amZmZmZmpPwAAAAAAACRAexSuR+F6lD/V63vz6c7KPzMzMzMzMwNAAAAAAAAAAADR33d58y4q
WBAoIKC/NgAQAo0aWSHaIiRrNWm9Q+BLyQAAAAAAAAAACQAAAAEBCwAgAAAAAAAAAJsFqLr4JsI/xzVrW9nz+z8eeq4bJAbOv8C9
eFb10wbAAAAAAAAAJkAAAAAAAADwP5qZmZmZmbk/mpmZmZmZ8T8AAAAAAADgP5qZmZmZmak/AAAAAAAAJEB7FK5H4XqUP9Xre/Pp
zso/MzMzMzMzA0AAAAAAAAAAAA==
"""


def test_a_state_of_the_older_format_is_loaded():
    oracle = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1", max_episode_steps=12)] * 2)
    oracle.reset(seed=[5, 6])
    oracle.set_attr("gravity", [9.0, 11.0])
    for i in range(9):
        oracle.step(np.array([i % 2, 1]))
    envs = fastvec.make_vec("CartPole-v1", 2, max_episode_steps=12)
    envs.set_attr("_max_episode_steps", 3)
    envs.set_state(base64.b64decode(FORMAT_1))
    assert envs.get_attr("_max_episode_steps") == (12, 12)
    for i in range(30):
        assert_same(envs.step(np.array([i % 2, 1])), oracle.step(np.array([i % 2, 1])))


@pytest.mark.parametrize(
    ("env_ids", "kind"), [([9], IndexError), ([-1], IndexError), ([0.5], TypeError), (0, TypeError)]
)
def test_ids_that_are_none_are_refused(env_ids: Any, kind: type):
    envs = cartpoles(2)
    envs.reset(seed=0)
    with pytest.raises(kind):
        envs.get_state(env_ids)
    piece = envs.get_state([0])
    before = envs.get_state()
    with pytest.raises(kind):
        envs.set_state(piece, env_ids)
    assert envs.get_state() == before


@pytest.fixture(scope="module")
def saved() -> tuple[fastvec.VectorEnv, bytes]:
    envs = cartpoles(3)
    envs.reset(seed=0)
    run(envs, 15, 0)
    return envs, envs.get_state()


def test_every_truncation_is_refused(saved: tuple[fastvec.VectorEnv, bytes]):
    envs, state = saved
    for size in range(len(state)):
        with pytest.raises(StateError):
            envs.set_state(state[:size])
    assert envs.get_state() == state


def test_every_flipped_byte_is_refused(saved: tuple[fastvec.VectorEnv, bytes]):
    envs, state = saved
    for at in range(len(state)):
        for bit in (0x01, 0x80):
            with pytest.raises(StateError):
                envs.set_state(state[:at] + bytes([state[at] ^ bit]) + state[at + 1 :])
    assert envs.get_state() == state


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_states_are_refused(saved: tuple[fastvec.VectorEnv, bytes], data: st.DataObject):
    envs, state = saved
    first = data.draw(st.integers(0, len(state)))
    last = data.draw(st.integers(first, len(state)))
    damaged = state[:first] + data.draw(st.binary(max_size=40)) + state[last:]
    if damaged == state:
        return
    with pytest.raises(StateError):
        envs.set_state(damaged)
    assert envs.get_state() == state


def test_a_state_of_a_heap_that_lies_about_its_size_changes_nothing(rich: str):
    from fastvec.vector import state_format as snapshot

    envs = fastvec.make_vec(rich, 2)
    envs.reset(seed=0)
    before = envs.get_state()
    payload, _ = snapshot.unpack(before, envs._fingerprint(), 2)
    for size in range(len(payload)):  # well packed, with too little inside
        with pytest.raises(ValueError, match="set_state"):
            envs.set_state(snapshot.pack(payload[:size], envs._fingerprint(), 2))
    with pytest.raises(ValueError, match="got more"):
        envs.set_state(snapshot.pack(payload + b"x", envs._fingerprint(), 2))
    assert envs.get_state() == before
