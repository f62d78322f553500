"""async_reset, send and recv called wrongly: an error that says why, and nothing is handed in, stepped or seeded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastvec
from fastvec.errors import ActionTypeError, AsyncStateError, InvalidActionError, ResetNeededError
from support.backends import make_on


def received_of(envs: fastvec.VectorEnv) -> list[int]:
    """Reset all of them and receive a batch: its ids are those of the idle envs, the others are in flight."""
    envs.async_reset(seed=0)
    return envs.recv(timeout=60)[4]["env_id"].tolist()


@pytest.fixture
def envs(python_or_native: str, closing: Any) -> fastvec.VectorEnv:
    """Four CartPoles, received two at a time."""
    return closing(make_on(python_or_native, "CartPole-v1", 4, batch_size=2))


@pytest.fixture
def idle(envs: fastvec.VectorEnv) -> list[int]:
    """The two of them that are idle."""
    return received_of(envs)


def test_recv_with_nothing_in_flight(python_or_native: str, closing: Any):
    envs = closing(make_on(python_or_native, "CartPole-v1", 2))
    with pytest.raises(AsyncStateError, match=r"envs in flight, got (none; call async_reset|0)"):
        envs.recv()
    received_of(envs)
    for timeout in (None, 0.0, 1.0):
        with pytest.raises(AsyncStateError, match="at least batch_size=2 envs in flight, got 0"):
            envs.recv(timeout)


def test_recv_with_too_few_in_flight(python_or_native: str, closing: Any):
    envs = closing(make_on(python_or_native, "CartPole-v1", 4, batch_size=3))
    idle = received_of(envs)
    with pytest.raises(AsyncStateError, match="batch_size=3 envs in flight, got 1"):
        envs.recv()
    envs.send(np.zeros(2, np.int64), idle[:2])
    envs.recv(timeout=60)


def test_send_before_any_reset(envs: fastvec.VectorEnv):
    with pytest.raises(ResetNeededError, match="async_reset"):
        envs.send(np.zeros(1, np.int64), [0])
    with pytest.raises(ResetNeededError):
        envs.step(np.zeros(4, np.int64))
    received_of(envs)


BAD_SENDS: dict[str, tuple[Any, type, str]] = {
    "twice": (lambda idle, flying: [idle[0], idle[0]], ValueError, "once, got {0} twice"),
    "too large": (lambda idle, flying: [idle[0], 4], ValueError, "from 0 to 3, got 4"),
    "negative": (lambda idle, flying: [idle[0], -1], ValueError, "from 0 to 3, got -1"),
    "in flight": (lambda idle, flying: [idle[0], flying[0]], AsyncStateError, "got env {1}, which is in flight"),
    "floats": (lambda idle, flying: [float(idle[0]), 1.0], TypeError, "array of integers"),
    "bools": (lambda idle, flying: np.array([True, True]), TypeError, "array of integers"),
    "a number": (lambda idle, flying: idle[0], TypeError, "one-dimensional"),
    "a matrix": (lambda idle, flying: [idle], TypeError, "one-dimensional"),
    "strings": (lambda idle, flying: ["0", "1"], TypeError, "array of integers"),
    "none": (lambda idle, flying: None, TypeError, "array of integers"),
    "too few": (lambda idle, flying: idle[:1], InvalidActionError, r"shape \(1,\), got shape \(2,\)"),
}


@pytest.mark.parametrize("name", BAD_SENDS)
def test_bad_ids_hand_in_nothing(name: str, envs: fastvec.VectorEnv, idle: list[int]):
    make, kind, message = BAD_SENDS[name]
    flying = [env for env in range(4) if env not in idle]
    with pytest.raises(kind, match=message.format(idle[0], flying[0])):
        envs.send(np.zeros(2, np.int64), make(idle, flying))
    assert sorted(envs.recv(timeout=60)[4]["env_id"].tolist()) == flying
    envs.send(np.zeros(4, np.int64), np.arange(4))


BAD_ACTIONS: dict[str, tuple[np.ndarray, type[Exception]]] = {
    "no such action": (np.array([0, 2]), InvalidActionError),
    "floats": (np.zeros(2), ActionTypeError),
    "too many": (np.zeros(3, np.int64), InvalidActionError),
}


@pytest.mark.parametrize("name", BAD_ACTIONS)
def test_bad_actions_hand_in_nothing(name: str, python_or_native: str, envs: fastvec.VectorEnv, idle: list[int]):
    actions, kind = BAD_ACTIONS[name]
    if python_or_native != "native" and name != "too many":
        pytest.skip("what a Python env takes is for the env to say")
    with pytest.raises(kind):
        envs.send(actions, idle)
    envs.recv(timeout=60)
    with pytest.raises(AsyncStateError):
        envs.recv()
    envs.send(np.zeros(2, np.int64), idle)


def test_sending_no_env_is_allowed(envs: fastvec.VectorEnv, idle: list[int]):
    envs.send(np.zeros(0, np.int64), np.zeros(0, np.int64))
    envs.send(np.zeros(0, np.int64), [])
    envs.send(np.zeros(2, np.uint8), np.array(idle, np.uint16))
    assert envs.recv(timeout=60)[0].shape == (2, 4)


IN_FLIGHT_CALLS: dict[str, Any] = {
    "step": lambda envs, state: envs.step(np.zeros(4, np.int64)),
    "reset": lambda envs, state: envs.reset(seed=9),
    "get_state": lambda envs, state: envs.get_state(),
    "set_state": lambda envs, state: envs.set_state(state),
    "async_reset": lambda envs, state: envs.async_reset(),
    "np_random": lambda envs, state: envs.np_random,
    "get_attr": lambda envs, state: envs.get_attr("state"),
    "set_attr": lambda envs, state: envs.set_attr("np_random", [np.random.default_rng()] * 4),
}


@pytest.mark.parametrize("name", IN_FLIGHT_CALLS)
def test_calls_that_need_all_envs_are_refused_in_flight(name: str, envs: fastvec.VectorEnv):
    state = envs.get_state()
    received_of(envs)
    with pytest.raises(AsyncStateError, match="in flight"):
        IN_FLIGHT_CALLS[name](envs, state)
    envs.recv(timeout=60)
    IN_FLIGHT_CALLS[name](envs, state)


def test_async_reset_of_idle_envs_while_others_fly(envs: fastvec.VectorEnv, idle: list[int]):
    mask = np.zeros(4, bool)
    mask[idle] = True
    with pytest.raises(AsyncStateError, match="in flight"):
        envs.async_reset(options={"reset_mask": ~mask})
    envs.async_reset(options={"reset_mask": mask})
    assert sorted(id for _ in range(2) for id in envs.recv(timeout=60)[4]["env_id"]) == [0, 1, 2, 3]
