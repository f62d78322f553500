"""async_reset, send and recv of the process backend."""

from __future__ import annotations

from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

import fastvec
from fastvec import errors
from support.compare import WORKERS, assert_same
from support.sample_envs import Faulty, Scripted, UnevenInfos


@WORKERS
@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_each_env_sees_what_it_sees_in_sync_vector_env(num_workers, mode, closing):
    envs = closing(
        fastvec.make_vec(
            "CartPole-v1", 6, backend="process", num_workers=num_workers, batch_size=3, autoreset_mode=mode
        )
    )
    singles = [
        closing(gymnasium.make_vec("CartPole-v1", 1, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}))
        for _ in range(6)
    ]
    generator = np.random.default_rng(1)
    envs.async_reset(seed=5)
    expected = {env: (single.reset(seed=5 + env)[0], 0.0, False, False) for env, single in enumerate(singles)}
    for _ in range(150):
        observations, rewards, terminations, truncations, infos = envs.recv(timeout=30)
        ids = infos["env_id"]
        assert ids.shape == (3,)
        for row, env in enumerate(ids):
            other = expected[env]
            assert observations[row].tobytes() == other[0].tobytes()
            assert (rewards[row], terminations[row], truncations[row]) == tuple(np.ravel(part)[0] for part in other[1:])
        done = terminations | truncations
        if mode == "Disabled" and done.any():
            mask = np.zeros(6, bool)
            mask[ids[done]] = True
            envs.async_reset(options={"reset_mask": mask})
            for env in ids[done]:
                expected[env] = (singles[env].reset()[0], 0.0, False, False)
            ids = ids[~done]
        actions = generator.integers(0, 2, len(ids))
        envs.send(actions, ids)
        for action, env in zip(actions, ids, strict=True):
            expected[env] = singles[env].step(np.array([action]))[:4]


@WORKERS
def test_infos_and_objects_of_a_batch_are_those_of_its_envs(num_workers, closing):
    space = spaces.Dict({"word": spaces.Text(4), "where": spaces.Box(-1, 1, (2,), np.float64)})
    envs = closing(fastvec.make_vec([partial(UnevenInfos, space)] * 4, num_workers=num_workers, batch_size=4))
    sync = closing(SyncVectorEnv([partial(UnevenInfos, space)] * 4))
    envs.async_reset(seed=3)
    expected, _ = sync.reset(seed=3)
    for _ in range(20):
        observations, *_, infos = envs.recv(timeout=30)
        order = infos["env_id"]
        for row, env in enumerate(order):
            assert observations["word"][row] == expected["word"][env]
            assert_same(observations["where"][row], expected["where"][env])
        envs.send(np.zeros(4, np.int64), order)
        expected, _, _, _, other = sync.step(np.zeros(4, np.int64))
    envs.recv(timeout=30)
    assert "always" in other


class Gate(gymnasium.Env):
    """Steps only once the file named by its action exists."""

    observation_space = spaces.Box(0, 1, (1,))
    action_space = spaces.Text(200)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        import os
        import time

        while action and not os.path.exists(action):
            time.sleep(0.001)
        return np.ones(1, np.float32), 1.0, False, False, {}


def test_a_slow_env_does_not_hold_up_a_batch(closing, tmp_path):
    envs = closing(fastvec.make_vec(Gate, 4, num_workers=4, batch_size=2))
    envs.async_reset()
    first = np.concatenate([envs.recv(timeout=30)[4]["env_id"] for _ in range(2)])
    assert sorted(first) == [0, 1, 2, 3]
    gate = tmp_path / "open"
    envs.send((str(gate), "", "", ""), np.arange(4))
    seen = list(envs.recv(timeout=30)[4]["env_id"])
    assert 0 not in seen
    with pytest.raises(TimeoutError):
        envs.recv(timeout=0.05)
    gate.touch()
    assert 0 in envs.recv(timeout=30)[4]["env_id"]


@WORKERS
def test_misuse_is_refused_and_changes_nothing(num_workers, closing):
    envs = closing(fastvec.make_vec("CartPole-v1", 4, backend="process", num_workers=num_workers, batch_size=2))
    two = np.zeros(2, np.int64)
    with pytest.raises(errors.ResetNeededError):
        envs.send(two, [0, 1])
    with pytest.raises(errors.AsyncStateError):
        envs.recv()
    with pytest.raises(errors.ResetNeededError):
        envs.step(np.zeros(4, np.int64))
    envs.async_reset(seed=1)
    for call in (
        lambda: envs.send(two, [0, 1]),
        envs.async_reset,
        envs.reset,
        lambda: envs.step(np.zeros(4, np.int64)),
        lambda: envs.get_attr("spec"),
    ):
        with pytest.raises(errors.AsyncStateError):
            call()
    ids = envs.recv(timeout=30)[4]["env_id"]
    for wrong, error in [
        ([0, 0], ValueError),
        ([0, 4], ValueError),
        ([-1, 0], ValueError),
        ([0.0, 1.0], TypeError),
    ]:
        with pytest.raises(error):
            envs.send(two, wrong)
    with pytest.raises(errors.InvalidActionError):
        envs.send(np.zeros(3, np.int64), ids)
    envs.send(two, ids)
    for _ in range(2):
        envs.recv(timeout=30)
    with pytest.raises(errors.AsyncStateError, match="batch_size"):
        envs.recv()
    envs.step(np.zeros(4, np.int64))


