"""call, get_attr, set_attr and np_random: Gymnasium's own class answers for a native env."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastvec
from support.native import assert_same, cartpoles, sync_cartpoles


def pair(num_envs: int = 3, **kwargs: Any) -> tuple[fastvec.VectorEnv, Any]:
    envs, oracle = cartpoles(num_envs), sync_cartpoles(num_envs)
    envs.reset(seed=2)
    oracle.reset(seed=2)
    for turn in range(5):
        envs.step(np.full(num_envs, turn % 2))
        oracle.step(np.full(num_envs, turn % 2))
    return envs, oracle


NAMES = ["gravity", "masscart", "tau", "kinematics_integrator", "spec", "metadata", "render_mode"]


@pytest.mark.parametrize("name", NAMES)
def test_constants_are_the_oracles(name: str):
    envs, oracle = pair()
    assert envs.get_attr(name) == oracle.get_attr(name)
    assert envs.call(name) == oracle.call(name)


def test_states_are_the_oracles():
    envs, oracle = pair()
    for one, other in zip(envs.get_attr("state"), oracle.get_attr("state"), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert envs.get_attr("_elapsed_steps") == oracle.get_attr("_elapsed_steps")


def test_spaces_are_the_oracles():
    envs, oracle = pair()
    assert envs.call("action_space") == oracle.call("action_space")


def test_states_can_be_set_one_by_one_or_all_alike():
    envs, oracle = pair()
    values = [np.array([0.1 * i, 0.0, 0.01, -0.2]) for i in range(3)]
    envs.set_attr("state", values)
    oracle.set_attr("state", values)
    assert_same(envs.step(np.zeros(3, np.int64)), oracle.step(np.zeros(3, np.int64)))
    envs.set_attr("state", values[1])
    oracle.set_attr("state", values[1])
    assert_same(envs.step(np.ones(3, np.int64)), oracle.step(np.ones(3, np.int64)))


def test_generators_can_be_set():
    envs, oracle = pair()
    envs.set_attr("np_random", [np.random.default_rng(i) for i in range(3)])
    oracle.set_attr("np_random", [np.random.default_rng(i) for i in range(3)])
    assert_same(envs.reset(), oracle.reset())
    assert envs.np_random_seed == (-1, -1, -1)


def test_generators_with_a_buffered_half_draw_can_be_set_and_read():
    envs, _ = pair()
    generator = np.random.default_rng(3)
    generator.integers(0, 3)  # leaves half a draw behind
    envs.set_attr("np_random", [generator] * 3)
    for copy in envs.np_random:
        assert copy.bit_generator.state == generator.bit_generator.state


def test_generators_of_another_kind_are_refused():
    envs, _ = pair()
    before = envs.get_state()
    with pytest.raises(ValueError, match="PCG64, got one on MT19937"):
        envs.set_attr("np_random", [np.random.Generator(np.random.MT19937(0))] * 3)
    assert envs.get_state() == before


def test_what_is_not_state_cannot_be_set_in_vain():
    envs, _ = pair()
    before = envs.get_state()
    with pytest.raises(AttributeError, match="'screen_width' is not part of"):
        envs.set_attr("screen_width", 100)
    assert envs.get_state() == before
    assert envs.get_attr("screen_width") == (600, 600, 600)


@pytest.mark.parametrize("values", [[1.0], [1.0] * 4, ()])
def test_values_of_the_wrong_number_are_refused_as_the_oracle_refuses_them(values: Any):
    envs, oracle = pair()
    with pytest.raises(ValueError, match="length equal to the number") as expected:
        oracle.set_attr("state", values)
    with pytest.raises(ValueError, match="length equal to the number") as caught:
        envs.set_attr("state", values)
    assert str(caught.value) == str(expected.value)


def test_an_unknown_name_is_an_attribute_error():
    envs, oracle = pair()
    with pytest.raises(AttributeError):
        oracle.get_attr("no_such_name")
    with pytest.raises(AttributeError):
        envs.get_attr("no_such_name")


def test_reading_attributes_changes_nothing():
    envs, oracle = pair()
    before = envs.get_state()
    for name in NAMES:
        envs.get_attr(name)
    assert envs.get_state() == before
    assert_same(envs.step(np.zeros(3, np.int64)), oracle.step(np.zeros(3, np.int64)))


def test_an_env_without_a_counterpart_says_so(rich: str):
    envs = fastvec.make_vec(rich, 2)
    envs.reset(seed=0)
    with pytest.raises(AttributeError, match="counterpart"):
        envs.get_attr("total")
    assert envs.np_random_seed == (0, 1)
    assert envs.call("np_random_seed") == (0, 1)
    assert len(envs.np_random) == 2
