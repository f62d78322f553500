"""The conformance check of envs in Python: planted faults are found and named, and a sound env has none."""

from __future__ import annotations

import os
import time

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import fastvec.testing
from fastvec.cli.main import main


class Walker(gymnasium.Env):
    """As it should be: a number that goes up and down at random."""

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own form

    def __init__(self):
        self.observation_space = spaces.Box(-1000.0, 1000.0, (2,), np.float32)
        self.action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.steps = self.np_random.uniform(-1.0, 1.0), 0
        return self.look(), {}

    def step(self, action):
        self.at += float(action) - 1.0 + 0.1 * self.np_random.random()
        self.steps += 1
        return self.look(), self.at, bool(abs(self.at) > 6.0), False, {}

    def look(self):
        return np.array([self.at, self.steps % 900], dtype=np.float32)


class RichInfos(Walker):
    """Infos of any kind are compared, whatever they are."""

    def step(self, action):
        *rest, _ = super().step(action)
        return *rest, {"pair": (self.steps, np.arange(2)), "word": "x" * self.steps, "nested": {"none": None}}


class WrongDtype(Walker):
    def look(self):
        return super().look().astype(np.float64)


class WrongShape(Walker):
    def look(self):
        return super().look()[None]


class NoArray(Walker):
    def look(self):
        return [0.0, 1.0]


class OldStep(Walker):
    def step(self, action):
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, info


class OldReset(Walker):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class FlagOfInts(Walker):
    def step(self, action):
        observation, reward, _, truncated, info = super().step(action)
        return observation, reward, 0, truncated, info


class RewardInAList(Walker):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, [reward], *rest


class OutOfBounds(Walker):
    def look(self):
        return np.array([self.at, 500.0 * self.steps], dtype=np.float32)


class NanReward(Walker):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, np.nan if self.steps == 3 else reward, *rest


class GlobalRandom(Walker):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward + np.random.random(), *rest


class Leftover(Walker):
    count = 0

    def reset(self, *, seed=None, options=None):
        answer = super().reset(seed=seed)
        self.count += 1
        return answer

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward + self.count, *rest


class Day(Walker):
    def look(self):
        return np.array([self.at, time.time() // 86400 % 365], dtype=np.float32)


class EmptyMask(Walker):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], {"action_mask": np.ones(3, np.int8)}

    def step(self, action):
        *rest, _ = super().step(action)
        return *rest, {"action_mask": np.full(3, self.steps != 2, np.int8)}


class ThrowsLate(Walker):
    total = 0

    def step(self, action):
        self.total += 1
        if self.total == 2_500:
            raise OSError("the log is full")
        return super().step(action)


class Throws(Walker):
    def step(self, action):
        if self.steps == 3:
            raise KeyError("the third step is missing")
        return super().step(action)


class Sleeps(Walker):
    def step(self, action):
        time.sleep(0.001)
        return super().step(action)


class Exits(Walker):
    def step(self, action):
        if self.steps == 3:
            os._exit(0)
        return super().step(action)


class Hangs(Walker):
    def step(self, action):
        while self.steps == 3:
            time.sleep(0.01)
        return super().step(action)


# env: (the check that finds it, what its message says)
FAULTS = {
    WrongDtype: ("types", "observation after reset has the dtype float64: expected float32"),
    WrongShape: ("types", "observation after reset has the shape (1, 2): expected (2,)"),
    NoArray: ("types", "observation after reset is [0.0, 1.0] (list): expected an array of float32"),
    OldStep: ("types", "step() returned a tuple of 4: expected (observation, reward, terminated, truncated, info)"),
    OldReset: ("types", "reset() returned array"),
    FlagOfInts: ("types", "terminated at step 1 is 0 (int): expected a bool"),
    RewardInAList: ("types", "(list): expected a number"),
    OutOfBounds: ("types", "observation at step 3 is outside of Box(-1000.0, 1000.0, (2,), float32)"),
    NanReward: ("rewards", "the reward of env 0 at step 3 is nan"),
    GlobalRandom: ("another day", "in another process"),
    Leftover: ("reset", "a vector that was used before differs from a new one after reset(seed): reward of env 0"),
    Day: ("another day", "with its clocks set forward by 400 days: observation of env 0 after reset"),
    EmptyMask: ("masks", "info['action_mask'] of env 0 at step 2 allows no action, though the episode goes on"),
    ThrowsLate: ("endurance", "the log is full"),
    Throws: ("types", "the env raised KeyError: 'the third step is missing'"),
}
FATAL_FAULTS = {
    Exits: ("types", "the env ended the whole process, with exit status 0: step 4 of one env"),
    Hangs: ("types", "the env did not return within 1 seconds: step 4 of one env"),
}
SLOW = ("another day", "endurance", "waiting", "throughput")


@pytest.fixture
def register():
    made = []

    def register_it(kind):
        env_id = f"Planted{kind.__name__}-v0"
        gymnasium.register(env_id, kind, max_episode_steps=60)
        made.append(env_id)
        return env_id

    yield register_it
    for env_id in made:
        del gymnasium.registry[env_id]


def _up_to(check):
    names = list(fastvec.testing.PYTHON_CHECKS)
    return [name for name in names[: names.index(check) + 1] if name == check or name not in SLOW]


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_planted_fault_is_found_and_named(kind, register):
    check, message = FAULTS[kind]
    report = fastvec.testing.run_checks(register(kind), only=_up_to(check), num_envs=3, num_steps=60, isolate=False)
    first = report.failures[0]
    assert (first.check, message in first.message) == (check, True), str(first)


@pytest.mark.parametrize("kind", FATAL_FAULTS, ids=lambda kind: kind.__name__)
def test_env_that_ends_its_process_or_never_returns_is_reported(kind, register):
    check, message = FATAL_FAULTS[kind]
    limit = 1.0 if kind is Hangs else 60.0
    report = fastvec.testing.run_checks(register(kind), only=["types", "infos"], time_limit=limit)
    first = report.failures[0]
    assert (first.check, message in first.message) == (check, True), str(first)


def test_infos_of_any_kind_are_compared(register):
    only = ["steps", "determinism", "reset", "independence", "infos"]
    assert fastvec.testing.run_checks(register(RichInfos), only=only, num_steps=30, isolate=False).failures == ()


def test_sleep_is_noted(register):
    report = fastvec.testing.run_checks(register(Sleeps), only=["waiting"], isolate=False)
    assert [note.message.split(":")[0] for note in report.notes] == ["a step sleeps or waits"]


def test_sound_env_passes_without_a_note(register, capsys):
    assert main(["check", register(Walker), "--num-steps", "60"]) == 0
    printed = capsys.readouterr().out
    assert "note" not in printed
    assert f"passes {len(fastvec.testing.PYTHON_CHECKS)} checks" in printed
    assert "  ok    types         " in printed


def test_arguments_that_the_env_refuses_are_the_callers_error(register, capsys):
    assert main(["check", register(Walker), "--env-kwargs", "size=3"]) == 2
    assert "unexpected keyword argument 'size'" in capsys.readouterr().err


@pytest.mark.parametrize("check", ["memory", "threads", "state"])
def test_check_of_the_native_ones_alone_is_refused_by_name(check, register, capsys):
    assert main(["check", register(Walker), "--checks", check]) == 2
    assert f"got {check!r}" in capsys.readouterr().err
