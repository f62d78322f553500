"""Arrays that a vector returns, and ``out=``: the same contract on every backend."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from support.backends import NUM_ENVS, ZEROS, make_backend
from support.sameness import assert_same


def test_a_batch_has_the_shapes_and_dtypes_of_the_spaces(envs, backend):
    observations, rewards, terminations, truncations, infos = envs.step(ZEROS)
    space = envs.single_observation_space
    assert observations.shape == (NUM_ENVS, *space.shape)
    assert observations.dtype == space.dtype == envs.observation_space.dtype
    assert rewards.dtype == (np.int32 if backend == "ale" else np.float64)  # ale-py's own are whole numbers
    assert terminations.dtype == truncations.dtype == np.bool_
    assert rewards.shape == terminations.shape == truncations.shape == (NUM_ENVS,)
    assert isinstance(infos, dict)


def keep(batch: Any, hold: str) -> Any:
    """What a caller keeps of a batch."""
    observations = batch[0]
    if hold == "tensor":
        return pytest.importorskip("torch").from_numpy(observations)
    kept = {
        "array": observations,
        "view": observations[:],
        "reversed view": observations[::-1][::-1],
        "one row": observations[2],
        "flags only": batch[3],
        "rewards only": batch[1],
    }
    return memoryview(observations) if hold == "memoryview" else kept[hold]


@pytest.mark.parametrize(
    "hold", ["array", "view", "reversed view", "memoryview", "one row", "flags only", "rewards only", "tensor"]
)
def test_what_is_held_of_a_batch_is_never_overwritten(envs, hold):
    held = [keep(envs.step(ZEROS), hold) for _ in range(20)]
    copies = [np.asarray(kept).copy() for kept in held]
    gc.collect()
    for _ in range(20):
        envs.step(ZEROS)
    for kept, before in zip(held, copies, strict=True):
        assert np.asarray(kept).tobytes() == before.tobytes()


def test_changing_a_returned_array_changes_nothing_else(envs, twin):
    for _ in range(20):
        batch, expected = envs.step(ZEROS), twin.step(ZEROS)
        for array, other in zip(batch[:4], expected[:4], strict=True):
            assert_same(array, other)
            array[...] = 1
        batch[0].shape = (-1,)
        batch[4].clear()


def test_arrays_outlive_the_vector(backend):
    envs = make_backend(backend)
    held = [envs.reset(seed=1)[0], *envs.step(ZEROS)[:4]]
    copies = [array.copy() for array in held]
    envs.close()
    del envs
    gc.collect()
    assert_same(held, copies)
    held[1][...] = 1  # they are the caller's


def test_out_arrays_are_filled_and_returned(envs, twin):
    observations = np.empty_like(twin.reset(seed=4)[0])
    assert envs.reset(seed=4, out=(observations,))[0] is observations
    for turn in range(20):
        rewards, truncations = np.full(NUM_ENVS, 9.0), np.ones(NUM_ENVS, bool)
        named = {"observations": observations, "rewards": rewards, "truncations": truncations}
        out = named if turn % 2 else (observations, rewards, None, truncations)
        batch, expected = envs.step(ZEROS, out=out), twin.step(ZEROS)
        assert batch[0] is observations
        assert batch[1] is rewards
        assert batch[3] is truncations
        np.testing.assert_array_equal(rewards, expected[1])  # ale-py's own are int32
        assert_same((batch[0], *batch[2:4]), (expected[0], *expected[2:4]))


WRONG_OUT = {
    "dtype of observations": (lambda right: (right.astype(np.float16),), TypeError, "float32|uint8"),
    "number of rows": (lambda right: (right[:2].copy(),), ValueError, "shape"),
    "order of memory": (lambda right: (np.asfortranarray(right),), ValueError, "contiguous"),
    "dtype of rewards": (lambda right: (None, np.zeros(NUM_ENVS, np.float32)), TypeError, "float64"),
    "unknown name": (lambda right: {"reward": np.zeros(NUM_ENVS)}, ValueError, "reward"),
    "text": (lambda right: "arrays", TypeError, "tuple"),
    "nothing": (lambda right: (), ValueError, "0 items"),
}


@pytest.mark.parametrize("name", WRONG_OUT)
def test_out_arrays_that_do_not_fit_are_refused_before_anything_is_stepped(envs, twin, name):
    wrong, error, text = WRONG_OUT[name]
    right = np.zeros(envs.observation_space.shape, envs.observation_space.dtype)
    with pytest.raises(error, match=text):
        envs.step(ZEROS, out=wrong(right))
    assert_same(envs.step(ZEROS)[:4], twin.step(ZEROS)[:4])
