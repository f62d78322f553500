"""gymnasium.make_vec's own arguments do on fastvec.make_vec what they do there."""

from __future__ import annotations

import inspect
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import VectorizeMode
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import ClipReward, FlattenObservation, TimeLimit, TransformObservation

import fastvec
from fastvec.process import ProcessVectorEnv
from fastvec.vector.options import VectorOptions
from support.native import assert_same
from support.sample_envs import Custom, Scripted


def rollout(envs: Any, steps: int = 30) -> list[Any]:
    envs.action_space.seed(1)
    return [envs.reset(seed=3), *[envs.step(envs.action_space.sample()) for _ in range(steps)]]


def same(envs: Any, oracle: Any) -> None:
    assert envs.observation_space == oracle.observation_space
    assert envs.single_observation_space == oracle.single_observation_space
    assert envs.metadata["autoreset_mode"] is oracle.metadata["autoreset_mode"]
    for one, other in zip(rollout(envs), rollout(oracle), strict=True):
        assert_same(one, other)


def shifted(env: gymnasium.Env) -> gymnasium.Env:
    return TransformObservation(env, lambda observation: observation + 1, None)


def limited(env: gymnasium.Env) -> gymnasium.Env:
    return TimeLimit(env, 6)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "FrozenLake-v1", "Blackjack-v1"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"vectorization_mode": "sync"},
        {"vectorization_mode": VectorizeMode.ASYNC},
        {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP}},
        {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": "SameStep"}},
        {"vectorization_mode": "sync", "vector_kwargs": {"observation_mode": "different"}},
        {"vectorization_mode": "sync", "vector_kwargs": {"copy": True, "observation_mode": "same"}},
        {"vectorization_mode": "async", "vector_kwargs": {"context": "fork", "shared_memory": False, "daemon": True}},
    ],
)
def test_arguments_of_the_vector_on_native_envs(env_id: str, arguments: dict[str, Any], closing):
    oracle_arguments = {**arguments, "vectorization_mode": "sync"}
    oracle_arguments["vector_kwargs"] = {
        name: value
        for name, value in arguments.get("vector_kwargs", {}).items()
        if name in ("autoreset_mode", "copy", "observation_mode")
    }
    oracle = closing(gymnasium.make_vec(env_id, 3, **oracle_arguments))
    envs = closing(fastvec.make_vec(env_id, 3, **arguments))
    assert not isinstance(envs, ProcessVectorEnv)
    same(envs, oracle)


def test_they_may_be_passed_by_position_and_the_id_by_gymnasiums_name(closing):
    arguments: Any = (2, "sync", {"autoreset_mode": "Disabled"}, None)
    envs = fastvec.make_vec("CartPole-v1", *arguments)
    assert (envs.num_envs, envs.autoreset_mode) == (2, AutoresetMode.DISABLED)
    assert fastvec.make_vec(id="CartPole-v1", num_envs=2, vectorization_mode="sync").num_envs == 2
    with pytest.raises(TypeError, match="expected env_id"):
        fastvec.make_vec(num_envs=2)


@pytest.mark.parametrize("wrappers", [[shifted], [limited, shifted], (FlattenObservation, shifted, limited)])
@pytest.mark.parametrize("mode", [None, "sync", "async"])
def test_wrappers_on_a_native_id_are_applied_in_worker_processes_and_a_warning_says_so(
    wrappers: Any, mode: str | None, closing
):
    with pytest.warns(UserWarning, match="CartPole-v1: wrappers .*worker processes.*backend='process'"):
        envs = closing(fastvec.make_vec("CartPole-v1", 2, mode, None, wrappers))
    assert isinstance(envs, ProcessVectorEnv)
    same(envs, closing(gymnasium.make_vec("CartPole-v1", 2, "sync", None, wrappers)))


def test_no_warning_where_the_backend_was_named_or_there_are_no_wrappers(closing, recwarn):
    closing(fastvec.make_vec("CartPole-v1", 2, backend="process", wrappers=[shifted]))
    closing(fastvec.make_vec("CartPole-v1", 2, wrappers=[]))
    closing(fastvec.make_vec("CartPole-v1", 2, wrappers=None))
    assert not [warning for warning in recwarn if "use of fork()" not in str(warning.message)]


def test_observation_modes_that_native_envs_do_not_have_are_the_process_backends(closing):
    single = gymnasium.spaces.Box(-np.inf, np.inf, (4,), np.float32)
    both = (gymnasium.vector.utils.batch_space(single, 2), single)
    with pytest.warns(UserWarning, match="observation_mode"):
        envs = closing(fastvec.make_vec("CartPole-v1", 2, "sync", {"observation_mode": both}))
    same(envs, closing(gymnasium.make_vec("CartPole-v1", 2, "sync", {"observation_mode": both})))


def test_vector_kwargs_of_the_process_backend(closing):
    wanted = {"context": "forkserver", "copy": False, "autoreset_mode": "SameStep", "shared_memory": True}
    envs = closing(fastvec.make_vec("CartPole-v1", 2, "async", wanted, backend="process"))
    spec = envs.spec
    assert {name: spec.kwargs.get(name) for name in ("context", "copy", "autoreset_mode")} == {
        "context": "forkserver",
        "copy": False,
        "autoreset_mode": "SameStep",
    }


