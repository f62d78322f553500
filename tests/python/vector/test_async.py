"""async_reset, send and recv: every env sees the numbers of its synchronous run, whatever the backend and the order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from fastvec.errors import AsyncStateError, ResetNeededError
from support.backends import make_on
from support.native import MODES, assert_same, sync_cartpoles

CREWS: dict[str, tuple[str, dict[str, Any]]] = {
    "1 thread": ("native", {"num_threads": 1}),
    "2 threads": ("native", {"num_threads": 2}),
    "5 threads": ("native", {"num_threads": 5}),
    "workers": ("workers", {}),
    "inline": ("inline", {}),
}


def policy(env: int, turn: int) -> int:
    return (env * 7 + turn * turn * 3 + turn // 5) % 2


def alone(env: int, mode: AutoresetMode) -> Iterator[tuple[Any, ...]]:
    """What SyncVectorEnv gives one env, call by call, with the infos of the step: the reset first, and where autoreset
    is disabled, one after each episode's end."""
    oracle = sync_cartpoles(1, mode=mode, max_episode_steps=15)
    nothing = (np.zeros(1), np.zeros(1, bool), np.zeros(1, bool), {})
    yield oracle.reset(seed=5 + env)[0].copy(), *nothing
    turn = 0
    while True:
        result = oracle.step(np.array([policy(env, turn)]))
        turn += 1
        yield result[0].copy(), *result[1:]
        if mode is AutoresetMode.DISABLED and (result[2] | result[3]).any():
            yield oracle.reset()[0].copy(), *nothing


def assert_row(batch: tuple[Any, ...], row: int, expected: tuple[Any, ...]) -> None:
    """One row of a batch is what its env gives alone."""
    for array, other in zip(batch[:4], expected[:4], strict=True):
        assert_same(array[row], other[0])
    infos, ended = batch[4], batch[2] | batch[3]
    if "final_obs" not in expected[4]:
        assert "final_obs" not in infos or infos["final_obs"][row] is None
        return
    np.testing.assert_array_equal(infos["_final_obs"], ended)
    np.testing.assert_array_equal(infos["_final_info"], ended)
    assert_same(infos["final_obs"][row], expected[4]["final_obs"][0])


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("crew", CREWS)
def test_every_env_sees_its_synchronous_trajectory(crew: str, mode: AutoresetMode, batch_size: int, closing: Any):
    num_envs, turns = 7, 40
    backend, arguments = CREWS[crew]
    arguments = {**arguments, "batch_size": batch_size, "autoreset_mode": mode, "max_episode_steps": 15}
    envs = closing(make_on(backend, "CartPole-v1", num_envs, **arguments))
    assert envs.batch_size == batch_size
    expected = [alone(env, mode) for env in range(num_envs)]
    envs.async_reset(seed=5)
    turn_of, episodes, received = np.zeros(num_envs, np.int64), 0, 0
    while envs.num_in_flight >= batch_size:
        batch = envs.recv(timeout=60)
        ids = batch[4]["env_id"]
        received += len(ids)
        assert ids.dtype == np.int64
        assert ids.shape == batch[1].shape == (batch_size,)
        assert len(set(ids.tolist())) == batch_size
        for row, env in enumerate(ids):
            assert_row(batch, row, next(expected[env]))
        ended = batch[2] | batch[3]
        assert ("final_obs" in batch[4]) == (mode is AutoresetMode.SAME_STEP and bool(ended.any()))
        episodes += int(ended.sum())
        if mode is AutoresetMode.DISABLED and ended.any():
            envs.async_reset(options={"reset_mask": np.isin(np.arange(num_envs), ids[ended])})
            ids = ids[~ended]
        going_on = ids[turn_of[ids] < turns]
        envs.send(np.array([policy(env, turn_of[env]) for env in going_on], np.int64), going_on)
        turn_of[going_on] += 1
    assert received > num_envs * turns - batch_size
    assert episodes >= 2 * num_envs


