"""num_workers=None: as many workers as pay for themselves, by what a step of the env costs; none where none do."""

from __future__ import annotations

import os
import random
import time
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import fastvec
from fastvec import make as making
from fastvec.process.parent.choice import StepCost, best_num_workers, measure_step
from support.sample_envs import Faulty

MILLISECOND = 1e-3


def quiet(busy, waiting=0.0):
    """The cost of a step, given in milliseconds, on a machine that does nothing else."""
    return StepCost(busy * MILLISECOND, waiting * MILLISECOND, crowding=1.0, round_trip=20e-6)


@pytest.mark.parametrize(
    ("busy", "num_envs", "cores", "expected"),
    [
        (0.005, 4, 2, 0),  # CartPole
        (0.005, 8, 16, 0),
        (0.005, 64, 2, 2),
        (0.02, 4, 2, 0),
        (0.13, 8, 2, 2),  # MiniGrid
        (1.0, 4, 2, 2),
        (7.0, 4, 2, 2),
        (7.0, 64, 16, 16),
        (7.0, 3, 16, 3),
        (7.0, 1, 16, 0),  # nothing runs beside it
    ],
)
def test_busy_envs_get_a_worker_per_core_where_that_is_faster(busy, num_envs, cores, expected):
    assert best_num_workers(quiet(busy), num_envs, cores) == expected


def test_waiting_envs_get_more_workers_than_cores():
    assert best_num_workers(quiet(0.05, 7.0), 8, 2) == 8
    assert 16 <= best_num_workers(quiet(0.05, 7.0), 64, 2) <= 64
    assert best_num_workers(quiet(0.05, 7.0), 4096, 2) <= 64
    assert best_num_workers(quiet(0.0, 0.005), 4, 2) == 0


def test_more_is_asked_of_a_gain_where_cores_are_crowded():
    crowded = StepCost(0.13 * MILLISECOND, 0.0, crowding=4.0, round_trip=20e-6)
    assert best_num_workers(crowded, 8, 2) == 0
    heavy = StepCost(7 * MILLISECOND, 0.0, crowding=4.0, round_trip=20e-6)
    assert best_num_workers(heavy, 8, 2) == 2


