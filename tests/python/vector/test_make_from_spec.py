"""make_vec(spec): a spec holds what a vector was made with, exactly, and what is given beside it wins."""

from __future__ import annotations

import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import ClipReward, RescaleAction

import fastvec
from fastvec.process import ProcessVectorEnv
from support.native import assert_same

STEPS = 12


def clipped(env: gymnasium.Env) -> gymnasium.Env:
    return ClipReward(env, -0.5, 0.5)


def facts(envs: Any) -> dict[str, Any]:
    """What can be seen of the options that a vector was made with."""
    first, _ = envs.reset(seed=0)
    envs.action_space.seed(0)
    batches = [envs.step(envs.action_space.sample()) for _ in range(STEPS)]
    return {
        "backend": type(envs),
        "num_envs": envs.num_envs,
        "autoreset_mode": envs.metadata["autoreset_mode"],
        "copy": not any(np.shares_memory(first, batch[0]) for batch in batches),
        "batch_size": envs.batch_size,
        "truncated at": [i for i, batch in enumerate(batches) if batch[3].any()],
        "render_mode": envs.render_mode,
        "num_threads": getattr(envs, "num_threads", None),
        "num_workers": getattr(envs, "num_workers", None),
        "observation_space": envs.observation_space,
        "rewards": np.array([batch[1] for batch in batches]).tolist(),
    }


# Each option with two values; the first is the default.
OPTIONS: dict[str, tuple[Any, Any]] = {
    "num_envs": (1, 3),
    "autoreset_mode": (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP),
    "copy": (True, False),
    "batch_size": (None, 1),
    "max_episode_steps": (None, 7),
    "render_mode": (None, "rgb_array"),
    "num_threads": (None, 1),
    "pin_threads": (False, True),
}
OF_PROCESSES: dict[str, tuple[Any, Any]] = {
    "num_workers": (None, 1),
    "context": (None, "spawn"),
    "observation_mode": ("same", "different"),
    "restart_workers": (False, True),
    "threads_per_worker": (1, None),
    "wrappers": (None, [clipped]),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_comes_back(name: str):
    envs = fastvec.make_vec("Pendulum-v1", **{"num_envs": 2, name: OPTIONS[name][1]})
    expected = facts(envs)
    for make in (fastvec.make_vec, gymnasium.make_vec):
        again = make(envs.spec)
        assert facts(again.unwrapped) == expected
        assert fastvec.make_vec(again.spec).spec == envs.spec


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_given_wins_also_where_it_is_the_default(name: str):
    unchanged, other = OPTIONS[name]
    plain: dict[str, Any] = {"num_envs": 2, "max_episode_steps": 9}
    spec = fastvec.make_vec("Pendulum-v1", **{**plain, name: other}).spec
    wanted = fastvec.make_vec("Pendulum-v1", **{**plain, name: unchanged})
    got = fastvec.make_vec(spec, **{name: unchanged})
    assert facts(got) == facts(wanted)
    assert got.spec == wanted.spec


def test_all_options_of_the_process_backend_come_back(closing):
    options = {**OPTIONS, **OF_PROCESSES}
    given = {name: other for name, (_, other) in options.items() if "thread" not in name and name != "context"}
    envs = closing(fastvec.make_vec("Pendulum-v1", backend="process", **given))
    expected = facts(envs)
    for make in (fastvec.make_vec, gymnasium.make_vec):
        again = closing(make(envs.spec))
        assert facts(again.unwrapped) == expected
        assert closing(fastvec.make_vec(again.spec)).spec == envs.spec


@pytest.mark.parametrize("name", OF_PROCESSES)
def test_what_is_given_wins_in_the_process_backend_too(name: str, closing):
    unchanged, other = OF_PROCESSES[name]
    envs = closing(fastvec.make_vec("Pendulum-v1", 2, backend="process", **{"num_workers": 1, name: other}))
    kwargs = envs.spec.kwargs
    recorded = "env_wrappers" if name == "wrappers" else name
    assert kwargs[recorded] == (tuple(other) if name == "wrappers" else other)
    again = closing(fastvec.make_vec(envs.spec, **{"num_workers": 1, name: unchanged}))
    assert again.spec.kwargs == {key: value for key, value in kwargs.items() if key != recorded}


def test_env_arguments_come_back_and_can_be_given_anew(closing):
    for backend in ("native", "process"):
        envs = closing(fastvec.make_vec("Pendulum-v1", 2, backend=backend, g=3.0))
        assert closing(fastvec.make_vec(envs.spec)).get_attr("g") == (3.0, 3.0)
        assert closing(fastvec.make_vec(envs.spec, g=4.0)).get_attr("g") == (4.0, 4.0)
        assert closing(fastvec.make_vec(envs.spec, g=10.0)).get_attr("g") == (10.0, 10.0)


def test_another_backend_takes_what_it_can(closing):
    native = fastvec.make_vec("Pendulum-v1", 2, num_threads=1, autoreset_mode="Disabled")
    process = closing(fastvec.make_vec(native.spec, backend="process"))
    assert isinstance(process, ProcessVectorEnv)
    assert process.autoreset_mode is AutoresetMode.DISABLED
    back = closing(fastvec.make_vec(process.spec, backend="native"))
    assert not isinstance(back, ProcessVectorEnv)
    with pytest.raises(TypeError, match=r"num_threads.*process"):
        fastvec.make_vec(native.spec, backend="process", num_threads=2)
    wrapped = closing(fastvec.make_vec("Pendulum-v1", 2, backend="process", wrappers=[clipped]))
    with pytest.raises(TypeError, match="wrappers"):
        fastvec.make_vec(wrapped.spec, backend="native")


def rollout(envs: Any) -> list[Any]:
    envs.action_space.seed(1)
    return [envs.reset(seed=3), *[envs.step(envs.action_space.sample()) for _ in range(STEPS)]]


def same_as_sync(envs: Any, make_env: Any) -> None:
    for one, other in zip(rollout(envs), rollout(SyncVectorEnv([make_env] * envs.num_envs)), strict=True):
        assert_same(one, other)


def test_spec_of_gymnasiums_vector(closing):
    spec = gymnasium.make_vec(
        "Pendulum-v1",
        num_envs=3,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP, "copy": False},
        wrappers=[clipped],
        g=2.0,
    ).spec
    with pytest.warns(UserWarning, match="wrappers"):
        envs = closing(fastvec.make_vec(spec))
    assert facts(envs) == facts(
        closing(
            fastvec.make_vec(
                "Pendulum-v1", 3, backend="process", autoreset_mode="SameStep", copy=False, wrappers=[clipped], g=2.0
            )
        )
    )
    assert not isinstance(fastvec.make_vec(gymnasium.make_vec("Pendulum-v1", 2).spec), ProcessVectorEnv)


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "fastvec/Pendulum-v1"])
def test_the_time_limit_that_gymnasium_was_given(env_id: str):
    envs = fastvec.make_vec(gymnasium.make_vec(env_id, 2, max_episode_steps=4).spec)
    assert facts(envs)["truncated at"] == [3, 8]


