"""Wrong calls, order of calls, seeds, masks, state and closing: the same contract on every backend."""

from __future__ import annotations

import threading
from typing import Any

import gymnasium
import numpy as np
import pytest

import fastvec
from fastvec import errors
from support.backends import NUM_ENVS, ZEROS, make_backend
from support.sameness import assert_same


@pytest.mark.parametrize("actions", [np.zeros(NUM_ENVS - 1, np.int64), [0, 1], 1, ZEROS + 99, ZEROS - 1])
def test_wrong_actions_are_refused_before_anything_is_stepped(envs, twin, actions):
    if envs.spec.id == "CartPole-v1" and isinstance(envs, fastvec.process.ProcessVectorEnv) and np.size(actions) == 3:
        pytest.skip("what a Python env takes is for the env to say")
    with pytest.raises(errors.InvalidActionError):
        envs.step(actions)
    assert_same(envs.step(ZEROS)[:4], twin.step(ZEROS)[:4])


@pytest.mark.parametrize("seed", [-1, [1, 2], [1, 2, 3, 4], 1.5, "1"])
def test_wrong_seeds_are_refused_before_anything_is_reset(envs, twin, seed):
    with pytest.raises((ValueError, TypeError, gymnasium.error.Error)):
        envs.reset(seed=seed)
    assert_same(envs.step(ZEROS)[:4], twin.step(ZEROS)[:4])


@pytest.mark.parametrize(
    "mask", [[True, False, True], np.array([1, 0, 1]), np.array([True, False]), np.zeros(NUM_ENVS, bool)]
)
def test_wrong_reset_masks_are_refused_before_anything_is_reset(envs, twin, mask):
    with pytest.raises((ValueError, TypeError)):
        envs.reset(seed=5, options={"reset_mask": mask})
    assert_same(envs.step(ZEROS)[:4], twin.step(ZEROS)[:4])


def test_a_masked_reset_leaves_the_other_envs_alone(envs, twin):
    envs.step(ZEROS), twin.step(ZEROS)
    options = {"reset_mask": np.array([False, True, False])}
    envs.reset(seed=[7, 8, 9], options=options)
    assert list(options) == ["reset_mask"]
    assert envs.np_random_seed == (1, 8, 3)
    others = [0, 2]
    for array, other in zip(envs.step(ZEROS)[:4], twin.step(ZEROS)[:4], strict=True):
        assert_same(array[others], other[others])


def test_the_same_seed_gives_the_same_episodes_through_autoresets(envs, twin):
    generator = np.random.default_rng(0)
    ended = 0
    for _ in range(30):
        actions = generator.integers(0, 2, NUM_ENVS)
        batch, expected = envs.step(actions), twin.step(actions)
        assert_same(batch[:4], expected[:4])
        ended += int((batch[2] | batch[3]).sum())
    assert ended >= NUM_ENVS


def test_a_vector_made_from_its_spec_is_the_same(envs, closing):
    again = closing(fastvec.make_vec(envs.spec))
    assert type(again) is type(envs)
    assert (again.num_envs, again.autoreset_mode, again.spec) == (envs.num_envs, envs.autoreset_mode, envs.spec)
    assert_same(again.reset(seed=3)[0], envs.reset(seed=3)[0])
    assert_same(again.step(ZEROS)[:4], envs.step(ZEROS)[:4])


def test_a_state_goes_on_where_it_was_taken_or_is_not_offered(envs, backend):
    if backend == "ale":
        for call in (envs.get_state, lambda: envs.set_state(b"")):
            with pytest.raises(NotImplementedError):
                call()
        return
    envs.step(ZEROS)
    state = envs.get_state()
    expected = [envs.step(ZEROS)[:4] for _ in range(12)]
    envs.set_state(state)
    assert_same([envs.step(ZEROS)[:4] for _ in range(12)], expected)
    with pytest.raises((TypeError, ValueError)):
        envs.set_state(b"not a state")