def test_any_subset_of_idle_envs_can_be_sent(python_or_native: str, closing: Any):
    num_envs, turns = 6, 30
    expected = [alone(env, AutoresetMode.NEXT_STEP) for env in range(num_envs)]
    envs = closing(make_on(python_or_native, "CartPole-v1", num_envs, batch_size=1, max_episode_steps=15))
    envs.async_reset(seed=5)
    rng = np.random.default_rng(0)
    seen = [0] * num_envs
    for _ in range(num_envs):
        batch = envs.recv(timeout=60)
        assert_row(batch, 0, next(expected[batch[4]["env_id"][0]]))
    for _ in range(60):
        chosen = rng.permutation([env for env in range(num_envs) if seen[env] < turns])[: rng.integers(1, 4)]
        envs.send(np.array([policy(env, seen[env]) for env in chosen], dtype=np.int64), chosen)
        for _ in chosen:
            batch = envs.recv(timeout=60)
            env = int(batch[4]["env_id"][0])
            seen[env] += 1
            assert_row(batch, 0, next(expected[env]))
    assert sum(seen) > 60


def pair(backend: str, closing: Any, num_envs: int = 4, env_id: str = "CartPole-v1", **kwargs: Any) -> Any:
    """Two vectors of the same envs, of which the first receives all of them at once."""
    arguments = {"batch_size": num_envs, **kwargs}
    return tuple(closing(make_on(backend, env_id, num_envs, **arguments)) for _ in range(2))


def test_float64_actions_keep_their_precision(python_or_native: str, closing: Any):
    envs, twin = pair(python_or_native, closing, 3, "MountainCarContinuous-v0")
    envs.async_reset(seed=0)
    envs.recv(timeout=60)
    twin.reset(seed=0)
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32, np.float64):
        actions = rng.uniform(-1, 1, (3, 1)).astype(dtype)
        envs.send(actions, np.arange(3))
        observations, _, _, _, infos = envs.recv(timeout=60)
        np.testing.assert_array_equal(observations, twin.step(actions)[0][infos["env_id"]])


def test_received_arrays_are_safe_to_keep(python_or_native: str, closing: Any):
    envs = make_on(python_or_native, "CartPole-v1", 6, batch_size=2)
    envs.async_reset(seed=0)
    kept = []
    for _ in range(200):
        result = envs.recv(timeout=60)
        arrays = [*result[:4], result[4]["env_id"]]
        kept.append((arrays, [array.copy() for array in arrays]))
        envs.send(np.zeros(2, np.int64), arrays[4])
    envs.close()
    for arrays, copies in kept:
        assert_same(arrays, copies)


def test_sent_actions_may_be_overwritten_at_once(python_or_native: str, closing: Any):
    envs, twin = pair(python_or_native, closing)
    envs.async_reset(seed=0)
    envs.recv(timeout=60)
    twin.reset(seed=0)
    actions, ids = np.zeros(4, np.int64), np.arange(4)
    for turn in range(30):
        actions[:] = turn % 2
        ids[:] = np.arange(4)
        envs.send(actions, ids)
        actions[:] = 99
        ids[:] = 99
        observations, _, _, _, infos = envs.recv(timeout=60)
        np.testing.assert_array_equal(observations, twin.step(np.full(4, turn % 2))[0][infos["env_id"]])


def test_masked_async_reset(python_or_native: str, closing: Any):
    envs, twin = pair(python_or_native, closing, autoreset_mode="Disabled", batch_size=2)
    options = {"low": -0.01, "high": 0.01}
    envs.async_reset(seed=3, options={"reset_mask": np.array([True, False, False, True]), **options})
    observations, _, _, _, infos = envs.recv(timeout=60)
    assert set(infos["env_id"].tolist()) == {0, 3}
    expected, _ = twin.reset(seed=3, options=options)
    np.testing.assert_array_equal(observations, expected[infos["env_id"]])
    with pytest.raises(ResetNeededError, match="got env 1 without"):
        envs.send(np.zeros(2, np.int64), [0, 1])


