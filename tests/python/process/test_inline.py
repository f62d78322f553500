"""num_workers=0: Python envs in the calling process. What is true with workers as well is tested beside them."""

from __future__ import annotations

import gc
import os
import signal
import threading
import weakref

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

import fastvec
from fastvec import errors
from support.compare import assert_same
from support.sample_envs import Faulty, Scripted, UnevenInfos

NONE = np.zeros(4, np.int64)


@pytest.fixture
def make(closing):
    return lambda env_fn=Faulty, num_envs=4, **options: closing(
        fastvec.make_vec(env_fn, num_envs, num_workers=0, **options)
    )


def test_envs_live_in_the_calling_process(make):
    envs = make()
    assert envs.num_workers == 0
    assert envs.call("pid") == (os.getpid(),) * 4


def test_options_of_workers_mean_nothing(make):
    envs = make(lambda: Faulty(), context="spawn", restart_workers=True, threads_per_worker=3)
    envs.reset()
    envs.step(NONE)


def test_a_spec_makes_an_equal_vector(closing):
    envs = closing(fastvec.make_vec("CartPole-v1", 3, backend="process", num_workers=0))
    assert closing(fastvec.make_vec(envs.spec)).num_workers == 0


class Hoarding(Scripted):
    """Keeps the actions that it is given."""

    def step(self, action):
        self.kept = getattr(self, "kept", [])
        self.kept.append(action)
        return super().step(action)


def test_actions_that_envs_keep_are_not_changed_by_the_caller(make):
    envs = make(lambda: Hoarding(spaces.Box(-1, 1, (2,)), spaces.Box(-1, 1, (3,))))
    envs.reset(seed=1)
    actions = np.full((4, 3), 0.5, np.float32)
    envs.step(actions)
    actions[:] = 7.0
    envs.step(actions)
    assert_same(envs.get_attr("kept")[2], [np.full(3, 0.5, np.float32), np.full(3, 7.0, np.float32)])


def test_what_is_got_and_set_is_a_copy(make):
    envs = make()
    value = {"mine": [1]}
    envs.set_attr("label", value)
    value["mine"].append(2)
    (got, *_) = envs.get_attr("label")
    got["mine"].append(3)
    assert envs.get_attr("label") == ({"mine": [1]},) * 4
    envs.reset(seed=1)
    before = envs.np_random[0].random()
    assert envs.np_random[0].random() == before


def test_infos_may_hold_what_cannot_be_pickled(make):
    envs = make()
    envs.reset()
    infos = envs.step(np.array([0, 0, Faulty.UNPICKLABLE, 0]))[4]
    assert list(infos["_lock"]) == [False, False, True, False]
    assert infos["lock"][2].acquire(blocking=False)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_infos_of_few_and_of_many_envs_are_those_of_sync_vector_env(count, make, closing):
    env_fns = [lambda: UnevenInfos(spaces.Box(-1, 1, (2,)))] * count
    envs = make(env_fns, count, autoreset_mode="SameStep")
    sync = closing(SyncVectorEnv(env_fns, autoreset_mode="SameStep"))
    assert_same(envs.reset(seed=2), sync.reset(seed=2))
    for _ in range(40):
        assert_same(envs.step(np.zeros(count, np.int64)), sync.step(np.zeros(count, np.int64)))


def test_large_batches_use_their_memory_again(make):
    envs = make(lambda: Scripted(spaces.Box(0, 255, (64, 1024), np.uint8)))
    envs.reset(seed=1)
    held = [envs.step(NONE)[0] for _ in range(3)]
    copies = [array.copy() for array in held]
    addresses = {envs.step(NONE)[0].ctypes.data for _ in range(50)}
    assert len(addresses) <= 3
    assert_same(held, copies)


def test_exception_keeps_its_own_traceback(make):
    envs = make()
    envs.reset()
    with pytest.raises(fastvec.EnvError, match="env 1: ValueError: boom at 1") as caught:
        envs.step(np.array([0, Faulty.RAISE, 0, 0]))
    assert caught.value.__cause__.__traceback__ is not None
    np.testing.assert_array_equal(caught.value.batch[0][:, 0], [1, 0, 1, 1])
    np.testing.assert_array_equal(envs.step(NONE)[0][:, 0], [2, 0, 2, 2])


def test_step_that_takes_too_long_says_so_when_it_is_over(make):
    class Late(Faulty):
        def step(self, action):
            if action:
                threading.Event().wait(0.01)
            return super().step(0)

    envs = make(Late)
    envs.reset()
    with pytest.raises(TimeoutError, match="calling process"):
        envs.step(np.ones(4, np.int64), timeout=0.001)
    np.testing.assert_array_equal(envs.step(NONE, timeout=60)[0][:, 0], [2, 2, 2, 2])  # as with workers: it did step


def test_recv_steps_no_more_envs_than_it_returns(make):
    envs = make(batch_size=1)
    envs.async_reset(seed=1)
    for _ in range(4):
        envs.recv(timeout=60)
    envs.send(np.array([0, Faulty.RAISE, 0, 0]), np.array([3, 1, 0, 2]))
    assert envs.recv()[4]["env_id"] == [3]
    with pytest.raises(fastvec.EnvError, match="env 1"):
        envs.recv()
    while True:  # a poll that waits for nothing gets there all the same
        try:
            assert envs.recv(timeout=0)[4]["env_id"] == [0]
            break
        except TimeoutError:
            continue
    assert envs.num_in_flight == 1


