"""Arrays that step returns are the caller's; out= and copy=False do what they say."""

from __future__ import annotations

import gc
import os

import numpy as np
import pytest
from gymnasium import spaces

import fastvec
from fastvec import errors
from fastvec.process.wire import shared_memory as process_memory
from support.compare import WORKERS
from support.sample_envs import Scripted


@pytest.fixture(params=[2, 0], ids=["workers", "inline"])
def envs(request, closing):
    made = closing(fastvec.make_vec("CartPole-v1", 6, backend="process", num_workers=request.param))
    made.reset(seed=1)
    return made


ACTIONS = np.zeros(6, np.int64)


def test_arrays_in_hand_are_never_overwritten(envs):
    held = [envs.step(ACTIONS)[:4] for _ in range(40)]
    copies = [tuple(array.copy() for array in batch) for batch in held]
    for _ in range(40):
        envs.step(ACTIONS)
    for batch, copied in zip(held, copies, strict=True):
        for array, before in zip(batch, copied, strict=True):
            assert array.tobytes() == before.tobytes()


@pytest.mark.parametrize("hold", ["view", "reversed view", "memoryview", "one row", "flags only", "tensor"])
def test_whoever_refers_to_a_batch_keeps_it(envs, hold):
    batch = envs.step(ACTIONS)
    observations = batch[0]
    expected = observations.copy()
    if hold == "tensor":
        kept = pytest.importorskip("torch").from_numpy(observations)
    elif hold == "view":
        kept = observations[:]
    elif hold == "reversed view":
        kept = observations[::-1][::-1]
    elif hold == "memoryview":
        kept = memoryview(observations)
    elif hold == "one row":
        kept = observations[5]
    else:
        kept = batch[3]
        expected = kept.copy()
    del batch, observations
    gc.collect()
    for _ in range(50):
        envs.step(ACTIONS)
    if hold == "one row":
        expected = expected[5]
    assert np.asarray(kept).tobytes() == expected.tobytes()


def test_memory_is_used_again_when_nobody_holds_it(envs):
    addresses = set()
    for _ in range(200):
        observations = envs.step(ACTIONS)[0]
        addresses.add(observations.ctypes.data)
    assert len(addresses) <= 4


def test_arrays_outlive_the_vector(envs):
    observations, rewards, *_ = envs.step(ACTIONS)
    expected = observations.copy(), rewards.copy()
    envs.close()
    assert observations.tobytes() == expected[0].tobytes()
    rewards += 1
    np.testing.assert_array_equal(rewards, expected[1] + 1)


@WORKERS
def test_changing_a_returned_array_changes_nothing_else(num_workers, closing):
    reference = closing(fastvec.make_vec("CartPole-v1", 6, backend="process", num_workers=num_workers))
    envs = closing(fastvec.make_vec("CartPole-v1", 6, backend="process", num_workers=num_workers))
    reference.reset(seed=1), envs.reset(seed=1)
    for _ in range(30):
        expected, batch = reference.step(ACTIONS), envs.step(ACTIONS)
        for array, other in zip(batch[:4], expected[:4], strict=True):
            assert array.tobytes() == other.tobytes()
            array[...] = 1
        batch[0].shape = (-1,)


def test_held_batches_beyond_the_address_space_are_copied(closing, monkeypatch):
    monkeypatch.setattr(process_memory, "_MOST_BUFFERS", 0)  # leaves the least number of buffers
    envs = closing(fastvec.make_vec("CartPole-v1", 6, backend="process", num_workers=2))
    held = [envs.reset(seed=1)[0]]
    copies = [held[0].copy()]
    for _ in range(40):
        held.append(envs.step(ACTIONS)[0])
        copies.append(held[-1].copy())
    for array, before in zip(held, copies, strict=True):
        assert array.tobytes() == before.tobytes()


