"""make_vec chooses the backend, and refuses what does not belong to it."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

import fastvec
from fastvec import errors
from fastvec.cli import list as cli_list
from fastvec.process import ProcessVectorEnv
from support.compare import assert_same_rollout
from support.sample_envs import Faulty, Scripted


@pytest.fixture
def scripted_id():
    """An id of Gymnasium's registry that is not native."""
    gymnasium.register("Scripted-v0", partial(Scripted, spaces.Box(-1, 1, (2,))), max_episode_steps=3)
    yield "Scripted-v0"
    del gymnasium.registry["Scripted-v0"]


def test_backend_is_chosen_by_itself(scripted_id, closing):
    assert not isinstance(closing(fastvec.make_vec("CartPole-v1", 2)), ProcessVectorEnv)
    assert isinstance(closing(fastvec.make_vec(scripted_id, 2)), ProcessVectorEnv)
    assert isinstance(closing(fastvec.make_vec("CartPole-v1", 2, backend="process")), ProcessVectorEnv)
    assert isinstance(closing(fastvec.make_vec(Faulty, 2)), fastvec.VectorEnv)


def test_callables_are_taken_as_by_async_vector_env(closing):
    assert closing(fastvec.make_vec(Faulty, 3)).num_envs == 3
    assert closing(fastvec.make_vec([Faulty] * 3)).num_envs == 3
    assert closing(fastvec.make_vec((Faulty, Faulty), 2)).num_envs == 2
    with pytest.raises(ValueError, match="number of callables, 3, got 4"):
        fastvec.make_vec([Faulty] * 3, 4)
    with pytest.raises(ValueError, match="empty"):
        fastvec.make_vec([])
    with pytest.raises(TypeError, match="index 1"):
        fastvec.make_vec([Faulty, "CartPole-v1"])


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"backend": "process", "num_threads": 2}, TypeError, "num_threads.*native"),
        ({"backend": "process", "pin_threads": True}, TypeError, "pin_threads.*native"),
        ({"num_workers": 2}, TypeError, "num_workers.*process"),
        ({"context": "spawn"}, TypeError, "context.*process"),
        ({"restart_workers": True}, TypeError, "restart_workers.*process"),
        ({"observation_mode": "different"}, TypeError, "observation_mode.*process"),
        ({"backend": "native", "wrappers": [lambda env: env]}, TypeError, "wrappers.*process"),
        ({"backend": "thread"}, ValueError, "'process'"),
        ({"backend": "process", "context": "thread"}, ValueError, "'spawn'"),
        ({"backend": "process", "num_workers": -1}, ValueError, "num_workers"),
        ({"backend": "process", "batch_size": 3}, ValueError, "batch_size"),
    ],
)
def test_arguments_of_the_wrong_backend_are_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        fastvec.make_vec("CartPole-v1", 2, **arguments)


def test_arguments_beside_callables_are_refused():
    with pytest.raises(TypeError, match="render_mode"):
        fastvec.make_vec(Faulty, 2, render_mode="rgb_array")
    with pytest.raises(TypeError, match="gravity"):
        fastvec.make_vec(Faulty, 2, gravity=3)
    with pytest.raises(ValueError, match="native"):
        fastvec.make_vec(Faulty, 2, backend="native")


def test_unknown_id_names_those_that_are_near(scripted_id):
    with pytest.raises(errors.UnknownEnvError, match="Scripted-v0"):
        fastvec.make_vec("Scriptd-v0", 2)
    with pytest.raises(errors.UnknownEnvError):
        fastvec.make_vec("Scriptd-v0", 2, backend="process")
    with pytest.raises(errors.UnknownEnvError, match="process"):
        fastvec.make_vec(scripted_id, 2, backend="native")


def test_env_arguments_reach_the_envs(closing):
    envs = closing(
        fastvec.make_vec("Pendulum-v1", 3, backend="process", g=1.5, max_episode_steps=4, render_mode="rgb_array")
    )
    assert envs.get_attr("g") == (1.5,) * 3
    assert envs.render_mode == "rgb_array"
    envs.reset(seed=1)
    for _ in range(4):
        truncations = envs.step(np.zeros((3, 1), np.float32))[3]
    assert truncations.all()


