"""EnvError is what the env raised, too."""

from __future__ import annotations

import copy
import pickle
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from gymnasium.vector.utils import batch_space

import fastvec
from fastvec.env_error import env_error, fields_of
from fastvec.errors import ActionTypeError
from support.odd_errors import ERRORS, NAMES, Raising
from support.sample_envs import Scripted

NOT_MIXED = {"exit", "keyboard", "not derivable", "group"}  # in __cause__ alone


@pytest.fixture(scope="module", params=["fork", "spawn"])
def envs(request):
    made = fastvec.make_vec([Raising] * 2, num_workers=1, context=request.param)
    made.reset()
    yield made
    made.close()


@pytest.mark.parametrize("name", NAMES)
def test_an_envs_error_is_caught_by_its_own_class(envs, name):
    original = ERRORS[name]()
    with pytest.raises(fastvec.EnvError) as caught:
        envs.step(np.array([0, 1 + NAMES.index(name)]))
    error = caught.value
    envs.step(np.zeros(2, np.int64))  # it resets the env
    assert envs.step(np.zeros(2, np.int64))[0][1, 0] == 1.0
    assert str(error).startswith("env 1: ")
    assert (error.env_index, len(error.failures), error.batch[0][0, 0]) == (1, 1, 1.0)
    assert isinstance(error, type(original)) == (name not in NOT_MIXED)
    assert type(error.__cause__) is type(original)
    fields = {key: value for key, value in fields_of(original).items() if key != "lock"}
    if name != "unicode":
        assert {key: repr(getattr(error.__cause__, key)) for key in fields} == {k: repr(v) for k, v in fields.items()}
    if name not in NOT_MIXED:
        for key in fields.keys() - {"failures"}:
            assert getattr(error, key) == fields[key]
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.failures == error.failures
        assert type(again.__cause__) is type(original)
        np.testing.assert_array_equal(again.batch[1], error.batch[1])


@pytest.mark.parametrize("name", ["value", "key", "assertion", "gymnasium", "os"])
def test_except_clauses_of_async_vector_env_work(envs, name):
    kind = type(ERRORS[name]())
    oracle = AsyncVectorEnv([Raising] * 2, context="fork")
    oracle.reset()
    action = np.array([0, 1 + NAMES.index(name)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium's own report
        for one in (oracle, envs):
            with pytest.raises(kind):
                one.step(action)
        oracle.close(terminate=True)
    envs.step(np.zeros(2, np.int64))


def test_several_failures_are_of_the_first_ones_class_if_all_are(envs):
    value, os_error = (1 + NAMES.index(name) for name in ("value", "os"))
    with pytest.raises(ValueError, match="and 1 more"):
        envs.step(np.array([value, value]))
    envs.step(np.zeros(2, np.int64))
    with pytest.raises(fastvec.EnvError) as caught:
        envs.step(np.array([value, os_error]))
    assert type(caught.value) is fastvec.EnvError
    assert isinstance(caught.value.__cause__, ValueError)
    envs.step(np.zeros(2, np.int64))


def test_resets_methods_and_constructors_too():
    class Failing(Raising):
        def __init__(self, fails=False):
            if fails:
                raise ZeroDivisionError("in the constructor")

        def reset(self, *, seed=None, options=None):
            if options:
                raise LookupError("in reset")
            return super().reset(seed=seed)

        def method(self):
            raise PermissionError("in a method")

    with pytest.raises(ZeroDivisionError, match="env 1: "):
        fastvec.make_vec([Failing, lambda: Failing(True)], num_workers=1, context="fork")
    envs = fastvec.make_vec([Failing], context="fork")
    with pytest.raises(LookupError, match="env 0: ") as caught:
        envs.reset(options={"fail": True})
    assert isinstance(caught.value, fastvec.EnvError)
    with pytest.raises(PermissionError, match="env 0: "):
        envs.call("method")
    envs.close()


def test_one_class_per_class_of_the_envs_error():
    one, other = (env_error([(0, "x")], None, ValueError("x")) for _ in range(2))
    assert type(one) is type(other)
    nested = env_error([(2, "y")], None, one)
    assert isinstance(nested, ValueError)
    assert nested.__cause__ is one
    assert type(env_error([(0, "x")])) is fastvec.EnvError


# -- words and types that scripts match -----------------------------------------------------------------------------


@pytest.mark.parametrize("actions", [0, np.int64(1), np.array(0), None, 1.5])
@pytest.mark.parametrize("backend", ["native", "process", "ale"])
def test_one_action_for_a_whole_vector_is_a_type_error(backend, actions, closing):
    if backend == "ale":
        pytest.importorskip("ale_py")
        if actions is not None and not isinstance(actions, int):
            pytest.skip("one is enough: games are slow to make")
    own = {"context": "fork"} if backend == "process" else {}
    envs = closing(
        fastvec.make_vec(
            "ALE/Pong-v5" if backend == "ale" else "CartPole-v1", 2, backend=backend if own else None, **own
        )
    )
    oracle = closing(SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * 2))
    envs.reset(seed=0)
    oracle.reset(seed=0)
    for one in (oracle, envs):
        with pytest.raises(TypeError):
            one.step(actions)
    with pytest.raises(ActionTypeError):
        envs.step_async(actions)
    envs.step(np.zeros(2, np.int64))


def test_spaces_that_differ_are_named_in_gymnasiums_words():
    boxes = [spaces.Box(0, 1, (2,)), spaces.Box(0, 2, (2,)), spaces.Box(0, 1, (3,))]
    of = lambda *chosen: [lambda i=i: Scripted(boxes[i]) for i in chosen]  # noqa: E731
    for make, own in ((SyncVectorEnv, {}), (fastvec.make_vec, {"num_workers": 1, "context": "fork"})):
        with pytest.raises(RuntimeError, match="sub-environments observation spaces are not equivalent") as caught:
            make(of(0, 1), **own)
        assert "If this is intentional, use `observation_mode='different'` instead." in str(caught.value)
        with pytest.raises(ValueError, match="observation_mode") as caught:
            make(of(0, 0), observation_mode="similar", **own)
        assert str(caught.value).startswith(
            "Invalid `observation_mode`, expected: 'same' or 'different' or tuple of single and batch observation "
            "space, actual got similar"
        )
        custom = (batch_space(boxes[0], 2), boxes[0])
        with pytest.raises(RuntimeError, match="observation spaces do not share a common shape and dtype"):
            make(of(0, 2), observation_mode=custom, **own)
        with pytest.raises(RuntimeError, match="action space"):
            make([lambda: Scripted(boxes[0]), lambda: Scripted(boxes[0], spaces.Discrete(5))], **own)
