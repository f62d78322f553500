"""Arrays that step returns are the caller's; out= and copy=False do what they say."""

from __future__ import annotations

import os

import numpy as np
import pytest
from gymnasium import spaces

import fastvec
from fastvec.process.wire import shared_memory as process_memory
from support.compare import WORKERS
from support.sample_envs import Scripted


@pytest.fixture(params=[2, 0], ids=["workers", "inline"])
def envs(request, closing):
    made = closing(fastvec.make_vec("CartPole-v1", 6, backend="process", num_workers=request.param))
    made.reset(seed=1)
    return made


ACTIONS = np.zeros(6, np.int64)


def test_memory_is_used_again_when_nobody_holds_it(envs):
    addresses = set()
    for _ in range(200):
        observations = envs.step(ACTIONS)[0]
        addresses.add(observations.ctypes.data)
    assert len(addresses) <= 4


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


def test_out_for_nested_observations(closing):
    space = spaces.Dict({"a": spaces.Box(-1, 1, (2,), np.float32), "b": spaces.Discrete(4)})
    envs = closing(fastvec.make_vec(lambda: Scripted(space), 3, context="fork"))
    out = {"a": np.zeros((3, 2), np.float32), "b": np.zeros(3, np.int64)}
    observations, _ = envs.reset(seed=1, out=(out,))
    assert observations is out
    assert out["a"].any()


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
