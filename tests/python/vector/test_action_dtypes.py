"""Actions of every dtype: what SyncVectorEnv takes gives its bits or a clear refusal, on both backends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

import fastvec
from fastvec.errors import InvalidActionError
from support.native import assert_same
from support.oracles import VERSION

DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", ">i4", ">i8", "float16"]
DTYPES += ["float32", "float64", "longdouble", ">f4", "complex64", "object", "U3", "S3", "M8[s]"]
FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    **{dtype: lambda a, dtype=dtype: a.astype(dtype) for dtype in DTYPES},
    "objects of bool": lambda a: objects(a, bool),
    "objects of float": lambda a: objects(a, float),
    "objects of np.int16": lambda a: objects(a, np.int16),
    "objects of np.bool_": lambda a: objects(a, np.bool_),
    "objects of str": lambda a: objects(a, str),
    "list of bool": lambda a: objects(a, bool).tolist(),
    "list of np.bool_": lambda a: objects(a, np.bool_).tolist(),
    "list of int": lambda a: objects(a, int).tolist(),
    "list of float": lambda a: objects(a, float).tolist(),
    "tuple": lambda a: tuple(a.tolist()),
    "list of arrays": list,
}
DISCRETE = [
    "CartPole-v1",
    "MountainCar-v0",
    "Acrobot-v1",
    "FrozenLake-v1",
    "Taxi-v4",
    "CliffWalking-v1",
    "Blackjack-v1",
]
BOX = ["Pendulum-v1", "MountainCarContinuous-v0"]
# What has to be taken where SyncVectorEnv takes it; the rest may be refused.
TAKEN = {
    "bool",
    "object",
    "objects of bool",
    "objects of np.int16",
    "objects of np.bool_",
    "list of bool",
    "list of int",
}
TAKEN |= {"list of np.bool_", "tuple", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", ">i4", ">i8"}
TAKEN_BOX = {"int16", "int32", "int64", "float32", "float64", ">f4", "list of int", "list of float", "tuple"}


def objects(array: np.ndarray, kind: Callable[[Any], Any]) -> np.ndarray:
    made = np.empty(array.shape, object)
    for at in np.ndindex(array.shape):
        made[at] = kind(array[at])
    return made


def outcome(envs: Any, actions: Any) -> Any:
    """What a step from the same start gives: a batch, or the error."""
    with contextlib.suppress(TypeError):
        envs.reset(seed=4)
    try:
        return envs.step(actions)
    except Exception as error:
        return error


def check(actual: Any, expected: Any, must_be_taken: bool, what: str) -> None:
    if isinstance(actual, Exception):
        assert isinstance(actual, InvalidActionError), (what, actual)
        assert "expected" in str(actual), (what, actual)
        assert isinstance(expected, Exception) or not must_be_taken, (what, actual)
    elif not isinstance(expected, Exception):
        assert_same(actual, expected, what)


@pytest.fixture(scope="module")
def pairs() -> Any:
    """``pairs(id)``: the native vector and SyncVectorEnv, made once."""
    made: dict[str, tuple[Any, Any]] = {}

    def pair(env_id: str) -> tuple[Any, Any]:
        if env_id not in made:
            oracle = SyncVectorEnv([lambda: gymnasium.make(env_id, disable_env_checker=True)] * 3)
            made[env_id] = fastvec.make_vec(env_id, 3), oracle
        return made[env_id]

    yield pair
    for envs, oracle in made.values():
        envs.close()
        oracle.close()


@pytest.mark.filterwarnings("ignore")  # NumPy's, of casts and overflows
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("env_id", DISCRETE + BOX)
def test_native_actions(env_id: str, form: str, pairs: Any):
    if env_id == "Acrobot-v1" and form in {"bool", "objects of np.bool_", "list of np.bool_"} and VERSION < (1, 4):
        pytest.skip("an older Acrobot takes bools")
    envs, oracle = pairs(env_id)
    values = [np.array([1, 0, 1]), np.array([0, 0, 1])]
    taken = TAKEN
    if env_id in BOX:
        taken = TAKEN_BOX
        values = [
            np.array([[1], [0], [-1]]),
            np.array([[2], [-3], [100]]),
            np.array([[0.3], [-0.7], [1.9]], np.float32),
        ]
    for value in values:
        actions = FORMS[form](value)
        # MountainCar subtracts 1: what is unsigned wraps around.
        must = form in taken and not (env_id == "MountainCar-v0" and form.startswith("uint"))
        check(outcome(envs, actions), outcome(oracle, actions), must, f"{env_id} {form} {value.tolist()}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["int8", "int16", "uint8", "float16", "float64", "longdouble", "bool", "object"])
@pytest.mark.parametrize("env_id", ["Reacher-v5", "HalfCheetah-v5"])
def test_native_mujoco_actions(env_id: str, form: str, pairs: Any):
    pytest.importorskip("mujoco")
    envs, oracle = pairs(env_id)
    size = envs.single_action_space.shape[0]
    for scale in (1, 30, 300):
        values = np.arange(3 * size).reshape(3, size) % 3 * scale - 1
        actions = FORMS[form](values)
        must = form == "float64" or (form == "int16" and scale == 1 and env_id != "Reacher-v5")
        check(outcome(envs, actions), outcome(oracle, actions), must, f"{env_id} {form} {scale}")


class Echo(gymnasium.Env):
    """Says in its observation and infos what its action was."""

    observation_space = spaces.Box(-np.inf, np.inf, (), np.float64)

    def __init__(self, action_space: spaces.Space) -> None:
        self.action_space = action_space

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.float64(0), {}

    def step(self, action: Any) -> Any:
        leaves = list(action.values()) if isinstance(action, dict) else [action]
        leaf = np.asarray(leaves[0])
        total = float(np.sum(leaf.astype(np.float64))) if leaf.dtype.kind in "biuf" else 0.0
        return np.float64(total), total, False, False, {"is": f"{type(leaves[0]).__name__} {leaf.dtype} {leaf!r}"}


SPACES = {
    "Discrete": spaces.Discrete(3),
    "Box": spaces.Box(-1, 1, (2,), np.float32),
    "MultiDiscrete": spaces.MultiDiscrete([2, 3]),
    "MultiBinary": spaces.MultiBinary(2),
    "Dict": spaces.Dict({"a": spaces.Discrete(3)}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SPACES)
def test_a_python_env_gets_the_very_actions_that_sync_vector_env_gives_it(name: str):
    space = SPACES[name]
    envs = fastvec.make_vec([lambda: Echo(space)] * 3, num_workers=2, context="fork")
    oracle = SyncVectorEnv([lambda: Echo(space)] * 3)
    shape = (3,) if name in ("Discrete", "Dict") else (3, 2)
    values = np.arange(np.prod(shape)).reshape(shape) % 2
    for form, convert in FORMS.items():
        actions: Any = {"a": convert(values)} if name == "Dict" else convert(values)
        check(outcome(envs, actions), outcome(oracle, actions), True, f"{name} {form}")
    envs.close()
    oracle.close()