@WORKERS
def test_without_copy_one_set_of_arrays_is_overwritten(num_workers, closing):
    envs = closing(fastvec.make_vec("CartPole-v1", 6, backend="process", num_workers=num_workers, copy=False))
    first, _ = envs.reset(seed=1)
    before = first.copy()
    second = envs.step(ACTIONS)[0]
    assert np.shares_memory(first, second)
    assert first.tobytes() != before.tobytes()


@WORKERS
def test_out_arrays_are_filled_and_returned(num_workers, closing):
    reference = closing(fastvec.make_vec("CartPole-v1", 6, backend="process", num_workers=num_workers))
    envs = closing(fastvec.make_vec("CartPole-v1", 6, backend="process", num_workers=num_workers))
    reference.reset(seed=1)
    observations = np.full((6, 4), 7, np.float32)
    assert envs.reset(seed=1, out=(observations,))[0] is observations
    for _ in range(20):
        expected = reference.step(ACTIONS)
        out = {"observations": observations, "rewards": np.empty(6), "truncations": np.empty(6, bool)}
        batch = envs.step(ACTIONS, out=out)
        assert batch[0] is observations
        assert batch[1] is out["rewards"]
        assert batch[3] is out["truncations"]
        for array, other in zip(batch[:4], expected[:4], strict=True):
            assert array.tobytes() == other.tobytes()


def test_out_for_nested_observations(closing):
    space = spaces.Dict({"a": spaces.Box(-1, 1, (2,), np.float32), "b": spaces.Discrete(4)})
    envs = closing(fastvec.make_vec(lambda: Scripted(space), 3, context="fork"))
    out = {"a": np.zeros((3, 2), np.float32), "b": np.zeros(3, np.int64)}
    observations, _ = envs.reset(seed=1, out=(out,))
    assert observations is out
    assert out["a"].any()


@pytest.mark.parametrize(
    ("out", "error", "text"),
    [
        ((np.zeros((6, 4)),), TypeError, "float32"),
        ((np.zeros((5, 4), np.float32),), ValueError, r"\(6, 4\)"),
        ((np.zeros((4, 6), np.float32).T,), ValueError, "contiguous"),
        ((None, np.zeros(6, np.float32)), TypeError, "float64"),
        ({"reward": np.zeros(6)}, ValueError, "reward"),
        ("arrays", TypeError, "tuple"),
        ((), ValueError, "0 items"),
    ],
)
def test_out_arrays_that_do_not_fit_are_refused_before_anything_is_stepped(envs, out, error, text):
    with pytest.raises(error, match=text):
        envs.step(ACTIONS, out=out)
    reference = fastvec.make_vec("CartPole-v1", 6, backend="process", num_workers=2)
    reference.reset(seed=1)
    assert envs.step(ACTIONS)[0].tobytes() == reference.step(ACTIONS)[0].tobytes()
    reference.close()


def test_memory_of_batches_once_held_is_given_back():
    size = 1 << 20
    file = process_memory.SharedFile()
    memory, buffers = process_memory.map_buffers(file, 0, size, reuse_one=False)
    ring = process_memory.BufferRing(memory, 0, size, buffers, reuse_one=False)

    def batch():
        _, block, must_copy = ring.acquire()
        assert not must_copy
        array = np.frombuffer(block, np.uint8)
        array[:] = 1
        return array

    blocks = lambda: os.fstat(file.descriptor).st_blocks * 512  # noqa: E731
    held = [batch() for _ in range(40)]
    most = blocks()
    assert most >= 40 * size
    del held
    for _ in range(30 * 1024):  # it looks from time to time only
        ring.acquire()
    assert blocks() < most / 4
    file.close()


def test_wrong_actions_are_refused_before_anything_is_stepped(envs):
    with pytest.raises(errors.InvalidActionError, match="shape"):
        envs.step(np.zeros(5, np.int64))
    with pytest.raises(errors.InvalidActionError, match="6"):
        envs.step([0, 1])
    with pytest.raises(errors.InvalidActionError):
        envs.step(3)
    envs.step(ACTIONS)
