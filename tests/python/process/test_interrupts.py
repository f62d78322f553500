"""Ctrl-C at every single line that a call runs: the vector and its workers agree afterwards, whenever it came."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import fastvec
from fastvec.process.parent.interrupts import Interrupts
from support.sample_envs import Faulty

FOLDER = str(Path(fastvec.__file__).parent / "process")
NONE = np.zeros(4, np.int64)


class CtrlC:
    """Sends SIGINT to this process when the block has run ``lines`` lines of the process backend."""

    def __init__(self, lines):
        self.left = lines

    def __enter__(self):
        sys.settrace(self.trace)
        return self

    def __exit__(self, *error):
        sys.settrace(None)

    def trace(self, frame, event, _):
        if not frame.f_code.co_filename.startswith(FOLDER):
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(signal.SIGINT)
        return self.trace

    @property
    def came(self):
        return self.left <= 0


def interrupted(call):
    """Run ``call`` again and again, with Ctrl-C one line later each time; whether it was raised, after each."""
    for lines in range(1, 10_000):
        raised = False
        try:
            with CtrlC(lines) as interrupt:
                call()
        except KeyboardInterrupt:
            raised = True
        assert raised == interrupt.came, "it was swallowed, or came out of nothing"
        yield raised
        if not interrupt.came:
            assert lines > 20, "hardly any line was seen"
            return
    raise AssertionError("the call has no end")


@pytest.fixture
def envs(closing):
    made = closing(fastvec.make_vec(Faulty, 4, num_workers=2))  # whose observations count their steps
    made.reset(seed=0)
    return made


def steps_of(envs):
    """How many steps the envs have taken, which must be the same for all of them."""
    counts = set(envs.get_attr("count"))
    assert len(counts) == 1, counts
    return counts.pop()


@pytest.mark.parametrize("actions", [NONE, [0, 0, 0, 0]], ids=["in shared memory", "in messages"])
def test_step(envs, actions):
    steps = 0
    for _ in interrupted(lambda: envs.step(actions)):
        now = steps_of(envs)
        assert now - steps in (0, 1)
        steps = now + 1
        np.testing.assert_array_equal(envs.step(NONE)[0][:, 0], steps)


def test_step_in_two_halves(envs):
    steps = 1
    envs.step_async(NONE)
    for raised in interrupted(lambda: envs.step_wait(timeout=30)):
        if raised:  # the results are those of the first time, and not lost
            np.testing.assert_array_equal(envs.step_wait(timeout=30)[0], steps)
        assert steps_of(envs) == steps
        envs.step_async(NONE)
        steps += 1
    envs.step_wait()


def test_an_error_of_a_pending_step_outlives_ctrl_c(envs):
    def wait():
        try:
            envs.step_wait(timeout=30)
        except fastvec.EnvError as error:
            assert "boom at 1" in str(error)  # noqa: PT017  # no line of pytest's is traced
        else:
            raise AssertionError("the error is lost")

    envs.step_async([Faulty.RAISE, 0, 0, 0])
    for raised in interrupted(wait):
        if raised:
            wait()
        envs.reset()
        envs.step_async([Faulty.RAISE, 0, 0, 0])
    wait()


def test_reset(envs):
    seeds = iter(range(1_000_000))
    for _ in interrupted(lambda: envs.reset(seed=next(seeds))):
        assert steps_of(envs) in (0, 1)
        first = envs.np_random_seed[0]
        assert envs.np_random_seed == (first, first + 1, first + 2, first + 3)
        envs.reset()
        np.testing.assert_array_equal(envs.step(NONE)[0], 1)


def test_attributes(envs):
    numbers = iter(range(1_000_000))
    for _ in interrupted(lambda: envs.set_attr("count", next(numbers))):
        count = steps_of(envs)
        np.testing.assert_array_equal(envs.step(NONE)[0], count + 1)
    for _ in interrupted(lambda: envs.call("pid")):
        assert len(set(envs.call("pid"))) == 2


def test_send(envs):
    for _ in interrupted(lambda: envs.send(NONE, np.arange(4))):
        assert envs.num_in_flight in (0, 4)
        before = steps_of(envs) if envs.num_in_flight == 0 else int(envs.recv(timeout=30)[0][0, 0])
        assert steps_of(envs) == before
        np.testing.assert_array_equal(envs.step(NONE)[0], before + 1)


def test_recv(envs):
    steps = 1
    envs.send(NONE, np.arange(4))
    for _ in interrupted(lambda: envs.recv(timeout=30)):
        assert envs.num_in_flight in (0, 4)
        if envs.num_in_flight:
            np.testing.assert_array_equal(envs.recv(timeout=30)[0], steps)
        assert steps_of(envs) == steps
        envs.send(NONE, np.arange(4))
        steps += 1


def test_async_reset(envs):
    for _ in interrupted(envs.async_reset):
        if envs.num_in_flight:
            np.testing.assert_array_equal(envs.recv(timeout=30)[0], 0)
        np.testing.assert_array_equal(envs.step(NONE)[0], steps_of(envs))


class Handler:
    """Counts signals, as a program that must not be interrupted does."""

    def __init__(self):
        self.calls = 0

    def __call__(self, number, frame):
        self.calls += 1


@pytest.fixture
def handler():
    mine = Handler()
    before = signal.signal(signal.SIGINT, mine)
    yield mine
    signal.signal(signal.SIGINT, before)


def test_a_handler_that_raises_nothing_is_called_and_the_call_goes_on(envs, handler):
    with CtrlC(10):
        observations = envs.step(NONE)[0]
    np.testing.assert_array_equal(observations, 1)
    assert handler.calls == 1
    assert signal.getsignal(signal.SIGINT) is handler


def test_ignored_signals_stay_ignored(envs):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with CtrlC(10):
            envs.step(NONE)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_blocks_may_nest(handler):
    one, other = Interrupts(), Interrupts()
    with one, other, one:
        signal.raise_signal(signal.SIGINT)
        other.during(lambda: None)  # the outer block still holds it back
        one.during(lambda: None)
        assert handler.calls == 1
        signal.raise_signal(signal.SIGINT)
        assert handler.calls == 1
    assert handler.calls == 2
    assert signal.getsignal(signal.SIGINT) is handler


def test_other_threads_step_without_touching_handlers(envs, handler):
    results = []
    thread = threading.Thread(target=lambda: results.append(envs.step(NONE)[0]))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(results[0], 1)
    assert signal.getsignal(signal.SIGINT) is handler
