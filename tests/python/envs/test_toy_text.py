"""The toy-text envs against Gymnasium's, byte for byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastvec
from support.differential import (
    Case,
    Tally,
    assert_same,
    compare,
    compare_long,
    make_oracle_envs,
    report,
    sizes,
    sync_vector,
)

STANDS = np.array([(0, 0), (0, 4), (4, 0), (4, 3)])


def drive(rng: np.random.Generator, space: Any, observations: np.ndarray) -> np.ndarray:
    """Taxi actions that fetch the passenger and drop them off, now and then a random one."""
    passenger, destination = observations // 4 % 5, observations % 4
    place = np.stack([observations // 100, observations // 20 % 5], axis=1)
    aim = STANDS[np.where(passenger == 4, destination, passenger % 4)]
    south, east = (aim - place).T
    vertical, horizontal = np.where(south > 0, 0, 1), np.where(east > 0, 2, 3)
    take_vertical = np.where(east == 0, True, np.where(south == 0, False, rng.random(len(aim)) < 0.5))
    actions = np.where(take_vertical, vertical, horizontal)
    actions = np.where((south == 0) & (east == 0), np.where(passenger == 4, 5, 4), actions)
    return np.where(rng.random(len(actions)) < 0.2, rng.integers(space.n, size=len(actions)), actions)


WIDE = ["SFFFFSF", "FHFxFHF", "HFFGFFS"]
CASES = [
    Case("FrozenLake-v1"),
    Case("FrozenLake-v1", limit=None),
    Case("FrozenLake-v1", {"is_slippery": False}),
    Case("FrozenLake-v1", {"success_rate": 0.75}),
    Case("FrozenLake-v1", {"success_rate": 1}),
    Case("FrozenLake-v1", {"success_rate": 1.0}),
    Case("FrozenLake-v1", {"success_rate": 0}),
    Case("FrozenLake-v1", {"success_rate": 0.1, "reward_schedule": (5, -3.5, -0.25)}),
    Case("FrozenLake-v1", {"success_rate": 1.5}),
    Case("FrozenLake-v1", {"reward_schedule": [10, -10, 1]}),
    Case("FrozenLake-v1", {"map_name": "8x8"}),
    Case("FrozenLake-v1", {"desc": WIDE}),
    Case("FrozenLake-v1", {"desc": [list(row) for row in WIDE], "map_name": None, "is_slippery": 0}),
    Case("FrozenLake-v1", {"desc": np.array([[b"S", b"F"], [b"F", b"H"], [b"S", b"G"]])}),
    Case("FrozenLake-v1", {"desc": ["FFF", "FHG"]}),  # no start
    Case("FrozenLake-v1", {"desc": ["S\0", "FG"]}),  # an empty tile, which Gymnasium takes for a goal
    Case("FrozenLake8x8-v1"),
    Case("FrozenLake8x8-v1", {"is_slippery": False, "reward_schedule": (1, -1, 0)}),
    Case("FrozenLake8x8-v1", {"desc": WIDE, "success_rate": 0.6}),
    Case("CliffWalking-v1"),
    Case("CliffWalking-v1", {"is_slippery": True}),
    Case("CliffWalkingSlippery-v1"),
    Case("CliffWalkingSlippery-v1", {"is_slippery": False}, limit=40),
    Case("Taxi-v4"),
    Case("Taxi-v4", policy=drive, limit=40),
    Case("Taxi-v4", {"is_rainy": True}, policy=drive, limit=40),
    Case("Taxi-v4", {"fickle_passenger": True}, policy=drive, limit=40),
    Case("Taxi-v4", {"fickle_passenger": True, "fickle_probability": 1, "is_rainy": True}, policy=drive, limit=40),
    Case("Taxi-v4", {"fickle_probability": 0.9, "fickle_passenger": 1}, policy=drive, limit=20),
    Case("Taxi-v4", {"is_rainy": True, "rainy_probability": 0.35}, policy=drive),
    Case("Taxi-v4", {"is_rainy": True, "rainy_probability": 1}, policy=drive),
    Case("Taxi-v4", {"is_rainy": True, "rainy_probability": float("nan")}),  # no outcome is ever reached
    Case("Blackjack-v1", limit=None),
    Case("Blackjack-v1", limit=1),
    Case("Blackjack-v1", {"sab": False}, limit=None),
    Case("Blackjack-v1", {"sab": False, "natural": True}, limit=None),
    Case("Blackjack-v1", {"natural": True}, limit=None),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bytes_equal_gymnasium(case: Case, tally: Tally) -> None:
    compare(case, tally, sizes(case, CASES))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_bytes_equal_gymnasium_for_any_number_of_envs(case: Case) -> None:
    compare(case, Tally())


def test_all_cases_ran(tally: Tally, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        report(tally, CASES, "toy text")
    assert tally.cases >= 700


def test_random_map_is_shared_by_the_vector_and_by_its_counterpart() -> None:
    envs = fastvec.make_vec("FrozenLake-v1", 4, desc=None, map_name=None)
    assert envs.single_observation_space.n == 64
    boards = envs.get_attr("desc")
    oracle = sync_vector(
        make_oracle_envs(Case("FrozenLake-v1", {"desc": boards[0]}, limit=100), 4), envs.autoreset_mode
    )
    assert_same(envs.reset(seed=0), oracle.reset(seed=0), "reset")
    envs.action_space.seed(0)
    for step in range(200):
        actions = envs.action_space.sample()
        assert_same(envs.step(actions), oracle.step(actions), f"step {step}")
    assert_same(envs.get_attr("desc"), boards, "desc")


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("FrozenLake-v1", {"map_name": "5x5"}),
        ("FrozenLake-v1", {"desc": ["SF", "F"]}),
        ("FrozenLake-v1", {"desc": "SFFG"}),
        ("FrozenLake-v1", {"reward_schedule": (1, 0)}),
        ("FrozenLake-v1", {"size": 5}),
        ("FrozenLake-v1", {"success_rate_is_int": True}),
        ("FrozenLake8x8-v1", {"map_name": "9x9"}),
        ("CliffWalking-v1", {"slippery": True}),
        ("Taxi-v4", {"rainy": True}),
        ("Blackjack-v1", {"decks": 6}),
    ],
)
def test_bad_arguments_raise_what_gymnasium_raises(env_id: str, kwargs: dict[str, Any]) -> None:
    with pytest.raises(Exception) as expected:  # noqa: PT011
        make_oracle_envs(Case(env_id, kwargs, limit=None), 1)
    with pytest.raises(expected.type):
        fastvec.make_vec(env_id, 1, **kwargs)


@pytest.mark.slow
@pytest.mark.parametrize("env_id", sorted({case.env_id for case in CASES}))
def test_registered_limits_over_thousands_of_steps(env_id: str) -> None:
    compare_long(env_id, steps=5000)