def test_max_concurrency_is_a_number_of_workers(closing, monkeypatch):
    monkeypatch.setattr("fastvec.vector.gymnasium_arguments.usable_cores", lambda: 3)
    for limit in (1, 2):
        envs = fastvec.make_vec("CartPole-v1", 3, "async", {"max_concurrency": limit}, backend="process")
        assert closing(envs).num_workers == limit
    envs = fastvec.make_vec("CartPole-v1", 3, "async", {"max_concurrency": 3}, backend="process", num_workers=2)
    assert closing(envs).num_workers == 2  # no limit to what there is
    assert closing(fastvec.make_vec("CartPole-v1", 3, "async", {"max_concurrency": 1})).num_envs == 3  # natively


@pytest.mark.parametrize("name", ["shared_memory", "daemon", "worker", "max_concurrency"])
def test_beside_callables_async_vector_envs_own_arguments_are_told_where_they_belong(name):
    with pytest.raises(TypeError, match=f"expected {name} in vector_kwargs"):
        fastvec.make_vec([lambda: gymnasium.make("CartPole-v1")], **{name: None})


def test_pictures_in_a_list_are_those_of_gymnasiums_single_envs(closing):
    with pytest.warns(UserWarning, match="rgb_array_list"):
        envs = closing(fastvec.make_vec("CartPole-v1", 2, render_mode="rgb_array_list"))
    expected = closing(gymnasium.make_vec("CartPole-v1", 2, "sync", render_mode="rgb_array_list"))
    for vector in (envs, expected):
        vector.reset(seed=1)
        vector.step(np.array([1, 0]))
    for mine, theirs in zip(envs.render(), expected.render(), strict=True):
        assert len(mine) == len(theirs) == 2
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"vectorization_mode": "threads"}, ValueError, "'sync'.*'threads'"),
        ({"vector_kwargs": {"copies": True}}, TypeError, r"'copies' \(known: autoreset_mode"),
        ({"vector_kwargs": {"copy": False}, "copy": True}, TypeError, "copy once"),
        ({"vector_kwargs": {"worker": print}}, TypeError, "no worker"),
        ({"vector_kwargs": {"daemon": False}}, TypeError, "daemon"),
        ({"vector_kwargs": {"max_concurrency": 0}}, ValueError, "positive integer, got 0"),
        ({"vector_kwargs": {"max_concurrency": 1.5}}, ValueError, "positive integer, got 1.5"),
        ({"vector_kwargs": {"autoreset_mode": "Never"}}, ValueError, "autoreset_mode.*'Never'"),
        ({"vectorization_mode": "vector_entry_point", "wrappers": [shifted]}, gymnasium.error.Error, "wrappers"),
        (
            {"vectorization_mode": "vector_entry_point", "vector_kwargs": {"copy": True}},
            gymnasium.error.Error,
            "vector_kwargs",
        ),
        ({"backend": "process", "wrappers": ClipReward}, TypeError, "sequence of callables"),
        ({"backend": "process", "wrappers": ["ClipReward"]}, TypeError, "'ClipReward' at index 0"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], error: type[Exception], text: str):
    with pytest.raises(error, match=text):
        fastvec.make_vec("CartPole-v1", 2, **arguments)


def test_an_id_without_a_native_vector_has_no_vector_entry_point():
    with pytest.raises(gymnasium.error.Error, match="'sync' or 'async', got 'vector_entry_point'"):
        fastvec.make_vec("Pusher-v4", 2, "vector_entry_point")


def test_the_signature_shows_the_defaults_that_the_options_have():
    shown = inspect.signature(fastvec.make_vec).parameters
    defaults = VectorOptions()
    assert {name: repr(shown[name].default) for name in VectorOptions.names()} == {
        name: repr(getattr(defaults, name)) for name in VectorOptions.names()
    }


def test_action_samples_of_a_script_whose_callables_seeded_them():
    def make_env() -> gymnasium.Env:
        env = gymnasium.make("CartPole-v1")
        env.action_space.seed(5)
        return env

    oracle = gymnasium.vector.SyncVectorEnv([make_env] * 4)
    envs = fastvec.make_vec("CartPole-v1", 4)
    envs.action_space.seed(5)
    envs.single_action_space.seed(5)
    for _ in range(10):
        np.testing.assert_array_equal(envs.action_space.sample(), oracle.action_space.sample())
        assert envs.single_action_space.sample() == oracle.single_action_space.sample()


@pytest.mark.parametrize("shared_memory", [True, False])
def test_spaces_of_ones_own_need_no_other_road(shared_memory: bool, closing):
    made = [lambda: Scripted(Custom())] * 2
    arguments = {"vectorization_mode": "async", "vector_kwargs": {"context": "fork", "shared_memory": shared_memory}}
    envs, oracle = closing(fastvec.make_vec(made, 2, **arguments)), SyncVectorEnv(made)
    for one, other in ((envs.reset(seed=1), oracle.reset(seed=1)), (envs.step([0, 1]), oracle.step([0, 1]))):
        assert_same(one, other)