class Interrupted(Faulty):
    """An action of 1 is Ctrl-C in the middle of the step."""

    def step(self, action):
        if action == 1:
            signal.raise_signal(signal.SIGINT)
            threading.Event().wait(60)  # a step that would hang
        return super().step(0)


@pytest.fixture
def ctrl_c():
    """Ctrl-C raises KeyboardInterrupt, also where pytest was started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupt_comes_at_once_and_the_vector_wants_a_reset(make, ctrl_c):
    envs = make(Interrupted)
    envs.reset(seed=1)
    with pytest.raises(KeyboardInterrupt):
        envs.step(np.array([0, 1, 0, 0]))
    with pytest.raises(errors.ResetNeededError):
        envs.step(NONE)
    envs.reset(seed=1)
    np.testing.assert_array_equal(envs.step(NONE)[0][:, 0], [1, 1, 1, 1])


def test_interrupt_while_envs_are_in_flight(make, ctrl_c):
    envs = make(Interrupted, batch_size=2)
    envs.async_reset()
    envs.recv()
    envs.recv()
    envs.send(np.array([0, 1, 0, 0]), np.arange(4))
    with pytest.raises(KeyboardInterrupt):
        envs.recv()
    assert envs.reset(seed=1)[0].shape == (4, 2)
    assert envs.num_in_flight == 0
    np.testing.assert_array_equal(envs.step(NONE)[0][:, 0], [1, 1, 1, 1])


def test_system_exit_of_an_env_reaches_the_caller(make):
    class Leaving(Faulty):
        def step(self, action):
            raise SystemExit(3)

    envs = make(Leaving)
    envs.reset()
    with pytest.raises(SystemExit):
        envs.step(NONE)


def test_all_envs_are_closed_and_an_error_is_raised():
    closed = []

    class Stubborn(Faulty):
        def close(self):
            closed.append(1)
            if len(closed) == 2:
                raise OSError("will not close")

    envs = fastvec.make_vec(Stubborn, 4, num_workers=0)
    with pytest.raises(fastvec.EnvError, match="env 1: OSError: will not close"):
        envs.close()
    assert len(closed) == 4


def test_envs_that_were_made_are_closed_when_another_cannot_be():
    closed = []

    class Closing(Faulty):
        def close(self):
            closed.append(1)

    def broken():
        raise OSError("no such simulator")

    with pytest.raises(fastvec.EnvError, match="env 2: OSError: no such simulator"):
        fastvec.make_vec([Closing, Closing, broken], num_workers=0)
    assert len(closed) == 2


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0)])
def test_states_move_between_workers_and_the_calling_process(before, after, closing):
    first, second = (
        closing(fastvec.make_vec("CartPole-v1", 4, backend="process", num_workers=workers))
        for workers in (before, after)
    )
    first.reset(seed=3)
    for _ in range(30):
        first.step(NONE)
    second.set_state(first.get_state())
    for _ in range(30):
        assert_same(first.step(NONE), second.step(NONE))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_leaves_the_envs_alone(make, tmp_path):
    class Marking(Faulty):
        def close(self):
            (tmp_path / "closed").touch()

    envs = make(Marking)
    envs.reset()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            envs.step(NONE)
        except errors.ForkedError:
            envs.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not (tmp_path / "closed").exists()
    envs.step(NONE)


def test_calls_in_two_halves_are_made_by_the_second(make):
    envs = make()
    envs.reset()
    envs.step_async(NONE)
    with pytest.raises(gymnasium.error.AlreadyPendingCallError):
        envs.step(NONE)
    assert envs.step_wait()[0][:, 0].tolist() == [1, 1, 1, 1]
    envs.call_async("pid")
    assert envs.call_wait() == (os.getpid(),) * 4


def test_interrupted_second_half_is_not_waited_for_again(make, ctrl_c):
    envs = make(Interrupted)
    envs.reset(seed=1)
    envs.step_async(np.array([0, 1, 0, 0]))
    with pytest.raises(KeyboardInterrupt):
        envs.step_wait()
    with pytest.raises(errors.ResetNeededError):
        envs.step_wait()
    envs.reset(seed=1)
    envs.step(NONE)


class Shared(Scripted):
    """What its ``close`` closes, other envs of the process use as well."""

    closed = 0

    def close(self):
        type(self).closed += 1


@pytest.mark.parametrize("make_vector", [SyncVectorEnv, lambda env_fns: fastvec.make_vec(env_fns, num_workers=0)])
def test_a_vector_that_is_dropped_closes_nothing_in_the_middle_of_what_comes_next(make_vector, monkeypatch):
    monkeypatch.setattr(Shared, "closed", 0)
    made = []

    def make_env():
        env = Shared(spaces.Box(-1, 1, (2,), np.float32))
        made.append(weakref.ref(env))
        return env

    envs = make_vector([make_env] * 2)
    envs.reset(seed=0)
    del envs
    gc.collect()
    assert Shared.closed == 0
    assert [one() for one in made] == [None, None]  # and yet they are gone
