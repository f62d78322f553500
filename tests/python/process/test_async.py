"""async_reset, send and recv of Python envs: infos and objects, start methods, failing envs, and messages of any size.

What every backend has to do is in vector/test_async.py, test_async_misuse.py and test_timeouts.py.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

import fastvec
from support.compare import WORKERS, assert_same
from support.sample_envs import Faulty, Scripted, UnevenInfos


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
