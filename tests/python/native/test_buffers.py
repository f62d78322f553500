"""Who owns the arrays that a native vector returns, and for how long they keep their values."""

from __future__ import annotations

import gc
import resource
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastvec
from support.native import MODES, assert_same, cartpoles, sync_cartpoles


def actions_of(rng: np.random.Generator, num_envs: int) -> np.ndarray:
    return rng.integers(0, 2, num_envs)


HOLD: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda array: array,
    "view": lambda array: array[...],
    "row": lambda array: array[1],
    "view of a view": lambda array: array[1:][::2].T,
    "memoryview": memoryview,
    "buffer": lambda array: np.frombuffer(array, dtype=np.uint8),
    "matrix": lambda array: array.view(np.recarray),
    "dlpack": np.from_dlpack,
    "ctypes": lambda array: array.ctypes,
    "iterator": iter,
    "flat": lambda array: array.flat,
    "closure": lambda array: lambda: array,
}


@pytest.mark.parametrize("name", HOLD)
def test_what_is_held_is_never_overwritten(name: str):
    envs = cartpoles(5)
    observations, _ = envs.reset(seed=0)
    rng = np.random.default_rng(0)
    held = []
    for _ in range(50):
        address = observations.__array_interface__["data"][0]
        held.append((HOLD[name](observations), address, observations.tobytes()))
        observations = envs.step(actions_of(rng, 5))[0]
    taken = {address for _, address, _ in held}
    assert len(taken) == 50
    envs.close()
    gc.collect()
    for holder, address, values in held:
        shape = (5, 4)
        now = (np.ctypeslib.as_array((np.ctypeslib.ctypes.c_float * 20).from_address(address))).reshape(shape)
        assert now.tobytes() == values
        del holder


def test_torch_tensors_on_the_arrays_are_never_overwritten():
    torch = pytest.importorskip("torch")
    envs = cartpoles(5)
    rng = np.random.default_rng(0)
    envs.reset(seed=0)
    held = []
    for _ in range(300):
        observations, rewards, terminated, truncated, _ = envs.step(actions_of(rng, 5))
        tensors = [torch.from_numpy(array) for array in (observations, rewards, terminated, truncated)]
        held.append((tensors, [tensor.clone() for tensor in tensors]))
        del observations, rewards, terminated, truncated
    envs.close()
    del envs
    for tensors, copies in held:
        assert all(torch.equal(tensor, copy) for tensor, copy in zip(tensors, copies, strict=True))


@pytest.mark.parametrize("mode", MODES[:2])
def test_every_result_of_a_long_run_keeps_its_values(mode):
    envs, oracle = cartpoles(3, autoreset_mode=mode), sync_cartpoles(3, mode=mode)
    rng = np.random.default_rng(1)
    kept = [(envs.reset(seed=1), oracle.reset(seed=1))]
    for _ in range(400):
        actions = actions_of(rng, 3)
        kept.append((envs.step(actions), oracle.step(actions)))
    envs.close()
    for result, expected in kept:
        assert_same(result, expected)


def test_only_one_of_the_arrays_held_is_enough():
    envs = cartpoles(4)
    envs.reset(seed=0)
    rng = np.random.default_rng(2)
    rewards, terminated = [], []
    for step in range(200):
        _, reward, termination, _, _ = envs.step(actions_of(rng, 4))
        rewards.append((reward, reward.copy()))
        if step % 3 == 0:
            terminated.append((termination, termination.copy()))
    for array, copy in rewards + terminated:
        assert_same(array, copy)


def test_infos_held_are_never_overwritten(rich: str):
    envs = fastvec.make_vec(rich, 4)
    envs.action_space.seed(0)
    kept = [envs.reset(seed=0)[1]]
    copies = [{key: value.copy() for key, value in kept[0].items()}]
    for _ in range(100):
        kept.append(envs.step(envs.action_space.sample())[4])
        copies.append({key: value.copy() for key, value in kept[-1].items()})
    for info, copy in zip(kept, copies, strict=True):
        assert_same(info, copy)


def test_memory_comes_back_into_use_once_it_is_let_go():
    envs = cartpoles(4)
    envs.reset(seed=0)
    addresses = {envs.step(np.zeros(4, np.int64))[0].__array_interface__["data"][0] for _ in range(500)}
    assert len(addresses) <= 8


def test_a_result_is_fresh_while_the_last_one_is_held():
    envs = cartpoles(4)
    last = envs.reset(seed=0)[0]
    for _ in range(50):
        new = envs.step(np.zeros(4, np.int64))[0]
        assert not np.shares_memory(new, last)
        last = new