def test_spec_of_a_single_env(closing):
    spec = gymnasium.make("Pendulum-v1", render_mode="rgb_array", g=2.0, max_episode_steps=5).spec
    envs = fastvec.make_vec(spec, 2)
    assert (envs.num_envs, envs.render_mode, envs.get_attr("g")) == (2, "rgb_array", (2.0, 2.0))
    assert not isinstance(envs, ProcessVectorEnv)
    same_as_sync(envs, lambda: gymnasium.make("Pendulum-v1", g=2.0, max_episode_steps=5))


def test_spec_of_a_single_env_with_wrappers(closing):
    def make_env() -> gymnasium.Env:
        return RescaleAction(gymnasium.make("Pendulum-v1", g=2.0), np.float32(-1), np.float32(1))

    envs = closing(fastvec.make_vec(make_env().spec, 2))
    same_as_sync(envs, make_env)
    assert closing(fastvec.make_vec(envs.spec)).spec == envs.spec
    same_as_sync(closing(gymnasium.make_vec(envs.spec)), make_env)


class Counter(gymnasium.Env):
    """Counts; the registry does not know it."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, by: float = 1.0) -> None:
        self.by, self.count = by, 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.count = 0.0
        return np.array([self.count]), {}

    def step(self, action: Any) -> Any:
        self.count += self.by
        return np.array([self.count]), self.by, False, False, {}


@pytest.mark.parametrize("env_id", ["Counter-v0", "CartPole-v1"])
def test_a_spec_with_an_entry_point_of_its_own_makes_that_env(env_id: str, closing):
    spec = gymnasium.envs.registration.EnvSpec(env_id, entry_point=Counter, max_episode_steps=4, kwargs={"by": 2.0})
    envs = closing(fastvec.make_vec(spec, 2))
    for each in (envs, closing(fastvec.make_vec(envs.spec)), closing(gymnasium.make_vec(envs.spec))):
        same_as_sync(each, lambda: gymnasium.make(spec))
    longer = closing(fastvec.make_vec(envs.spec, max_episode_steps=6, by=1.0))
    same_as_sync(longer, lambda: gymnasium.make(spec, max_episode_steps=6, by=1.0))
    with pytest.raises(ValueError, match="'process'"):
        fastvec.make_vec(spec, 2, backend="native")


def test_a_spec_without_a_time_limit_has_none(closing):
    spec = gymnasium.spec("MountainCarContinuous-v0")
    spec = gymnasium.envs.registration.EnvSpec(spec.id, spec.entry_point, max_episode_steps=None)
    envs = fastvec.make_vec(spec, 1)
    envs.reset(seed=0)
    actions = np.zeros((1, 1), np.float32)
    assert not any(envs.step(actions)[3].any() for _ in range(1100))


def test_a_module_that_was_named_is_imported_again(tmp_path, monkeypatch, closing):
    (tmp_path / "own_module.py").write_text(
        "import gymnasium\ngymnasium.register('Own-v0', 'gymnasium.envs.classic_control:CartPoleEnv')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    envs = closing(fastvec.make_vec("own_module:Own-v0", 2, num_workers=1))
    for make in (fastvec.make_vec, gymnasium.make_vec):
        del gymnasium.registry["Own-v0"], sys.modules["own_module"]
        assert closing(make(envs.spec)).num_envs == 2
    del gymnasium.registry["Own-v0"]


def test_a_native_id_with_its_module_in_front_is_native():
    assert not isinstance(fastvec.make_vec("math:CartPole-v1", 2), ProcessVectorEnv)