def test_finished_env_needs_async_reset_when_autoreset_is_disabled(python_or_native: str, closing: Any):
    envs, _ = pair(python_or_native, closing, 2, autoreset_mode=AutoresetMode.DISABLED, max_episode_steps=1)
    envs.async_reset(seed=0)
    envs.recv(timeout=60)
    envs.send(np.zeros(2, np.int64), np.arange(2))
    assert envs.recv(timeout=60)[3].all()
    with pytest.raises(ResetNeededError, match="autoreset disabled"):
        envs.send(np.zeros(2, np.int64), np.arange(2))
    envs.async_reset()
    envs.recv(timeout=60)
    envs.send(np.zeros(2, np.int64), np.arange(2))


def test_all_that_is_out_can_be_received_at_the_end(python_or_native: str, closing: Any):
    envs, oracle = closing(make_on(python_or_native, "CartPole-v1", 7, batch_size=3)), sync_cartpoles(7)
    assert envs.num_in_flight == 0
    envs.async_reset(seed=4)
    assert envs.num_in_flight == 7
    first = envs.recv(timeout=60)[4]["env_id"]
    kept = envs.recv(timeout=60, batch_size=envs.num_in_flight)
    copies = [array.copy() for array in kept[:4]]
    assert envs.num_in_flight == 0
    order = kept[4]["env_id"]
    assert sorted([*first, *order]) == list(range(7))
    assert_same(kept[0], oracle.reset(seed=4)[0][order])
    for _ in range(20):
        assert_same(envs.step(np.zeros(7, np.int64)), oracle.step(np.zeros(7, np.int64)))
    envs.close()
    assert_same(list(kept[:4]), copies)


def test_same_step_batches_of_any_size_have_their_final_observations(python_or_native: str, closing: Any):
    envs, twin = pair(python_or_native, closing, 5, autoreset_mode="SameStep", max_episode_steps=3, batch_size=2)
    envs.reset(seed=1)
    twin.reset(seed=1)
    for turn in range(9):
        expected = twin.step(np.full(5, turn % 2))
        envs.send(np.full(5, turn % 2), np.arange(5))
        for count in (1, 4):
            received = envs.recv(timeout=60, batch_size=count)
            order = received[4].pop("env_id")
            assert_same(received[:4], tuple(part[order] for part in expected[:4]))
            if expected[4]:
                assert_same(received[4]["final_obs"], expected[4]["final_obs"][order])


@pytest.mark.parametrize(
    ("batch_size", "kind", "message"),
    [
        (0, ValueError, "from 1 to 4, got 0"),
        (5, ValueError, "from 1 to 4, got 5"),
        (1.0, TypeError, "an int, got 1.0"),
        (True, TypeError, "an int, got True"),
        (3, AsyncStateError, "batch_size=3 envs in flight, got 2"),
    ],
)
def test_batch_sizes_that_recv_refuses(
    batch_size: Any, kind: type[Exception], message: str, python_or_native: str, closing: Any
):
    envs = closing(make_on(python_or_native, "CartPole-v1", 4, batch_size=2))
    envs.async_reset(seed=0)
    envs.recv(timeout=60)
    with pytest.raises(kind, match=message):
        envs.recv(batch_size=batch_size)
    assert envs.num_in_flight == 2
    envs.recv(timeout=60)


def test_synchronous_and_asynchronous_use_alternate(python_or_native: str, closing: Any):
    envs, twin = pair(python_or_native, closing, 3)
    envs.async_reset(seed=0)
    envs.recv(timeout=60)
    twin.reset(seed=0)
    for turn in range(40):
        actions = np.full(3, turn % 2)
        expected = twin.step(actions)
        if turn % 3:
            assert_same(envs.step(actions), expected)
        else:
            envs.send(actions, np.arange(3))
            observations, _, _, _, infos = envs.recv(timeout=60)
            np.testing.assert_array_equal(observations, expected[0][infos["env_id"]])


def test_send_after_a_synchronous_reset(python_or_native: str, closing: Any):
    envs, oracle = closing(make_on(python_or_native, "CartPole-v1", 3, batch_size=3)), sync_cartpoles(3)
    envs.reset(seed=5)
    oracle.reset(seed=5)
    actions = [policy(env, 0) for env in range(3)]
    envs.send(actions, np.arange(3))
    observations, _, _, _, infos = envs.recv(timeout=60)
    assert_same(observations, oracle.step(np.array(actions))[0][infos["env_id"]])