def test_no_choice_is_predicted_to_lose():
    for busy in (0.001, 0.02, 0.25, 1.0, 7.0):
        for waiting in (0.0, 0.02, 7.0):
            for num_envs in (1, 2, 4, 8, 64):
                cost = quiet(busy, waiting)
                workers = best_num_workers(cost, num_envs, 2)
                assert 0 <= workers <= num_envs
                share = -(-num_envs // max(1, workers))
                assert share * (cost.busy + cost.waiting) <= num_envs * (cost.busy + cost.waiting)


class Sleeping(gymnasium.Env):
    """Waits 20 ms at each step, as an env does whose simulator runs elsewhere."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        time.sleep(0.02)
        return np.zeros(2, np.float32), 0.0, False, False, {}

    def pid(self):
        return os.getpid()


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(making, "usable_cores", lambda: 2)


def test_a_step_is_measured():
    cost = measure_step(Sleeping, None, 1)
    assert cost.waiting > 0.015
    assert cost.busy < cost.waiting
    cheap = measure_step(partial(gymnasium.make, "CartPole-v1"), None, 1)
    assert cheap.waiting == 0.0
    assert 0.0 < cheap.busy < 0.001
    assert cheap.crowding >= 1.0
    assert cheap.round_trip > 0.0


def test_cheap_envs_step_in_the_calling_process(two_cores, closing):
    envs = closing(fastvec.make_vec("CartPole-v1", 4, backend="process"))
    assert envs.num_workers == 0
    assert envs.spec.kwargs.get("num_workers") is None  # it is chosen again where the spec is used
    sync = closing(gymnasium.make_vec("CartPole-v1", 4, vectorization_mode="sync"))
    assert envs.reset(seed=3)[0].tobytes() == sync.reset(seed=3)[0].tobytes()
    for _ in range(50):
        for one, other in zip(envs.step(np.ones(4, int))[:4], sync.step(np.ones(4, int))[:4], strict=True):
            assert one.tobytes() == other.tobytes()


def test_waiting_envs_get_a_worker_each(two_cores, closing):
    envs = closing(fastvec.make_vec(Sleeping, 4))
    assert envs.num_workers == 4
    assert len(set(envs.call("pid")) - {os.getpid()}) == 4


@pytest.mark.parametrize(
    "options",
    [{"num_workers": 1}, {"context": "fork"}, {"restart_workers": True}, {"threads_per_worker": 2}, {"batch_size": 2}],
    ids=str,
)
def test_what_is_asked_of_workers_asks_for_workers(options, two_cores, closing):
    envs = closing(fastvec.make_vec(Faulty, 4, **options))
    assert envs.num_workers == options.get("num_workers", 2)


class Reckless(gymnasium.Env):
    """Does what its name says at the first step."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, what):
        self.what = what

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        if self.what == "exits":
            os._exit(3)
        if self.what == "hangs":
            time.sleep(3600)
        raise ValueError("boom")

    def pid(self):
        return os.getpid()


@pytest.mark.parametrize("what", ["exits", "hangs", "raises"])
def test_envs_that_do_not_survive_the_trial_get_workers(what, two_cores, closing, capfd):
    envs = closing(fastvec.make_vec(partial(Reckless, what), 4))
    assert envs.num_workers == 2
    assert os.getpid() not in envs.call("pid")
    assert "boom" not in capfd.readouterr().err


def test_env_that_cannot_be_made_is_reported_by_the_vector(two_cores):
    def broken():
        raise OSError("no such simulator")

    with pytest.raises(fastvec.EnvError, match="no such simulator"):
        fastvec.make_vec(broken, 4)


class Drawing(gymnasium.Env):
    """Draws from the global generators, counts its instances, and leaves a mark when it is stepped."""

    observation_space = spaces.Box(0, 1, (2,), np.float64)
    action_space = spaces.Discrete(2)
    made = 0

    def __init__(self, folder, render_mode=None):
        self.folder = folder
        self.render_mode = render_mode
        type(self).made += 1

    def reset(self, *, seed=None, options=None):
        return np.array([np.random.random(), random.random()]), {}

    def step(self, action):
        (Path(self.folder) / "stepped").touch()
        return np.array([np.random.random(), random.random()]), 0.0, False, False, {}


def test_the_trial_leaves_nothing_in_the_calling_process(tmp_path, two_cores, closing):
    Drawing.made = 0
    np.random.seed(5)
    random.seed(5)
    envs = closing(fastvec.make_vec(partial(Drawing, str(tmp_path)), 3))
    assert envs.num_workers == 0
    assert Drawing.made == 3
    first = envs.reset()[0]
    np.random.seed(5)
    random.seed(5)
    expected = [[np.random.random(), random.random()] for _ in range(3)]
    np.testing.assert_array_equal(first, expected)


@pytest.mark.parametrize("how", ["human", "recorded"])
def test_envs_that_somebody_looks_at_are_not_stepped(how, tmp_path):
    def shown():
        if how == "human":
            return Drawing(str(tmp_path), "human")
        return gymnasium.wrappers.RecordVideo(Drawing(str(tmp_path), "rgb_array"), str(tmp_path / "videos"))

    assert measure_step(shown, None, 1) is None
    assert not (tmp_path / "stepped").exists()


def test_the_last_callable_is_tried(tmp_path, two_cores, closing):
    made = [partial(Drawing, str(tmp_path / name)) for name in "abc"]
    for name in "abc":
        (tmp_path / name).mkdir()
    closing(fastvec.make_vec(made))
    assert [name for name in "abc" if (tmp_path / name / "stepped").exists()] == ["c"]