def test_a_step_or_send_before_the_first_reset_is_refused(backend, closing):
    envs = closing(make_backend(backend))
    for call in (lambda: envs.step(ZEROS), lambda: envs.send(ZEROS, np.arange(NUM_ENVS))):
        with pytest.raises(errors.ResetNeededError):
            call()
    with pytest.raises(errors.AsyncStateError):
        envs.recv()
    envs.reset(seed=1)
    envs.step(ZEROS)


def test_envs_that_are_received_take_what_step_takes(envs, twin):
    envs.async_reset(seed=5)
    with pytest.raises(errors.AsyncStateError):
        envs.async_reset()
    twin.reset(seed=5)
    for _ in range(10):
        ids = envs.recv(timeout=60)[4]["env_id"]
        assert sorted(ids) == list(range(NUM_ENVS))
        with pytest.raises(errors.AsyncStateError):
            envs.recv()  # all are in the caller's hands
        for wrong, error in (([0, 0, 1], ValueError), ([0, 1, 3], ValueError), ([0.0, 1.0, 2.0], TypeError)):
            with pytest.raises(error):
                envs.send(ZEROS, wrong)
        actions = np.arange(NUM_ENVS) % 2
        envs.send(actions[ids], ids)
        batch, expected = envs.recv(timeout=60), twin.step(actions)
        order = batch[4]["env_id"]
        for array, other in zip(batch[:4], expected[:4], strict=True):
            assert_same(array, other[order])
        envs.send(actions[order], order)
        twin.step(actions)
    envs.recv(timeout=60)


def test_a_second_thread_is_refused_while_a_call_runs(backend, closing):
    if backend in ("native", "inline"):
        pytest.skip("their steps are too short to be met; they have tests with a gate")
    envs = closing(make_backend(backend, **({"frameskip": 2000} if backend == "ale" else {})))
    envs.reset(seed=1)
    refused: list[str] = []
    stop = threading.Event()

    def step_on() -> None:
        while not (refused or stop.is_set()):
            try:
                envs.step(ZEROS)
            except RuntimeError as error:
                refused.append(str(error))

    thread = threading.Thread(target=step_on)
    thread.start()
    for _ in range(20_000):
        if refused:
            break
        try:
            envs.step(ZEROS)
        except RuntimeError as error:
            refused.append(str(error))
    stop.set()
    thread.join()
    assert refused
    assert all("another thread" in text for text in refused)
    envs.step(ZEROS)


def calls(envs: Any, state: bytes) -> dict[str, Any]:
    """Every call that needs the envs."""
    return {
        "reset": envs.reset,
        "step": lambda: envs.step(ZEROS),
        "async_reset": envs.async_reset,
        "send": lambda: envs.send(ZEROS, np.arange(NUM_ENVS)),
        "recv": envs.recv,
        "reset_async": envs.reset_async,
        "step_async": lambda: envs.step_async(ZEROS),
        "render": envs.render,
        "get_state": envs.get_state,
        "set_state": lambda: envs.set_state(state),
        "call": lambda: envs.call("spec"),
        "get_attr": lambda: envs.get_attr("spec"),
        "set_attr": lambda: envs.set_attr("np_random", [np.random.default_rng()] * NUM_ENVS),
        "np_random": lambda: envs.np_random,
    }


@pytest.mark.parametrize("in_flight", [False, True])
def test_after_close_every_call_is_refused_and_close_again_does_nothing(backend, in_flight):
    envs = make_backend(backend)
    state = b"" if backend == "ale" else envs.get_state()
    if in_flight:
        envs.async_reset(seed=1)
    for _ in range(3):
        envs.close()
        assert envs.closed
        for name, call in calls(envs, state).items():
            if name == "np_random" and backend == "ale":  # which has none, open or closed
                continue
            with pytest.raises(errors.ClosedError, match="closed") as caught:
                call()
            assert isinstance(caught.value, gymnasium.error.ClosedEnvironmentError), name