# -- mutation -----------------------------------------------------------------------------------------------


def overwrite(array: np.ndarray) -> None:
    array.fill(1 if array.dtype == bool else 7)


def lock(array: np.ndarray) -> None:
    array.flags.writeable = False


MUTATE: dict[str, Callable[[np.ndarray], None]] = {"overwrite": overwrite, "lock": lock}


@pytest.mark.parametrize("name", MUTATE)
def test_mutating_what_was_returned_changes_nothing_else(name: str):
    envs, oracle = cartpoles(3, autoreset_mode="SameStep"), sync_cartpoles(3, mode=MODES[1])
    rng = np.random.default_rng(3)
    assert_same(envs.reset(seed=3), oracle.reset(seed=3))
    for _ in range(150):
        actions = actions_of(rng, 3)
        result = envs.step(actions)
        assert_same(result, oracle.step(actions))
        for array in result[:4]:
            assert array.flags.writeable
            assert array.flags.c_contiguous
            assert array.flags.aligned
            MUTATE[name](array)
        result[4].clear()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # NumPy advises against these assignments
def test_reshaping_what_was_returned_changes_nothing_else():
    envs, oracle = cartpoles(4), sync_cartpoles(4)
    rng = np.random.default_rng(3)
    assert_same(envs.reset(seed=3), oracle.reset(seed=3))
    for step in range(120):
        actions = actions_of(rng, 4)
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        assert_same((observations, rewards, terminated, truncated, infos), oracle.step(actions))
        if step % 3 == 0:
            observations.shape = (16,)
            rewards.shape = (2, 2)
        elif step % 3 == 1:
            observations.dtype = np.int32
            terminated.dtype = np.int8
        else:
            observations.strides = (4, 16)
            rewards.strides = (0,)


# -- copy=False ---------------------------------------------------------------------------------------------


def test_without_copy_one_set_of_arrays_is_overwritten():
    envs, twin = cartpoles(3, copy=False), cartpoles(3)
    first, _ = envs.reset(seed=0)
    twin.reset(seed=0)
    for _ in range(100):
        result, expected = envs.step(np.ones(3, np.int64)), twin.step(np.ones(3, np.int64))
        assert np.shares_memory(result[0], first)
        assert_same(result, expected)
        assert_same(first, expected[0])


def test_without_copy_arrays_outlive_the_vector():
    envs = cartpoles(3, copy=False)
    observations, _ = envs.reset(seed=0)
    copy = observations.copy()
    envs.close()
    del envs
    gc.collect()
    assert_same(observations, copy)


# -- growth -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hold", [0, 3])
def test_memory_is_flat_over_20000_steps(hold: int):
    envs = cartpoles(2000)
    envs.reset(seed=0)
    actions = np.zeros(2000, np.int64)
    held: list[Any] = []

    def run(steps: int) -> int:
        for _ in range(steps):
            held.append(envs.step(actions))
            del held[: max(0, len(held) - hold)]
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = run(1000)
    after = run(20_000)
    assert after - before < 4096  # KiB; a leak of one batch per step would take 800 MiB


def test_memory_of_a_past_hoard_is_given_back():
    envs = cartpoles(1000)
    envs.reset(seed=0)
    actions = np.zeros(1000, np.int64)
    hoard = [envs.step(actions) for _ in range(300)]
    gone = weakref.ref(hoard[100][0])
    address = hoard[100][0].__array_interface__["data"][0]
    assert address
    hoard.clear()
    for _ in range(60_000):
        if gone() is None:
            break
        envs.step(actions)
    assert gone() is None


def test_references_are_counted_rightly():
    envs = cartpoles(3)
    actions = np.zeros(3, np.int64)
    storage = np.zeros((3, 4), np.float32)
    options = {"low": -0.01, "high": 0.01}
    envs.reset(seed=0, options=options)
    values: list[Any] = [actions, storage, options, None, True, envs]
    before = [sys.getrefcount(value) for value in values]
    for _ in range(200):
        envs.step(actions, out=(storage,))
        envs.reset(options=options, out=(storage,))
        with pytest.raises(ValueError, match="shape"):
            envs.step(actions[:2], out=(storage,))
        with pytest.raises(ValueError, match="shape"):
            envs.step(actions, out=(storage[:2],))
    after = [sys.getrefcount(value) for value in values]
    for value, old, new in zip(values, before, after, strict=True):
        assert abs(new - old) < 50, type(value)


def test_vectors_are_collected_even_in_cycles():
    envs = cartpoles(3)
    envs.reset(seed=0)
    envs.myself = envs
    gone = weakref.ref(envs)
    del envs
    gc.collect()
    assert gone() is None
