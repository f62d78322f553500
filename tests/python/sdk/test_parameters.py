"""Parameters of single envs: which of them get a Shared of their own, counted by its constructors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastvec
from support.compiling import compile_library

MADE, ALIVE, WHERE, LOW, HIGH, MANY, SMALL = range(7)


@pytest.fixture(scope="module", params=["sharing/Copyable-v0", "sharing/Pinned-v0"])
def env_id(request, tmp_path_factory):
    library = tmp_path_factory.getbasetemp() / "sharing.so"
    if not library.exists():
        compile_library(Path(__file__).parent / "fixtures" / "sharing.cpp", library, flags=("-O0",))
    fastvec.load_plugin(library)
    return request.param


class Watched:
    """A vector, and how many of its envs' Shared were made and are alive since it was made itself."""

    def __init__(self, env_id: str, num_envs: int = 8) -> None:
        self.envs = fastvec.make_vec(env_id, num_envs)
        self.envs.reset(seed=0)
        self.start = self.look()[0, [MADE, ALIVE]]

    def look(self) -> np.ndarray:
        return self.envs.step(np.zeros(self.envs.num_envs, np.int64))[0].copy()

    def counted(self) -> tuple[int, int]:
        """``(made, alive)`` since the start."""
        made, alive = (self.look()[0, [MADE, ALIVE]] - self.start).astype(int)
        return int(made), int(alive)


def test_only_the_env_that_was_set_gets_a_shared_of_its_own(env_id):
    watched = Watched(env_id)
    watched.envs.set_attr("low", [0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0])
    assert watched.counted() == (1, 1)
    rows = watched.look()
    assert rows[:, LOW].tolist() == [0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0]
    assert len(set(rows[:, WHERE])) == 2
    watched.envs.close()


def test_envs_with_equal_parameters_have_one_shared_in_common(env_id):
    watched = Watched(env_id)
    watched.envs.set_attr("low", [0.5, 0.25] * 4)
    assert watched.counted() == (2, 2)
    watched.envs.set_attr("high", 2.0)
    assert watched.counted()[1] == 2
    rows = watched.look()
    assert len(set(rows[::2, WHERE])) == len(set(rows[1::2, WHERE])) == 1
    assert rows[:, LOW].tolist() == [0.5, 0.25] * 4
    assert rows[:, HIGH].tolist() == [2.0] * 8
    watched.envs.close()


def test_setting_what_is_so_already_makes_nothing(env_id):
    watched = Watched(env_id)
    for name in ("low", "high", "many", "small"):
        watched.envs.set_attr(name, list(watched.envs.get_attr(name)))
    assert watched.counted() == (0, 0)
    watched.envs.close()


def test_a_shared_that_nobody_uses_any_more_is_gone(env_id):
    watched = Watched(env_id)
    before = watched.envs.bytes_per_env
    watched.envs.set_attr("low", [k / 16 for k in range(8)])
    assert watched.counted() == (7, 7)
    assert watched.envs.bytes_per_env > before
    watched.envs.set_attr("low", 0.5)
    assert watched.counted()[1] == 1
    watched.envs.set_attr("low", 0.0)
    assert watched.counted()[1] == 0
    assert watched.envs.bytes_per_env == before
    watched.envs.set_attr("many", 7)
    watched.envs.close()
    other = Watched(env_id)
    assert other.look()[0, ALIVE] == 1


def test_a_state_copies_for_those_that_were_set_only(env_id):
    watched = Watched(env_id)
    watched.envs.set_attr("low", [0.0, 0.5, 0.0, 0.0, 0.5, 0.0, 0.25, 0.0])
    state = watched.envs.get_state()
    other = Watched(env_id)
    other.envs.set_state(state)
    assert other.counted() == (2, 2)
    assert other.look()[:, LOW].tolist() == watched.look()[:, LOW].tolist()
    other.envs.set_state(state)
    assert other.counted() == (2, 2)
    for each in (watched, other):
        each.envs.close()


def test_a_refused_value_makes_nothing_that_stays(env_id):
    watched = Watched(env_id)
    with pytest.raises(ValueError, match=r"env 2: expected low <= high, got 3\.0+ and 1\.0+"):
        watched.envs.set_attr("low", [0.5, 0.5, 3.0, 0.5, 0.5, 0.5, 0.5, 0.5])
    assert watched.counted()[1] == 0
    assert watched.look()[:, LOW].tolist() == [0.0] * 8
    watched.envs.close()


def test_a_state_comes_back_whatever_the_order_its_parameters_have_to_be_set_in(env_id):
    watched = Watched(env_id, 3)
    fresh = watched.envs.get_state()
    watched.envs.set_attr("high", [9.0, 1.0, 9.0])
    watched.envs.set_attr("low", [5.0, 0.5, 6.0])  # above the high of a new vector
    state = watched.envs.get_state()
    watched.envs.set_state(fresh)
    assert watched.look()[:, [LOW, HIGH]].tolist() == [[0.0, 1.0]] * 3
    watched.envs.set_attr("low", -4.0)
    watched.envs.set_attr("high", -3.0)
    watched.envs.set_state(state)
    assert watched.look()[:, [LOW, HIGH]].tolist() == [[5.0, 9.0], [0.5, 1.0], [6.0, 9.0]]
    watched.envs.close()


def test_parameters_are_told_apart_by_their_bits(env_id):
    watched = Watched(env_id, 3)
    watched.envs.set_attr("low", [0.0, -0.0, 0.0])
    assert np.signbit(watched.look()[:, LOW]).tolist() == [False, True, False]
    watched.envs.set_attr("high", [float("nan"), 1.0, float("nan")])
    assert np.isnan(watched.look()[:, HIGH]).tolist() == [True, False, True]
    assert watched.counted()[1] == 2
    watched.envs.close()


def test_parameters_that_change_at_random_are_those_of_an_array(env_id):
    rng = np.random.default_rng(7)
    watched = Watched(env_id, 6)
    expected = watched.look()[:, LOW:]
    for _ in range(60):
        at = int(rng.integers(4))
        values = rng.choice([[0.0, 0.25, 0.5], [1.0, 2.0, 3.0], [2.0**40, 7, 8], [0.5, 0.75, 1.5]][at], size=6)
        watched.envs.set_attr(("low", "high", "many", "small")[at], values.tolist())
        expected[:, at] = values
        rows = watched.look()
        np.testing.assert_array_equal(rows[:, LOW:], expected)
        # As many are alive as differ from one another and from the vector's own.
        own = {tuple(row) for row in expected} - {(0.0, 1.0, 2.0**40, float(np.float32(0.1)))}
        assert watched.counted()[1] == len(own)
    watched.envs.close()