def test_spec_makes_an_equal_vector(scripted_id, closing):
    envs = closing(fastvec.make_vec(scripted_id, 4, num_workers=2, autoreset_mode="SameStep"))
    for again in (fastvec.make_vec(envs.spec), gymnasium.make_vec(envs.spec)):
        closing(again)
        assert isinstance(again.unwrapped, ProcessVectorEnv)
        assert again.num_envs == 4
        assert again.unwrapped.num_workers == 2
        assert again.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
        assert_same_rollout(again, envs, 8)


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_every_start_method_gives_the_same_numbers(context, closing):
    space = spaces.Box(-1, 1, (2,), np.float32)
    envs = closing(fastvec.make_vec([lambda: Scripted(space)] * 4, num_workers=2, context=context))
    expected = closing(gymnasium.vector.SyncVectorEnv([lambda: Scripted(space)] * 4))
    assert_same_rollout(envs, expected, 10)


def test_callable_that_cannot_be_pickled_says_what_to_do():
    lock = threading.Lock()

    def locked():
        with lock:
            return Faulty()

    with pytest.raises(TypeError, match=r"env 1 .*inside the callable.*context='fork'"):
        fastvec.make_vec([Faulty, locked], num_workers=1, context="spawn")


class Gathering(Faulty):
    """Can be made only when as many others are being made at the same time."""

    def __init__(self, folder, count):
        name = os.path.join(folder, str(os.getpid()))
        with open(name, "w"):
            pass
        end = time.monotonic() + 30
        while len(os.listdir(folder)) < count:
            if time.monotonic() > end:
                raise TimeoutError("the others are not being made")
            time.sleep(0.001)


def test_envs_are_made_in_parallel(tmp_path, closing):
    envs = closing(fastvec.make_vec(partial(Gathering, str(tmp_path), 3), 6, num_workers=3))
    assert envs.num_envs == 6


class Limits(Faulty):
    def __init__(self):
        self.limit = os.environ.get("OMP_NUM_THREADS")
        torch = sys.modules.get("torch")
        self.torch_threads = None if torch is None else torch.get_num_threads()


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.parametrize(("threads", "expected"), [(1, "1"), (3, "3"), (None, "7")])
def test_threads_of_libraries_are_limited(context, threads, expected, closing, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    envs = closing(fastvec.make_vec(Limits, 2, num_workers=2, context=context, threads_per_worker=threads))
    assert envs.get_attr("limit") == (expected, expected)
    assert os.environ["OMP_NUM_THREADS"] == "7"
    if threads is not None and context == "fork" and "torch" in sys.modules:
        assert envs.get_attr("torch_threads") == (threads, threads)


def test_list_shows_the_backend_of_each_id(scripted_id, capsys):
    assert cli_list.main(["--json"]) == 0
    native = {row["id"]: row["backend"] for row in json.loads(capsys.readouterr().out)}
    assert native["CartPole-v1"] == "native"
    assert scripted_id not in native
    assert cli_list.main(["--all", "--json"]) == 0
    every = {row["id"]: row["backend"] for row in json.loads(capsys.readouterr().out)}
    assert every["CartPole-v1"] == "native"
    assert every[scripted_id] == "process"
    assert not any(name.startswith("fastvec/") for name in every)
    assert cli_list.main(["--all"]) == 0
    assert f"{scripted_id}" in capsys.readouterr().out


def test_states_go_on_bit_for_bit(closing):
    for env_id in ("CartPole-v1", "Taxi-v4", "Pendulum-v1"):
        if env_id not in gymnasium.registry:
            continue
        envs = closing(fastvec.make_vec(env_id, 4, backend="process", num_workers=2, max_episode_steps=15))
        envs.reset(seed=3)
        envs.action_space.seed(1)
        actions = [envs.action_space.sample() for _ in range(40)]
        for action in actions[:15]:
            envs.step(action)
        state = envs.get_state()
        one = envs.get_state([2])
        first = [envs.step(action)[0] for action in actions[15:]]
        other = closing(fastvec.make_vec(env_id, 4, backend="process", num_workers=1, max_episode_steps=15))
        other.set_state(state)
        second = [other.step(action)[0] for action in actions[15:]]
        for a, b in zip(first, second, strict=True):
            assert a.tobytes() == b.tobytes()
        envs.set_state(one, [1])  # env 1 goes on as env 2 did
        moved = np.array([action[2] for action in actions[15:]])
        for t, expected in enumerate(first):
            action = actions[15 + t].copy()
            action[1] = moved[t]
            assert envs.step(action)[0][1].tobytes() == expected[2].tobytes()
        with pytest.raises(errors.StateError):
            envs.set_state(state[:-1] + b"?")
        with pytest.raises(errors.StateError):
            envs.set_state(one)


class Stuck(Faulty):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def test_state_of_an_env_that_cannot_be_pickled_is_refused(closing):
    envs = closing(fastvec.make_vec(Stuck, 2, num_workers=1))
    envs.reset()
    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        envs.get_state()
    envs.step(np.zeros(2, np.int64))
