"""The ledger of what a vector's workers were told: every command is unanswered, answered or gone, whatever happens."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import fastvec
from fastvec.process.parent.outstanding import ALL_ENVS, Outstanding
from support.compare import WORKERS
from support.sample_envs import Faulty

SHARES = [range(0, 2), range(2, 5)]
STEP = (1, 0, 0, None)


def command(number):
    return (2, number, 0, None)


@pytest.fixture
def ledger():
    made = Outstanding(SHARES)
    yield made
    made.check()


def hand_in(ledger, *envs):
    ledger.post_each([(0 if env < 2 else 1, env, command(env)) for env in envs])


def test_a_call_is_under_way_until_its_replies_are_taken(ledger):
    ledger.post_all(STEP)
    ledger.begin_call(lambda: pytest.fail("nobody gave it up"))
    ledger.answer(1, ALL_ENVS, "one")
    assert (ledger.num_unanswered, len(ledger.answered)) == (1, 1)
    assert ledger.debtors() == [0]
    assert ledger.owes(0)
    assert not ledger.owes(1)
    ledger.answer(0, ALL_ENVS, None)
    assert ledger.end_call() == [None, "one"]  # by worker, not as they came
    assert (ledger.num_unanswered, len(ledger.answered)) == (0, 0)
    assert not ledger.has_abandoned_call


def test_an_abandoned_call_is_finished_when_it_is_settled(ledger):
    done = []
    ledger.post_all(STEP)
    ledger.begin_call(lambda: done.append(True))
    assert ledger.has_abandoned_call  # unless it ends
    for worker in (0, 1):
        ledger.answer(worker, ALL_ENVS, "dropped")
    ledger.settle()
    assert done == [True]
    assert not ledger.has_abandoned_call
    assert len(ledger.answered) == 0


def test_a_pending_call_is_abandoned_only_when_somebody_says_so(ledger):
    ledger.post_all(STEP)
    ledger.begin_call(lambda: None)
    ledger.leave_pending()
    assert not ledger.has_abandoned_call
    ledger.abandon_call()
    assert ledger.has_abandoned_call


def test_there_is_nothing_to_abandon_after_a_pending_call_has_ended(ledger):
    ledger.post_all(STEP)
    ledger.begin_call(lambda: None)
    ledger.leave_pending()
    for worker in (0, 1):
        ledger.answer(worker, ALL_ENVS, None)
    ledger.begin_call(lambda: None)  # the second half waits
    ledger.end_call()
    ledger.abandon_call()
    assert not ledger.has_abandoned_call


def test_an_env_is_in_flight_until_its_reply_is_taken(ledger):
    hand_in(ledger, 4, 1, 2)
    assert ledger.num_in_flight == 3
    assert ledger.busy(np.arange(5)) == [1, 2, 4]
    ledger.answer(1, 2, "two")
    assert ledger.num_in_flight == 3
    assert ledger.take(1) == [(1, 2, "two")]
    assert ledger.busy(np.arange(5)) == [1, 4]


def test_replies_are_taken_in_the_order_in_which_they_came(ledger):
    hand_in(ledger, 0, 1, 2, 3)
    for worker, env in ((1, 3), (0, 1), (0, 0), (1, 2)):
        ledger.answer(worker, env, None)
    assert [env for _, env, _ in ledger.take(3)] == [3, 1, 0]
    assert [env for _, env, _ in ledger.take(1)] == [2]


@pytest.mark.parametrize(("worker", "env"), [(0, 0), (0, ALL_ENVS), (1, 2)])
def test_a_reply_to_no_command_is_refused(ledger, worker, env):
    hand_in(ledger, 1, 3)
    with pytest.raises(LookupError, match=f"worker {worker} about env {env}"):
        ledger.answer(worker, env, None)


def test_commands_of_a_lost_worker_are_withdrawn_in_order_and_posted_again(ledger):
    hand_in(ledger, 2, 4, 3, 0)
    ledger.unsent.update((0, 1))
    ledger.answer(1, 4, None)
    assert ledger.lose(1) == 1
    assert ledger.unsent == {0}
    again = ledger.withdraw(1)
    assert again == [(2, command(2)), (3, command(3))]
    for env, one in again:
        ledger.post_again(1, env, one)
    assert ledger.num_in_flight == 4
    assert ledger.oldest(1) == command(2)


def test_losses_are_counted_anew_after_each_reply(ledger):
    hand_in(ledger, 2)
    assert [ledger.lose(1), ledger.lose(1), ledger.lose(0)] == [1, 2, 1]
    ledger.answer(1, 2, None)
    assert ledger.lose(1) == 1


def test_a_call_that_was_broken_off_leaves_nothing(ledger):
    hand_in(ledger, 0, 2)
    ledger.answer(0, 0, None)
    ledger.break_off()
    assert ledger.was_broken_off
    assert (ledger.num_unanswered, len(ledger.answered), ledger.num_in_flight) == (0, 0, 0)
    assert not ledger.has_abandoned_call


@pytest.mark.parametrize(
    "wrong",
    [
        lambda ledger: hand_in(ledger, 1, 1),
        lambda ledger: (hand_in(ledger, 1), ledger.post_all(STEP)),
        lambda ledger: (ledger.post_all(STEP), ledger.post_all(STEP)),
        lambda ledger: (hand_in(ledger, 2), ledger.lose(1), ledger.withdraw(1)),
        lambda ledger: (hand_in(ledger, 1), ledger.begin_call(lambda: None)),
        lambda ledger: setattr(ledger, "has_abandoned_call", True),
        lambda ledger: ledger.unsent.add(2),
    ],
    ids=["env twice", "env and call", "two calls", "withdrawn env", "call over env", "abandoned nothing", "no worker"],
)
def test_check_notices_a_ledger_that_disagrees_with_itself(wrong):
    ledger = Outstanding(SHARES)
    ledger.check()
    wrong(ledger)
    with pytest.raises(AssertionError):
        ledger.check()


class Vector(RuleBasedStateMachine):
    """A vector and its workers as they use the ledger, beside a model of sets and lists."""

    def __init__(self):
        super().__init__()
        self.ledger = Outstanding(SHARES)
        self.unanswered = {0: [], 1: []}  # by worker: envs, oldest first
        self.answered = []  # envs
        self.call = None  # None, "under way", "pending" or "abandoned"
        self.finished = 0
        self.expected_finished = 0

    def finish(self):
        self.finished += 1

    @property
    def in_flight(self):
        envs = [env for envs in self.unanswered.values() for env in envs] + [env for _, env in self.answered]
        return {env for env in envs if env != ALL_ENVS}

    @precondition(lambda self: self.call is None and not self.in_flight)
    @rule(half=st.booleans())
    def post_call(self, half):
        self.ledger.post_all(STEP)
        self.ledger.begin_call(self.finish)
        if half:
            self.ledger.leave_pending()
        self.call = "pending" if half else "abandoned"
        for envs in self.unanswered.values():
            envs.append(ALL_ENVS)

    @precondition(lambda self: self.call is None)
    @rule(chosen=st.sets(st.integers(0, 4)))
    def send(self, chosen):
        envs = sorted(chosen - self.in_flight)
        hand_in(self.ledger, *envs)
        for env in envs:
            self.unanswered[0 if env < 2 else 1].append(env)

    @precondition(lambda self: any(self.unanswered.values()))
    @rule(data=st.data())
    def reply(self, data):
        worker = data.draw(st.sampled_from([worker for worker, envs in self.unanswered.items() if envs]))
        env = data.draw(st.sampled_from(self.unanswered[worker]))
        self.ledger.answer(worker, env, f"of {env}")
        self.unanswered[worker].remove(env)
        self.answered.append((worker, env))

    @precondition(lambda self: self.call is None)
    @rule(count=st.integers(0, 5))
    def receive(self, count):
        taken = self.ledger.take(min(count, len(self.ledger.answered)))
        expected, self.answered = self.answered[:count], self.answered[count:]
        assert taken == [(worker, env, f"of {env}") for worker, env in expected]

    @precondition(lambda self: self.call == "pending" and not any(self.unanswered.values()))
    @rule()
    def end_call(self):
        self.ledger.begin_call(self.finish)
        assert self.ledger.end_call() == ["of -1", "of -1"]
        self.answered.clear()
        self.call = None

    @precondition(lambda self: self.call == "pending")
    @rule()
    def abandon(self):
        self.ledger.abandon_call()
        self.call = "abandoned"

    @precondition(lambda self: self.call == "abandoned" and not any(self.unanswered.values()))
    @rule()
    def settle(self):
        self.ledger.settle()
        self.expected_finished += 1
        self.answered.clear()
        self.call = None

    @rule(worker=st.sampled_from([0, 1]))
    def lose(self, worker):
        self.ledger.lose(worker)
        again = self.ledger.withdraw(worker)
        assert [env for env, _ in again] == self.unanswered[worker]
        for env, one in again:
            self.ledger.post_again(worker, env, one)

    @rule()
    def break_off(self):
        self.ledger.break_off()
        self.unanswered = {0: [], 1: []}
        self.answered.clear()
        self.call = None

    @invariant()
    def agrees_with_the_model(self):
        ledger = self.ledger
        ledger.check()
        assert ledger.num_unanswered == sum(map(len, self.unanswered.values()))
        assert len(ledger.answered) == len(self.answered)
        assert ledger.debtors() == [worker for worker, envs in self.unanswered.items() if envs]
        assert set(ledger.busy(np.arange(5))) == self.in_flight
        assert ledger.num_in_flight == len(self.in_flight)
        assert ledger.has_abandoned_call == (self.call == "abandoned")
        assert self.finished == self.expected_finished


TestVector = Vector.TestCase
TestVector.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@WORKERS
def test_arguments_that_cannot_be_sent_reach_no_env(num_workers, closing):
    envs = closing(fastvec.make_vec(Faulty, 4, num_workers=num_workers, context="fork"))
    envs.reset(seed=0)
    with pytest.raises(TypeError):
        envs.set_attr("count", [5, 5, 5, threading.Lock()])  # those of the second worker cannot be pickled
    assert envs.get_attr("count") == (0, 0, 0, 0)
    np.testing.assert_array_equal(envs.step(np.zeros(4, np.int64))[0][:, 0], 1)


@WORKERS
def test_envs_are_not_in_flight_when_their_options_cannot_be_sent(num_workers, closing):
    envs = closing(fastvec.make_vec(Faulty, 4, num_workers=num_workers, context="fork"))
    with pytest.raises(TypeError):
        envs.async_reset(options={"lock": threading.Lock()})
    assert envs.num_in_flight == 0
    envs.reset(seed=0)
    np.testing.assert_array_equal(envs.step(np.zeros(4, np.int64))[0][:, 0], 1)