@pytest.mark.parametrize("name", ["numbers", "words"])
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_same_step_gives_what_each_env_gives_alone(name, context, closing):
    space = {
        "numbers": spaces.Box(-1, 1, (2,), np.float64),
        "words": spaces.Dict(
            {"word": spaces.Text(4), "parts": spaces.Tuple([spaces.Discrete(5), spaces.MultiBinary(2)])}
        ),
    }[name]
    make = partial(UnevenInfos, space)
    envs = closing(
        fastvec.make_vec([make] * 5, num_workers=2, batch_size=1, autoreset_mode="SameStep", context=context)
    )
    singles = [closing(SyncVectorEnv([make], autoreset_mode="SameStep")) for _ in range(5)]
    envs.async_reset(seed=3)
    expected = {}
    for env, single in enumerate(singles):
        observations, infos = single.reset(seed=3 + env)
        expected[env] = (observations, np.zeros(1), np.zeros(1, bool), np.zeros(1, bool), infos)
    ended = 0
    for turn in range(200):
        received = envs.recv(timeout=30)
        (env,) = received[4].pop("env_id")
        assert_same(received, expected[env], f"turn {turn}, env {env}")
        ended += "final_obs" in received[4]
        envs.send(np.array([turn % 3]), [env])
        expected[env] = singles[env].step(np.array([turn % 3]))
    assert ended > 20


@WORKERS
def test_same_step_batches_have_final_observations_in_their_rows(num_workers, closing):
    arguments = {"num_workers": num_workers, "autoreset_mode": "SameStep", "max_episode_steps": 7, "backend": "process"}
    envs = closing(fastvec.make_vec("CartPole-v1", 6, batch_size=4, **arguments))
    alone = [
        closing(gymnasium.make_vec("CartPole-v1", 1, "sync", {"autoreset_mode": "SameStep"}, max_episode_steps=7))
        for _ in range(6)
    ]
    envs.reset(seed=1)  # send goes on from here
    for env, single in enumerate(alone):
        single.reset(seed=1 + env)
    envs.send(np.zeros(6, np.int64), np.arange(6))
    for _ in range(30):
        observations, _, terminations, truncations, infos = envs.recv(timeout=30)
        done = terminations | truncations
        assert ("final_obs" in infos) == done.any()
        for row, env in enumerate(infos["env_id"]):
            expected = alone[env].step(np.zeros(1, np.int64))
            assert_same(observations[row], expected[0][0])
            assert done[row] == (expected[2] | expected[3])[0]
            if done[row]:
                assert infos["_final_obs"][row]
                assert_same(infos["final_obs"][row], expected[4]["final_obs"][0])
            elif done.any():
                assert infos["final_obs"][row] is None
        envs.send(np.zeros(4, np.int64), infos["env_id"])


@WORKERS
def test_env_that_fails_in_same_step_is_reset_at_its_next_turn(num_workers, closing):
    envs = closing(fastvec.make_vec(Faulty, 2, num_workers=num_workers, batch_size=2, autoreset_mode="SameStep"))
    envs.async_reset()
    envs.recv(timeout=30)
    envs.send(np.array([0, Faulty.RAISE]), [0, 1])
    with pytest.raises(fastvec.EnvError, match="boom at 1"):
        envs.recv(timeout=30)
    for expected in ([2, 0], [3, 1]):
        envs.send(np.zeros(2, np.int64), [0, 1])
        observations, _, _, truncations, infos = envs.recv(timeout=30)
        assert not truncations.any()
        assert observations[np.argsort(infos["env_id"]), 0].tolist() == expected


@WORKERS
def test_all_that_is_out_can_be_received_at_the_end(num_workers, closing):
    envs = closing(fastvec.make_vec("CartPole-v1", 7, backend="process", num_workers=num_workers, batch_size=3))
    sync = closing(gymnasium.make_vec("CartPole-v1", 7, vectorization_mode="sync"))
    assert envs.num_in_flight == 0
    envs.async_reset(seed=4)
    assert envs.num_in_flight == 7
    first = envs.recv(timeout=30)[4]["env_id"]
    observations, *_, infos = envs.recv(timeout=30, batch_size=envs.num_in_flight)
    assert envs.num_in_flight == 0
    assert sorted([*first, *infos["env_id"]]) == list(range(7))
    assert_same(observations, sync.reset(seed=4)[0][infos["env_id"]])
    assert_same(envs.step(np.zeros(7, np.int64)), sync.step(np.zeros(7, np.int64)))


def test_finished_envs_are_refused_with_autoreset_disabled(closing):
    envs = closing(
        fastvec.make_vec("CartPole-v1", 1, backend="process", autoreset_mode="Disabled", max_episode_steps=1)
    )
    envs.async_reset(seed=1)
    envs.recv(timeout=30)
    envs.send(np.zeros(1, np.int64), [0])
    assert envs.recv(timeout=30)[3].all()
    with pytest.raises(errors.ResetNeededError):
        envs.send(np.zeros(1, np.int64), [0])


def test_large_infos_do_not_block(closing):
    class Large(Scripted):
        def info(self, action):
            return {"large": "x" * 3_000_000}

    envs = closing(
        fastvec.make_vec(lambda: Large(spaces.Box(-1, 1, (1,))), 4, num_workers=2, batch_size=4, context="fork")
    )
    big = {"note": "y" * 5_000_000}
    for _ in range(3):
        envs.async_reset(options=big)
        envs.recv(timeout=30)
        envs.send(np.zeros(4, np.int64), np.arange(4))
        envs.recv(timeout=30)
    envs.reset(options=big)
    assert len(envs.step(np.zeros(4, np.int64))[4]["large"][3]) == 3_000_000
