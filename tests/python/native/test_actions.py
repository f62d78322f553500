"""What step takes as actions, and how it refuses the rest without stepping anything."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import fastvec
from fastvec.errors import ActionTypeError, InvalidActionError
from support.native import MODES, assert_same, cartpoles, sync_cartpoles


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def fresh(env_id: str = "CartPole-v1", num_envs: int = 4, **kwargs: Any) -> fastvec.VectorEnv:
    envs = fastvec.make_vec(env_id, num_envs, num_threads=2, **kwargs)
    envs.reset(seed=6)
    return envs


WRONG_DISCRETE: dict[str, tuple[Any, type, str]] = {
    "too few": (np.zeros(3, np.int64), InvalidActionError, r"int64 of shape \(4,\), got shape \(3,\)"),
    "too many": (np.zeros(5, np.int64), InvalidActionError, r"shape \(4,\), got shape \(5,\)"),
    "scalar": (1, InvalidActionError, r"got shape \(\)"),
    "column": (np.zeros((4, 1), np.int64), InvalidActionError, r"got shape \(4, 1\)"),
    "empty": (np.zeros(0, np.int64), InvalidActionError, r"got shape \(0,\)"),
    "empty list": ([], ActionTypeError, "float64"),
    "float": (np.zeros(4), ActionTypeError, "got dtype float64"),
    "float32": (np.zeros(4, np.float32), ActionTypeError, "got dtype float32"),
    "bool": (np.zeros(4, bool), ActionTypeError, "got dtype bool"),
    "complex": (np.zeros(4, complex), ActionTypeError, "got dtype complex128"),
    "object": (np.array([None] * 4), ActionTypeError, "got dtype object"),
    "strings": (["0", "1", "0", "1"], ActionTypeError, "got dtype"),
    "none": (None, ActionTypeError, "got dtype object"),
    "ragged": ([[0, 1], [0], [1], [0]], ActionTypeError, "expected an array"),
    "too large": (np.array([0, 1, 2, 0]), InvalidActionError, "from 0 to 1, got 2 for env 2"),
    "negative": (np.array([0, 1, 0, -1]), InvalidActionError, "got -1 for env 3"),
    "huge": (np.array([0, 1, 0, 2**62]), InvalidActionError, f"got {2**62} for env 3"),
    "most negative": (np.array([-(2**63), 1, 0, 0]), InvalidActionError, f"got -{2**63} for env 0"),
    "int32 too large": (np.array([0, 7, 0, 0], np.int32), InvalidActionError, "got 7 for env 1"),
    "uint64 too large": (np.array([0, 0, 2**64 - 1, 0], np.uint64), InvalidActionError, "expected"),
    "dict": ({"a": 1}, ActionTypeError, "got dtype object"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", WRONG_DISCRETE)
def test_wrong_discrete_actions_step_nothing(name: str, mode: AutoresetMode):
    actions, kind, message = WRONG_DISCRETE[name]
    envs, twin = fresh(autoreset_mode=mode), fresh(autoreset_mode=mode)
    before = envs.get_state()
    with pytest.raises(kind, match=message) as caught:
        envs.step(actions)
    assert isinstance(caught.value, gymnasium.error.InvalidAction)
    assert isinstance(caught.value, AssertionError)  # what Gymnasium's envs raise
    assert envs.get_state() == before
    right = np.array([0, 1, 1, 0])
    assert_same(envs.step(right), twin.step(right))


WRONG_BOX: dict[str, tuple[Any, type, str]] = {
    "flat": (np.zeros(4, np.float32), InvalidActionError, r"float32 of shape \(4, 1\), got shape \(4,\)"),
    "wide": (np.zeros((4, 2), np.float32), InvalidActionError, r"got shape \(4, 2\)"),
    "transposed": (np.zeros((1, 4), np.float32), InvalidActionError, r"got shape \(1, 4\)"),
    "bool": (np.zeros((4, 1), bool), ActionTypeError, "got dtype bool"),
    "complex": (np.zeros((4, 1), complex), ActionTypeError, "got dtype complex128"),
    "strings": ([["a"]] * 4, ActionTypeError, "got dtype"),
}


@pytest.mark.parametrize("name", WRONG_BOX)
def test_wrong_box_actions_step_nothing(name: str):
    actions, kind, message = WRONG_BOX[name]
    envs = fresh("Pendulum-v1")
    before = envs.get_state()
    with pytest.raises(kind, match=message):
        envs.step(actions)
    assert envs.get_state() == before
    envs.step(np.zeros((4, 1), np.float32))


DISCRETE_FORMS = {
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(a.tolist()),
    "list of numpy integers": lambda a: list(a),
    "int32": lambda a: a.astype(np.int32),
    "uint8": lambda a: a.astype(np.uint8),
    "uint64": lambda a: a.astype(np.uint64),
    "longlong": lambda a: a.astype(np.longlong),
    "big endian": lambda a: a.astype(">i8"),
    "strided": lambda a: np.repeat(a, 3)[::3],
    "reversed view": lambda a: a[::-1].copy()[::-1],
    "read only": lambda a: read_only(a.copy()),
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), np.int8)[1:].view(np.int64),
    "masked array": lambda a: np.ma.MaskedArray(a),
    "memoryview": lambda a: memoryview(a),
}


@pytest.mark.parametrize("name", DISCRETE_FORMS)
def test_discrete_actions_in_any_form(name: str):
    envs, twin = fresh(), fresh()
    rng = np.random.default_rng(2)
    for _ in range(12):
        actions = rng.integers(0, 2, 4)
        assert_same(envs.step(DISCRETE_FORMS[name](actions)), twin.step(actions))


BOX_FORMS = {
    "list": lambda a: a.tolist(),
    "float64": lambda a: a.astype(np.float64),
    "int64": lambda a: a.astype(np.int64),
    "big endian": lambda a: a.astype(">f4"),
    "strided": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "fortran": lambda a: np.asfortranarray(np.repeat(a, 2, axis=1))[:, :1],
    "read only": lambda a: read_only(a.copy()),
}


@pytest.mark.parametrize("name", BOX_FORMS)
def test_box_actions_in_any_form(name: str):
    # Values that every form holds exactly: the dtype is all that differs.
    envs = fresh("MountainCarContinuous-v0")
    oracle = SyncVectorEnv([lambda: gymnasium.make("MountainCarContinuous-v0", disable_env_checker=True)] * 4)
    oracle.reset(seed=6)
    rng = np.random.default_rng(3)
    for _ in range(12):
        actions = rng.integers(-2, 3, (4, 1)).astype(np.float32)
        form = BOX_FORMS[name](actions)
        array = np.asarray(form)  # a list of floats is float64
        result, expected = envs.step(form), oracle.step(array)
        np.testing.assert_array_equal(result[0], expected[0])
        np.testing.assert_array_equal(result[2], expected[2])


def test_nan_actions_go_through_as_in_gymnasium():
    envs = fresh("MountainCarContinuous-v0", 2)
    oracle = SyncVectorEnv([lambda: gymnasium.make("MountainCarContinuous-v0", disable_env_checker=True)] * 2)
    oracle.reset(seed=6)
    for value in (np.nan, np.inf, -np.inf, 0.5):
        actions = np.array([[value], [0.25]], np.float32)
        assert_same(envs.step(actions)[:4], oracle.step(actions)[:4])


def test_torch_tensors_are_actions():
    torch = pytest.importorskip("torch")
    envs, twin = fresh(), fresh()
    for dtype in (torch.int64, torch.int32, torch.uint8):
        assert_same(envs.step(torch.tensor([0, 1, 1, 0], dtype=dtype)), twin.step(np.array([0, 1, 1, 0])))
    pendulum, other = fresh("Pendulum-v1"), fresh("Pendulum-v1")
    tensor = torch.full((4, 1), 0.5)
    assert_same(pendulum.step(tensor), other.step(tensor.numpy()))
    with pytest.raises(ActionTypeError):
        pendulum.step(torch.full((4, 1), 0.5, requires_grad=True))


def test_actions_are_not_written():
    envs = fresh()
    actions = np.array([0, 1, 1, 0])
    for _ in range(30):
        envs.step(actions)
    np.testing.assert_array_equal(actions, [0, 1, 1, 0])


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP])
def test_actions_of_envs_about_to_be_reset_are_ignored(mode: AutoresetMode):
    envs, oracle = cartpoles(3, max_episode_steps=4), sync_cartpoles(3, max_episode_steps=4)
    envs.reset(seed=0)
    oracle.reset(seed=0)
    for _ in range(4):
        result = envs.step(np.zeros(3, np.int64))
        oracle.step(np.zeros(3, np.int64))
    assert result[3].all()
    nonsense = np.array([99, -5, 2**40])
    assert_same(envs.step(nonsense), oracle.step(nonsense))
    with pytest.raises(InvalidActionError):
        envs.step(nonsense)


def test_some_envs_about_to_be_reset_do_not_excuse_the_others():
    envs = cartpoles(2)
    envs.reset(seed=0)
    done = np.zeros(2, bool)
    rng = np.random.default_rng(0)
    while done.sum() != 1:
        _, _, terminated, _, _ = envs.step(rng.integers(0, 2, 2))
        done = terminated
    actions = np.where(done, 55, 0)
    before = envs.get_state()
    with pytest.raises(InvalidActionError, match=f"for env {int(np.argmin(done))}"):
        envs.step(np.full(2, 55))
    assert envs.get_state() == before
    envs.step(actions)


def test_the_first_wrong_of_many_actions_is_named():
    envs = fresh(num_envs=5000)
    actions = np.zeros(5000, np.int64)
    actions[[4321, 4999]] = 9
    with pytest.raises(InvalidActionError, match="for env 4321"):
        envs.step(actions)


def test_sequences_that_make_their_items_anew_are_actions(rich: str):
    class Fresh(list):
        def __getitem__(self, index):
            return super().__getitem__(index).copy()

    class FreshDict(dict):
        def __getitem__(self, key):
            value = super().__getitem__(key)
            return Fresh(value) if isinstance(value, tuple) else value.copy()

    envs, twin = fastvec.make_vec(rich, 64), fastvec.make_vec(rich, 64)
    envs.reset(seed=0)
    twin.reset(seed=0)
    envs.action_space.seed(0)
    for _ in range(10):
        actions = envs.action_space.sample()
        assert_same(envs.step(FreshDict(actions)), twin.step(actions))


def rich_actions(num_envs: int = 2) -> dict[str, Any]:
    return {
        "go": np.zeros(num_envs, np.int64),
        "bits": np.zeros((num_envs, 2), np.int8),
        "dial": np.zeros((num_envs, 2), np.int64),
        "force": (np.zeros((num_envs, 2), np.float32), np.zeros((num_envs, 1), np.uint8)),
    }


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"go": np.array([0, 2])}, InvalidActionError, "from -1 to 1, got 2 for env 1"),
        ({"bits": np.array([[0, 1], [2, 0]], np.int8)}, InvalidActionError, "from 0 to 1, got 2 for env 1"),
        ({"bits": np.array([[0, 256], [0, 0]])}, InvalidActionError, r"actions\['bits'\].*int64.*cannot hold"),
        ({"bits": np.array([[0, -1], [0, 0]])}, InvalidActionError, "got -1 for env 0"),
        ({"bits": np.zeros((2, 3), np.int8)}, InvalidActionError, r"actions\['bits'\].*\(2, 2\), got shape \(2, 3\)"),
        ({"dial": np.array([[0, 3], [2, 0]])}, InvalidActionError, "from 0 to 1, got 2 for env 1"),
        ({"dial": np.array([[0, 4], [1, 0]])}, InvalidActionError, "from 0 to 3, got 4 for env 0"),
        ({"dial": np.zeros((2, 2))}, ActionTypeError, r"actions\['dial'\].*got dtype float64"),
        ({"force": (np.zeros((2, 2), np.float32),)}, InvalidActionError, r"actions\['force'\]: expected a tuple of 2"),
        ({"force": 3}, InvalidActionError, r"actions\['force'\]: expected a tuple"),
        (
            {"force": (np.zeros((2, 2), np.float32), np.array([[300], [0]]))},
            InvalidActionError,
            r"actions\['force'\]\[1\].*uint8.*cannot hold",
        ),
        (
            {"force": (np.zeros((2, 2), np.float32), np.array([[0.5], [0]]))},
            ActionTypeError,
            r"actions\['force'\]\[1\]: expected uint8.*float64",
        ),
    ],
)
def test_wrong_leaf_of_a_composite_action_is_named(rich: str, change: dict, kind: type, message: str):
    envs = fastvec.make_vec(rich, 2)
    envs.reset(seed=0)
    before = envs.get_state()
    with pytest.raises(kind, match=message):
        envs.step(rich_actions() | change)
    assert envs.get_state() == before
    envs.step(rich_actions())


def test_missing_key_of_a_composite_action_is_named(rich: str):
    envs = fastvec.make_vec(rich, 2)
    envs.reset(seed=0)
    actions = rich_actions()
    del actions["dial"]
    with pytest.raises(InvalidActionError, match="'dial'"):
        envs.step(actions)
    with pytest.raises(InvalidActionError, match="expected a dict"):
        envs.step(np.zeros(2, np.int64))


def test_composite_actions_of_other_dtypes_are_converted(rich: str):
    envs, twin = fastvec.make_vec(rich, 2), fastvec.make_vec(rich, 2)
    envs.reset(seed=0)
    twin.reset(seed=0)
    other = {
        "go": [0, 0],
        "bits": np.zeros((2, 2), bool),
        "dial": np.zeros((2, 2), np.int16),
        "force": [np.zeros((2, 2), np.float64), [[0], [0]]],
    }
    assert_same(envs.step(other), twin.step(rich_actions()))
