"""``out=``: results written into the caller's own arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastvec
from fastvec.errors import OutTypeError, OutValueError
from support.native import MODES, assert_same, cartpoles, sync_cartpoles


class Storage:
    """Arrays for one batch, filled with values that no step writes."""

    def __init__(self, num_envs: int) -> None:
        self.observations = np.full((num_envs, 4), np.nan, np.float32)
        self.rewards = np.full(num_envs, np.nan)
        self.terminations = np.ones(num_envs, bool)
        self.truncations = np.ones(num_envs, bool)

    @property
    def all(self) -> tuple[np.ndarray, ...]:
        return self.observations, self.rewards, self.terminations, self.truncations


@pytest.mark.parametrize("mode", MODES[:2])
def test_out_holds_the_oracles_numbers(mode):
    envs, oracle = cartpoles(3, autoreset_mode=mode), sync_cartpoles(3, mode=mode)
    rng = np.random.default_rng(0)
    storage = Storage(3)
    result = envs.reset(seed=0, out=(storage.observations,))
    assert result[0] is storage.observations
    assert_same(result, oracle.reset(seed=0))
    for _ in range(120):
        actions = rng.integers(0, 2, 3)
        result = envs.step(actions, out=storage.all)
        assert all(one is other for one, other in zip(result[:4], storage.all, strict=True))
        assert_same(result, oracle.step(actions))


def forms(storage: Storage) -> dict[str, Any]:
    return {
        "tuple": storage.all,
        "list": list(storage.all),
        "one": storage.all[:1],
        "two": storage.all[:2],
        "none first": (None, storage.rewards),
        "none between": (storage.observations, None, None, storage.truncations),
        "all none": (None, None, None, None),
        "dict": dict(zip(("observations", "rewards", "terminations", "truncations"), storage.all, strict=True)),
        "dict of one": {"truncations": storage.truncations},
        "dict with none": {"rewards": None, "observations": storage.observations},
        "empty dict": {},
    }


@pytest.mark.parametrize("name", forms(Storage(1)))
def test_forms_of_out(name: str):
    envs, twin = cartpoles(3), cartpoles(3)
    envs.reset(seed=0)
    twin.reset(seed=0)
    storage = Storage(3)
    out = forms(storage)[name]
    result = envs.step(np.zeros(3, np.int64), out=out)
    assert_same(result, twin.step(np.zeros(3, np.int64)))
    keys = ("observations", "rewards", "terminations", "truncations")
    given = out if isinstance(out, dict) else dict(zip(keys, out, strict=False))
    for key, array, own in zip(keys, result, storage.all, strict=False):
        assert (array is own) == (given.get(key) is not None)


def test_what_out_does_not_name_is_safe_to_keep():
    envs = cartpoles(3)
    envs.reset(seed=0)
    storage = Storage(3)
    kept = []
    for _ in range(50):
        _, rewards, _, truncated, _ = envs.step(np.zeros(3, np.int64), out=(storage.observations, None))
        kept += [(rewards, rewards.copy()), (truncated, truncated.copy())]
    for array, copy in kept:
        assert_same(array, copy)


def test_a_rollout_is_filled_row_by_row():
    steps, num_envs = 60, 5
    envs, oracle = cartpoles(num_envs), sync_cartpoles(num_envs)
    observations = np.empty((steps + 1, num_envs, 4), np.float32)
    rewards = np.empty((steps, num_envs))
    terminated, truncated = np.empty((2, steps, num_envs), bool)
    envs.reset(seed=2, out=(observations[0],))
    expected = [oracle.reset(seed=2)[0]]
    rng = np.random.default_rng(2)
    for t in range(steps):
        actions = rng.integers(0, 2, num_envs)
        envs.step(actions, out=(observations[t + 1], rewards[t], terminated[t], truncated[t]))
        step = oracle.step(actions)
        expected.append(step[0])
        assert_same((rewards[t], terminated[t], truncated[t]), step[1:4])
    np.testing.assert_array_equal(observations, expected)


def test_torch_tensors_are_written_in_place():
    torch = pytest.importorskip("torch")
    envs, twin = cartpoles(3), cartpoles(3)
    observations, rewards = torch.zeros(3, 4), torch.zeros(3, dtype=torch.float64)
    terminated, truncated = torch.ones(2, 3, dtype=torch.bool)
    assert envs.reset(seed=0, out={"observations": observations})[0] is observations
    np.testing.assert_array_equal(observations.numpy(), twin.reset(seed=0)[0])
    for _ in range(30):
        out = (observations, rewards, terminated, truncated)
        result = envs.step(np.zeros(3, np.int64), out=out)
        assert all(one is other for one, other in zip(result[:4], out, strict=True))
        expected = twin.step(np.zeros(3, np.int64))
        assert_same(tuple(tensor.numpy() for tensor in out), expected[:4])


def test_reset_with_a_mask_fills_all_rows():
    envs, oracle = cartpoles(3), sync_cartpoles(3)
    envs.reset(seed=0)
    oracle.reset(seed=0)
    envs.step(np.zeros(3, np.int64))
    oracle.step(np.zeros(3, np.int64))
    storage = Storage(3)
    mask = np.array([False, True, False])
    envs.reset(options={"reset_mask": mask}, out=(storage.observations,))
    assert_same(storage.observations, oracle.reset(options={"reset_mask": mask})[0])


def refused() -> dict[str, tuple[Any, type, str]]:
    good = Storage(3)
    return {
        "wrong shape": ((np.zeros((4, 4), np.float32),), OutValueError, r"shape \(3, 4\), got shape \(4, 4\)"),
        "flat": ((np.zeros(12, np.float32),), OutValueError, r"got shape \(12,\)"),
        "float64 observations": ((np.zeros((3, 4)),), OutTypeError, "float32.*got dtype float64"),
        "float32 rewards": ((None, np.zeros(3, np.float32)), OutTypeError, "out rewards.*float64.*got dtype float32"),
        "uint8 flags": ((None, None, np.zeros(3, np.uint8)), OutTypeError, "out terminations.*bool.*uint8"),
        "big endian": ((None, np.zeros(3, ">f8")), OutTypeError, "got dtype >f8"),
        "fortran": ((np.zeros((3, 4), np.float32, order="F"),), OutValueError, "not contiguous"),
        "strided": ((None, np.zeros(6)[::2]), OutValueError, "out rewards.*not contiguous"),
        "read only": ((None, np.broadcast_to(np.float64(0), (3,)).copy()), OutValueError, "read-only"),
        "a list": (([[0.0] * 4] * 3,), OutTypeError, "got <class 'list'>"),
        "a number": ((None, 3.0), OutTypeError, "got <class 'float'>"),
        "an array for a tuple": (good.observations, OutTypeError, "expected a tuple"),
        "a string": ("out", OutTypeError, "expected a tuple"),
        "an empty tuple": ((), OutValueError, "got 0 items"),
        "five": ((*good.all, None), OutValueError, "got 5 items"),
        "unknown key": ({"reward": good.rewards}, OutValueError, "got 'reward'"),
        "numpy that is none": ((None, type("Odd", (), {"numpy": lambda self: "x"})()), OutTypeError, "Odd"),
    }


@pytest.mark.parametrize("name", refused())
def test_refused_out_steps_nothing(name: str):
    out, kind, message = refused()[name]
    if name == "read only":
        out[1].flags.writeable = False
    envs = cartpoles(3)
    envs.reset(seed=0)
    before = envs.get_state()
    with pytest.raises(kind, match=message):
        envs.step(np.zeros(3, np.int64), out=out)
    assert envs.get_state() == before
    if name not in ("strided", "float32 rewards", "uint8 flags", "big endian", "read only", "a number",
                    "numpy that is none", "unknown key"):  # fmt: skip
        with pytest.raises(kind):
            envs.reset(seed=1, out=out)
        assert envs.get_state() == before
    envs.step(np.zeros(3, np.int64))


def test_refused_tensors():
    torch = pytest.importorskip("torch")
    envs = cartpoles(3)
    envs.reset(seed=0)
    before = envs.get_state()
    for out, message in [
        ((torch.zeros(3, 4, dtype=torch.float64),), "got dtype float64"),
        ((torch.zeros(3, 4, requires_grad=True),), "grad"),
        ((torch.zeros(4, 3).T,), "not contiguous"),
        ((torch.zeros(3, 4, device="meta"),), "CPU tensor"),
        ((torch.zeros(3, 5),), r"got shape \(3, 5\)"),
    ]:
        with pytest.raises((OutTypeError, OutValueError), match=message):
            envs.step(np.zeros(3, np.int64), out=out)
    assert envs.get_state() == before


def test_out_of_composite_observations(rich: str):
    envs, twin = fastvec.make_vec(rich, 3), fastvec.make_vec(rich, 3)
    storage = {
        "image": np.zeros((3, 2, 3, 3), np.uint8),
        "place": np.zeros(3, np.int64),
        "bits": np.zeros((3, 3), np.int8),
        "pair": (np.zeros((3, 2)), np.zeros((3, 2), np.int64)),
    }
    result = envs.reset(seed=0, out=(storage,))
    assert result[0] is storage
    assert_same(result, twin.reset(seed=0))
    envs.action_space.seed(0)
    for _ in range(20):
        actions = envs.action_space.sample()
        result = envs.step(actions, out=(storage,))
        assert result[0] is storage
        assert_same(result, twin.step(actions))
    before = envs.get_state()
    for wrong, message in [
        ({**storage, "place": np.zeros(3, np.int32)}, r"\['place'\].*int64.*got dtype int32"),
        ({key: value for key, value in storage.items() if key != "bits"}, "got no 'bits'"),
        ({**storage, "pair": (np.zeros((3, 2)),)}, r"\['pair'\]: .*got no 1"),
    ]:
        with pytest.raises((OutTypeError, OutValueError), match=message):
            envs.step(actions, out=(wrong,))
    assert envs.get_state() == before


def test_out_memory_is_not_kept():
    envs = cartpoles(3)
    envs.reset(seed=0)
    storage = Storage(3)
    envs.step(np.zeros(3, np.int64), out=storage.all)
    copies = [array.copy() for array in storage.all]
    for _ in range(10):
        envs.step(np.zeros(3, np.int64))
    assert_same(list(storage.all), copies)


def test_out_without_copy():
    envs, twin = cartpoles(3, copy=False), cartpoles(3)
    envs.reset(seed=0)
    twin.reset(seed=0)
    storage = Storage(3)
    for _ in range(10):
        assert_same(envs.step(np.zeros(3, np.int64), out=(storage.observations,)), twin.step(np.zeros(3, np.int64)))
