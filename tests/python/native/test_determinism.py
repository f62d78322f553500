"""Same seed, same bytes: at any number of threads, any number of envs beside, and in any order of calls."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import fastvec
from support.native import MODES

ENVS = ["CartPole-v1", "Pendulum-v1", "MountainCar-v0"]


def digest(env_id: str, num_envs: int, num_threads: int, steps: int = 60, **kwargs: Any) -> str:
    envs = fastvec.make_vec(env_id, num_envs, num_threads=num_threads, max_episode_steps=17, **kwargs)
    total = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, dict):
            for key in sorted(value):
                total.update(key.encode())
                add(value[key])
        elif isinstance(value, tuple):
            for item in value:
                add(item)
        elif isinstance(value, np.ndarray) and value.dtype == object:
            for item in value:
                add(np.asarray(item) if item is not None else np.zeros(0))
        else:
            total.update(np.ascontiguousarray(value).tobytes())

    add(envs.reset(seed=11))
    rng = np.random.default_rng(11)
    for _ in range(steps):
        if hasattr(envs.single_action_space, "n"):
            actions = rng.integers(0, envs.single_action_space.n, num_envs)
        else:
            actions = rng.uniform(-2, 2, envs.action_space.shape).astype(np.float32)
        result = envs.step(actions)
        add(result)
        done = result[2] | result[3]
        if envs.autoreset_mode is AutoresetMode.DISABLED and done.any():
            add(envs.reset(options={"reset_mask": done}))
    add(np.frombuffer(envs.get_state(), np.uint8))
    return total.hexdigest()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", ENVS)
def test_the_number_of_threads_changes_no_byte(env_id: str, mode: AutoresetMode):
    # 3,000 envs are shared out from the first batch on, 40 are not.
    for num_envs in (40, 3000):
        digests = {digest(env_id, num_envs, threads, autoreset_mode=mode) for threads in (1, 2, 7)}
        assert len(digests) == 1


def test_buffers_and_pinning_change_no_byte():
    expected = digest("CartPole-v1", 500, 2)
    assert digest("CartPole-v1", 500, 2, copy=False) == expected
    assert digest("CartPole-v1", 500, 2, pin_threads=True) == expected


def test_an_env_does_not_depend_on_its_neighbours():
    many = fastvec.make_vec("CartPole-v1", 50, num_threads=3)
    one = fastvec.make_vec("CartPole-v1", 1)
    np.testing.assert_array_equal(many.reset(seed=0)[0][37:38], one.reset(seed=37)[0])
    rng = np.random.default_rng(0)
    for _ in range(200):
        actions = rng.integers(0, 2, 50)
        for result, expected in zip(many.step(actions)[:4], one.step(actions[37:38])[:4], strict=True):
            np.testing.assert_array_equal(result[37:38], expected)


@pytest.mark.parametrize("batch_size", [1, 4, 10])
def test_asynchronous_order_changes_no_env(batch_size: int):
    def by_env(envs: fastvec.VectorEnv) -> dict[int, bytes]:
        envs.async_reset(seed=1)
        turns = np.zeros(10, int)
        history: dict[int, list[bytes]] = {env: [] for env in range(10)}
        while turns.min() < 40:
            observations, rewards, _, _, infos = envs.recv()
            ids = infos["env_id"]
            for row, env in enumerate(ids):
                if turns[env] < 40:
                    history[env].append(observations[row].tobytes() + rewards[row].tobytes())
            actions = (ids + turns[ids]) % 2
            turns[ids] += 1
            envs.send(actions, ids)
        return {env: b"".join(pieces) for env, pieces in history.items()}

    expected = by_env(fastvec.make_vec("CartPole-v1", 10, num_threads=1))
    for threads in (1, 2, 7):
        assert by_env(fastvec.make_vec("CartPole-v1", 10, num_threads=threads, batch_size=batch_size)) == expected
