"""reset_async/reset_wait, step_async/step_wait, call_async/call_wait: AsyncVectorEnv's states and errors, and
SyncVectorEnv's bytes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.vector.async_vector_env import AsyncState

import fastvec
from fastvec.errors import AsyncStateError, InvalidActionError, ResetNeededError
from support.backends import WITH_SYNC_VECTOR_ENV, make_on
from support.gated import BLOCK, GO_ON, RAISE
from support.native import MODES, assert_same, thread_count, wait_until

# -- the bytes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", ["CartPole-v1", "MountainCarContinuous-v0"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("backend", WITH_SYNC_VECTOR_ENV)
def test_two_halves_give_the_bytes_of_sync_vector_env(backend: str, mode: AutoresetMode, env_id: str, closing: Any):
    made = [lambda: gymnasium.make(env_id, max_episode_steps=9)] * 3
    envs = closing(make_on(backend, env_id, 3, autoreset_mode=mode, max_episode_steps=9))
    oracle = closing(SyncVectorEnv(made, autoreset_mode=mode))
    oracle.action_space.seed(1)
    envs.reset_async(seed=7)
    assert envs._state is AsyncState.WAITING_RESET
    results = [(envs.reset_wait(), oracle.reset(seed=7))]
    for turn in range(40):
        actions = oracle.action_space.sample()
        expected = oracle.step(actions)
        envs.step_async(actions)
        assert envs._state is AsyncState.WAITING_STEP
        actions[...] = 0  # they are the caller's again
        results.append((envs.step_wait(timeout=60 if turn % 2 else None), expected))
        ended = expected[2] | expected[3]
        if mode is AutoresetMode.DISABLED and ended.any():
            mask = ended.copy()
            envs.reset_async(seed=[5, None, 6], options={"reset_mask": mask})
            mask[:] = False
            results.append((envs.reset_wait(), oracle.reset(seed=[5, None, 6], options={"reset_mask": ended.copy()})))
    for turn, (one, other) in enumerate(results):  # all held until now
        assert_same(one, other, f"call {turn}")
    assert envs._state is AsyncState.DEFAULT
    assert_same(envs.step(oracle.action_space.sample() * 0), oracle.step(oracle.action_space.sample() * 0))


@pytest.mark.parametrize("backend", WITH_SYNC_VECTOR_ENV)
def test_two_halves_write_into_the_callers_arrays(backend: str, closing: Any):
    envs, twin = closing(make_on(backend, "CartPole-v1", 3)), closing(make_on(backend, "CartPole-v1", 3))
    out = (np.zeros((3, 4), np.float32), np.zeros(3), np.zeros(3, np.bool_), np.zeros(3, np.bool_))
    envs.reset_async(seed=0, out=out[:1])
    assert envs.reset_wait()[0] is out[0]
    assert_same(out[0], twin.reset(seed=0)[0])
    envs.step_async(np.ones(3, np.int64), out=out)
    result = envs.step_wait()
    assert all(one is other for one, other in zip(result[:4], out, strict=True))
    assert_same(out, twin.step(np.ones(3, np.int64))[:4])


@pytest.mark.parametrize("backend", WITH_SYNC_VECTOR_ENV)
def test_calls_in_two_halves(backend: str, closing: Any):
    envs = closing(make_on(backend, "CartPole-v1", 3))
    oracle = closing(SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 3))
    for one in (envs, oracle):
        one.reset(seed=2)
        one.set_attr("gravity", [1.0, 2.0, 3.0])
    for name in ("gravity", "np_random_seed", "state"):
        envs.call_async(name)
        assert envs._state is AsyncState.WAITING_CALL
        result = envs.call_wait(timeout=60)
        assert isinstance(result, tuple)
        assert_same(result, oracle.call(name))
    envs.call_async("nothing_of_this_name")
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        envs.call_wait()
    assert envs._state is AsyncState.DEFAULT
    assert_same(envs.step(np.zeros(3, np.int64)), oracle.step(np.zeros(3, np.int64)))


def test_atari_in_two_halves(closing: Any):
    pytest.importorskip("ale_py")
    envs, twin = (closing(fastvec.make_vec("ALE/Pong-v5", 2)) for _ in range(2))
    envs.reset_async(seed=3)
    with pytest.raises(AlreadyPendingCallError):
        envs.step(np.zeros(2, np.int64))
    assert_same(envs.reset_wait(timeout=60), twin.reset(seed=3))
    for turn in range(4):
        actions = np.array([turn % 6, 2])
        envs.step_async(actions)
        for name, arguments in (("step_async", (actions,)), ("send", (actions, [0, 1])), ("get_attr", ("spec",))):
            with pytest.raises(AlreadyPendingCallError):
                getattr(envs, name)(*arguments)
        assert_same(envs.step_wait(timeout=60 if turn % 2 else None), twin.step(actions))
    envs.call_async("get_action_meanings")
    assert envs.call_wait() == twin.call("get_action_meanings")
    envs.step_async(actions)
    with pytest.warns(UserWarning, match="pending call to `step`"):
        envs.close()


# -- states and errors --------------------------------------------------------------------------------------

ACTIONS = np.zeros(2, np.int64)
CALLS: dict[str, Callable[[Any], Any]] = {
    "reset": lambda envs: envs.reset(seed=1),
    "step": lambda envs: envs.step(ACTIONS),
    "call": lambda envs: envs.call("gravity"),
    "get_attr": lambda envs: envs.get_attr("gravity"),
    "set_attr": lambda envs: envs.set_attr("gravity", 9.8),
    "render": lambda envs: envs.render(),
    "np_random": lambda envs: envs.np_random,
    "reset_async": lambda envs: envs.reset_async(),
    "step_async": lambda envs: envs.step_async(ACTIONS),
    "call_async": lambda envs: envs.call_async("gravity"),
    "reset_wait": lambda envs: envs.reset_wait(),
    "step_wait": lambda envs: envs.step_wait(),
    "call_wait": lambda envs: envs.call_wait(),
}
BEGINNINGS = {"reset": "reset_async", "step": "step_async", "call": "call_async", "nothing": None, "close": "close"}


@pytest.fixture(scope="module")
def async_outcomes() -> dict[tuple[str, str], tuple[type | None, str | None, AsyncState]]:
    """What AsyncVectorEnv does: per pending call and next call the error, its name and the state afterwards."""
    outcomes = {}
    envs: Any = AsyncVectorEnv([lambda: gymnasium.make("CartPole-v1", render_mode="rgb_array")] * 2, context="fork")
    for pending, begin in BEGINNINGS.items():
        for name in CALLS if pending != "close" else ():
            outcomes[pending, name] = outcome(envs, begin, name)
    envs.close()
    for name in set(CALLS):
        outcomes["close", name] = outcome(envs, None, name)
    return outcomes


def outcome(envs: Any, begin: str | None, name: str) -> tuple[type | None, str | None, AsyncState]:
    if not envs.closed:
        envs.reset(seed=0)
        if begin == "close":
            envs.close()
        elif begin is not None:
            CALLS[begin](envs)
    try:
        CALLS[name](envs)
        error = None
    except (AlreadyPendingCallError, NoAsyncCallError, ClosedEnvironmentError) as raised:
        error = raised
    kinds = (AlreadyPendingCallError, NoAsyncCallError, ClosedEnvironmentError)
    kind = next((kind for kind in kinds if isinstance(error, kind)), None)
    state = envs._state
    if not envs.closed and state is not AsyncState.DEFAULT:
        getattr(envs, f"{state.value}_wait")()
    return kind, getattr(error, "name", None), state


@pytest.mark.parametrize("backend", WITH_SYNC_VECTOR_ENV)
def test_states_and_errors_are_those_of_async_vector_env(backend: str, async_outcomes: Any, closing: Any):
    envs = closing(make_on(backend, "CartPole-v1", 2, render_mode="rgb_array"))
    for (pending, name), expected in async_outcomes.items():
        if pending == "close":
            envs.close()
        begin = BEGINNINGS[pending] if pending != "close" else None
        actual = outcome(envs, begin, name)
        if pending == "close":  # the state of a closed vector means nothing
            assert actual[0] is expected[0], (pending, name)
        else:
            assert actual == expected, (pending, name)


@pytest.mark.parametrize("backend", WITH_SYNC_VECTOR_ENV)
def test_fastvecs_own_calls_while_one_is_pending(backend: str, closing: Any):
    envs = closing(make_on(backend, "CartPole-v1", 2, batch_size=1))
    envs.reset(seed=0)
    state = envs.get_state()
    calls = {
        "get_state": lambda: envs.get_state(),
        "set_state": lambda: envs.set_state(state),
        "async_reset": lambda: envs.async_reset(),
        "send": lambda: envs.send(ACTIONS, [0, 1]),
        "recv": lambda: envs.recv(),
    }
    for begin in ("reset_async", "step_async", "call_async"):
        CALLS[begin](envs)
        for name, call in calls.items():
            with pytest.raises(AlreadyPendingCallError, match=r"_wait` first") as caught:
                pytest.fail(f"{name} went through: {call()!r}")
            assert caught.value.name == begin.removesuffix("_async")
        getattr(envs, begin.replace("async", "wait"))()
    envs.async_reset()
    for begin in ("reset_async", "step_async", "call_async"):
        with pytest.raises(AsyncStateError, match="in flight"):
            CALLS[begin](envs)
    envs.recv(batch_size=2)
    envs.step_async(ACTIONS)
    envs.step_wait()


@pytest.mark.parametrize("backend", WITH_SYNC_VECTOR_ENV)
def test_what_cannot_begin_leaves_nothing_pending(backend: str, closing: Any):
    envs = closing(make_on(backend, "CartPole-v1", 2))
    with pytest.raises(ResetNeededError):
        envs.step_async(ACTIONS)
    envs.reset(seed=0)
    with pytest.raises(InvalidActionError):
        envs.step_async(np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="length must match"):
        envs.reset_async(seed=[1])
    with pytest.raises(TypeError):
        envs.reset_async(options={"reset_mask": [True, False]})
    assert envs._state is AsyncState.DEFAULT
    envs.step_async(ACTIONS)
    envs.step_wait()


def test_an_env_error_comes_from_the_waiting_half(gated: Any):
    gated.reset(seed=0)
    gated.step_async(np.array([GO_ON, RAISE]))
    with pytest.raises(fastvec.EnvError) as caught:
        gated.step_wait()
    assert caught.value.env_index == 1
    assert caught.value.batch[0][0, 0] == 1.0
    assert gated._state is AsyncState.DEFAULT
    with pytest.raises(NoAsyncCallError):
        gated.step_wait()
    gated.step(ACTIONS)


# -- time ---------------------------------------------------------------------------------------------------


def test_a_step_goes_on_while_the_caller_does_something_else(gated: Any):
    gated.reset(seed=0)
    gated.step_async(np.array([BLOCK, GO_ON]))
    wait_until(Path(f"{gated.gate}.entered").exists)  # it began without being waited for
    with pytest.raises(AlreadyPendingCallError):
        gated.get_attr("render_mode")
    gated.gate.touch()
    assert gated.step_wait()[0][:, 0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("pending", ["reset", "step", "call"])
def test_close_warns_of_a_pending_call_as_async_vector_env_does(pending: str, closing: Any):
    seen = []
    makers: list[Callable[[], Any]] = [
        lambda: AsyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 2, context="fork"),
        *(lambda backend=backend: make_on(backend, "CartPole-v1", 2) for backend in WITH_SYNC_VECTOR_ENV),  # type: ignore[misc]
    ]
    for maker in makers:
        envs = closing(maker())
        envs.reset(seed=0)
        CALLS[BEGINNINGS[pending]](envs)  # type: ignore[index]
        with pytest.warns(UserWarning, match="pending call") as caught:
            envs.close()
        seen += [(str(one.message), one.filename) for one in caught]
        assert envs.closed
        envs.close()  # once is enough
    assert len(seen) == len(makers)
    assert len({message for message, _ in seen}) == 1
    assert {filename for _, filename in seen[1:]} == {__file__}


def test_close_closes_where_the_warning_of_a_pending_call_is_an_error(closing: Any):
    for backend in WITH_SYNC_VECTOR_ENV:
        envs = closing(make_on(backend, "CartPole-v1", 2))
        envs.reset(seed=0)
        envs.step_async(ACTIONS)
        with pytest.raises(UserWarning, match="pending call"):  # as this test run is set up
            envs.close()
        assert envs.closed


def test_a_vector_with_a_pending_call_closes(gated: Any):
    threads = thread_count()
    gated.reset(seed=0)
    gated.step_async(np.array([BLOCK, GO_ON]))
    wait_until(Path(f"{gated.gate}.entered").exists)
    closer = threading.Thread(target=gated.close)

    def close() -> None:
        closer.start()
        gated.gate.touch()
        closer.join(60)

    with pytest.warns(UserWarning, match="Calling `close` while waiting for a pending call to `step`"):
        close()
    assert gated.closed
    assert thread_count() <= threads
    for call in (gated.step_wait, lambda: gated.step_async(ACTIONS)):
        with pytest.raises(ClosedEnvironmentError):
            call()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_while_waiting_loses_nothing(gated: Any):
    gated.reset(seed=0)
    gated.step_async(np.array([BLOCK, GO_ON]))
    wait_until(Path(f"{gated.gate}.entered").exists)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            gated.step_wait()
        timer.join()
    finally:
        signal.signal(signal.SIGINT, previous)
    gated.gate.touch()
    assert gated.step_wait()[0][:, 0].tolist() == [1.0, 1.0]


def test_a_vector_that_is_dropped_with_a_pending_step_ends_its_thread():
    threads = thread_count()
    envs = make_on("native", "CartPole-v1", 2)
    envs.reset(seed=0)
    envs.step_async(ACTIONS)
    del envs
    assert thread_count() == threads


def test_results_of_two_halves_share_their_memory_with_nobody():
    envs = make_on("native", "CartPole-v1", 2)
    envs.reset(seed=0)
    held = []
    for _ in range(20):
        envs.step_async(ACTIONS)
        held.append(envs.step_wait()[0])
    assert len({array.__array_interface__["data"][0] for array in held}) == len(held)
    envs.close()
