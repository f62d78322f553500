"""``reset_mask``: SyncVectorEnv's rows and refusals, from every backend that has it for an oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from fastvec.errors import ResetNeededError
from support.backends import ZEROS, make_on
from support.native import MODES, sync_cartpoles
from support.oracles import since_gymnasium_1_4
from support.sameness import assert_same

BAD_MASKS: dict[str, Any] = {
    "list": [True, False, True],
    "int array": np.array([1, 0, 1]),
    "short": np.array([True, False]),
    "two-dimensional": np.ones((3, 1), bool),
    "all false": np.zeros(3, bool),
    "none": None,
}


@since_gymnasium_1_4
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", BAD_MASKS)
def test_bad_reset_masks_are_refused_as_the_oracle_refuses_them(cartpoles: Any, name: str, mode: AutoresetMode):
    envs, oracle = cartpoles(mode), sync_cartpoles(3, mode=mode)
    envs.reset(seed=0)
    oracle.reset(seed=0)
    before = envs.get_state()
    with pytest.raises((TypeError, ValueError)) as expected:
        oracle.reset(seed=5, options={"reset_mask": BAD_MASKS[name]})
    with pytest.raises(expected.type) as caught:
        envs.reset(seed=5, options={"reset_mask": BAD_MASKS[name]})
    assert str(caught.value) == str(expected.value)
    assert envs.get_state() == before


@pytest.mark.parametrize("mask", [np.array([1, 0, 0, 1, 1, 0], bool)[::2], np.array([True, False, True])])
def test_reset_masks_of_any_layout(cartpoles: Any, mask: np.ndarray):
    envs, oracle = cartpoles(), sync_cartpoles(3)
    envs.reset(seed=0)
    oracle.reset(seed=0)
    assert_same(envs.reset(options={"reset_mask": mask}), oracle.reset(options={"reset_mask": mask}))


def test_step_after_a_masked_first_reset_names_an_env_that_was_left_out(python_or_native: str, closing: Any):
    envs = closing(make_on(python_or_native, "CartPole-v1", 3))
    envs.reset(options={"reset_mask": np.array([True, False, True])})
    with pytest.raises(ResetNeededError, match="got env 1"):
        envs.step(ZEROS)
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    envs.step(ZEROS)


def test_the_callers_options_are_left_alone(cartpoles: Any):
    options = {"reset_mask": np.array([True, True, True]), "low": -0.01}
    cartpoles().reset(options=options)
    assert set(options) == {"reset_mask", "low"}


def test_a_finished_env_needs_a_masked_reset_when_autoreset_is_disabled(python_or_native: str, closing: Any):
    arguments = {"max_episode_steps": 2}
    envs = closing(make_on(python_or_native, "CartPole-v1", 3, autoreset_mode="Disabled", **arguments))
    oracle = sync_cartpoles(3, mode=AutoresetMode.DISABLED, **arguments)
    assert_same(envs.reset(seed=0), oracle.reset(seed=0))
    for _ in range(2):
        assert_same(envs.step(ZEROS), oracle.step(ZEROS))
    before = envs.get_state()
    with pytest.raises(ResetNeededError, match="got env 0 finished"):
        envs.step(ZEROS)
    with pytest.raises(AssertionError):
        oracle.step(ZEROS)
    assert envs.get_state() == before
    mask = np.array([True, True, False])
    assert_same(envs.reset(options={"reset_mask": mask}), oracle.reset(options={"reset_mask": mask}))
    with pytest.raises(ResetNeededError, match="got env 2 finished"):
        envs.step(ZEROS)
