"""async_reset, send and recv: the numbers of the synchronous vector, env by env, and misuse."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import fastvec
from fastvec.errors import ActionTypeError, AsyncStateError, InvalidActionError, ResetNeededError
from support.native import assert_same, cartpoles, sync_cartpoles, wait_until

GO_ON, BLOCK = 0, 6  # commands of Faulty-v0


def policy(env: int, turn: int) -> int:
    return (env * 7 + turn * turn * 3 + turn // 5) % 2


def synchronous_trajectories(num_envs: int, turns: int, **kwargs: Any) -> list[list[tuple[Any, ...]]]:
    oracle = sync_cartpoles(num_envs, **kwargs)
    observations, _ = oracle.reset(seed=5)
    histories = [[(row.copy(), 0.0, False, False)] for row in observations]
    for turn in range(turns):
        actions = np.array([policy(env, turn) for env in range(num_envs)])
        observations, rewards, terminated, truncated, _ = oracle.step(actions)
        for env in range(num_envs):
            row = (observations[env].copy(), rewards[env], terminated[env], truncated[env])
            histories[env].append(row)
    return histories


@pytest.mark.parametrize("num_threads", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_every_env_sees_its_synchronous_trajectory(batch_size: int, num_threads: int):
    num_envs, turns = 7, 40
    expected = synchronous_trajectories(num_envs, turns, max_episode_steps=15)
    envs = cartpoles(num_envs, batch_size=batch_size, num_threads=num_threads, max_episode_steps=15)
    assert envs.batch_size == batch_size
    envs.async_reset(seed=5)
    seen: list[list[tuple[Any, ...]]] = [[] for _ in range(num_envs)]
    in_flight = num_envs
    while in_flight >= batch_size:
        observations, rewards, terminated, truncated, infos = envs.recv()
        in_flight -= batch_size
        ids = infos["env_id"]
        assert ids.dtype == np.int64
        assert ids.shape == rewards.shape == (batch_size,)
        assert len(set(ids.tolist())) == batch_size
        for row, env in enumerate(ids):
            seen[env].append((observations[row].copy(), rewards[row], terminated[row], truncated[row]))
        going_on = np.array([env for env in ids if len(seen[env]) <= turns], dtype=np.int64)
        actions = np.array([policy(env, len(seen[env]) - 1) for env in going_on], dtype=np.int64)
        envs.send(actions, going_on)
        in_flight += len(going_on)
    envs.close()
    for env in range(num_envs):
        for row, (one, other) in enumerate(zip(seen[env], expected[env], strict=False)):
            assert_same(one[0], other[0], f"env {env} turn {row}")
            assert one[1:] == other[1:]
    assert sum(map(len, seen)) > num_envs * turns - batch_size


def test_any_subset_of_idle_envs_can_be_sent():
    num_envs, turns = 6, 30
    expected = synchronous_trajectories(num_envs, turns)
    envs = cartpoles(num_envs, batch_size=1)
    envs.async_reset(seed=5)
    rng = np.random.default_rng(0)
    seen = [0] * num_envs
    idle: list[int] = []
    for _ in range(num_envs):
        idle.append(int(envs.recv()[4]["env_id"][0]))
    for _ in range(60):
        chosen = rng.permutation([env for env in idle if seen[env] < turns])[: rng.integers(1, 4)]
        envs.send(np.array([policy(env, seen[env]) for env in chosen], dtype=np.int64), chosen)
        for _ in chosen:
            observations, _, _, _, infos = envs.recv()
            env = int(infos["env_id"][0])
            seen[env] += 1
            assert_same(observations[0], expected[env][seen[env]][0])
    assert sum(seen) > 60


def test_infos_of_received_envs(rich: str):
    envs, twin = fastvec.make_vec(rich, 3, batch_size=3, num_threads=2), fastvec.make_vec(rich, 3)
    envs.async_reset(seed=1)
    received, expected = envs.recv(), twin.reset(seed=1)
    order = received[4].pop("env_id")
    np.testing.assert_array_equal(received[4]["count"], expected[1]["count"][order])
    np.testing.assert_array_equal(received[0]["image"], expected[0]["image"][order])
    envs.action_space.seed(0)
    for _ in range(12):
        actions = envs.action_space.sample()
        envs.send(actions, np.arange(3))
        received, expected = envs.recv(), twin.step(actions)
        order = received[4].pop("env_id")
        assert received[4].keys() == expected[4].keys()
        for key in received[4]:
            if key.startswith("_"):
                np.testing.assert_array_equal(received[4][key], expected[4][key][order])
        np.testing.assert_array_equal(received[0]["pair"][0], expected[0]["pair"][0][order])
        np.testing.assert_array_equal(received[1], expected[1][order])


def test_float64_actions_keep_their_precision():
    envs, twin = (fastvec.make_vec("MountainCarContinuous-v0", 3, batch_size=3) for _ in range(2))
    envs.async_reset(seed=0)
    envs.recv()
    twin.reset(seed=0)
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32, np.float64):
        actions = rng.uniform(-1, 1, (3, 1)).astype(dtype)
        envs.send(actions, np.arange(3))
        observations, _, _, _, infos = envs.recv()
        np.testing.assert_array_equal(observations, twin.step(actions)[0][infos["env_id"]])


def test_received_arrays_are_safe_to_keep():
    envs = cartpoles(6, batch_size=2)
    envs.async_reset(seed=0)
    kept = []
    for _ in range(200):
        result = envs.recv()
        arrays = [*result[:4], result[4]["env_id"]]
        kept.append((arrays, [array.copy() for array in arrays]))
        envs.send(np.zeros(2, np.int64), arrays[4])
    envs.close()
    for arrays, copies in kept:
        assert_same(arrays, copies)


def test_sent_actions_may_be_overwritten_at_once():
    envs, twin = cartpoles(4, batch_size=4), cartpoles(4)
    envs.async_reset(seed=0)
    envs.recv()
    twin.reset(seed=0)
    actions, ids = np.zeros(4, np.int64), np.arange(4)
    for turn in range(30):
        actions[:] = turn % 2
        ids[:] = np.arange(4)
        envs.send(actions, ids)
        actions[:] = 99
        ids[:] = 99
        observations, _, _, _, infos = envs.recv()
        np.testing.assert_array_equal(observations, twin.step(np.full(4, turn % 2))[0][infos["env_id"]])


def test_masked_async_reset():
    envs = cartpoles(4, batch_size=2, autoreset_mode="Disabled")
    twin = cartpoles(4, autoreset_mode="Disabled")
    mask = np.array([True, False, False, True])
    envs.async_reset(seed=3, options={"reset_mask": mask, "low": -0.01, "high": 0.01})
    observations, _, _, _, infos = envs.recv()
    assert set(infos["env_id"].tolist()) == {0, 3}
    expected, _ = twin.reset(seed=3, options={"low": -0.01, "high": 0.01})
    np.testing.assert_array_equal(observations, expected[infos["env_id"]])
    with pytest.raises(ResetNeededError, match="got env 1 without"):
        envs.send(np.zeros(2, np.int64), [0, 1])


def test_finished_env_needs_async_reset_when_autoreset_is_disabled():
    envs = cartpoles(2, batch_size=2, autoreset_mode=AutoresetMode.DISABLED, max_episode_steps=1)
    envs.async_reset(seed=0)
    envs.recv()
    envs.send(np.zeros(2, np.int64), np.arange(2))
    assert envs.recv()[3].all()
    with pytest.raises(ResetNeededError, match="autoreset disabled"):
        envs.send(np.zeros(2, np.int64), np.arange(2))
    envs.async_reset()
    envs.recv()
    envs.send(np.zeros(2, np.int64), np.arange(2))


def test_all_that_is_out_can_be_received_at_the_end():
    envs, twin = cartpoles(7, batch_size=3), cartpoles(7)
    assert envs.num_in_flight == 0
    envs.async_reset(seed=4)
    assert envs.num_in_flight == 7
    first = envs.recv()[4]["env_id"]
    kept = envs.recv(batch_size=envs.num_in_flight)
    copies = [array.copy() for array in kept[:4]]
    assert envs.num_in_flight == 0
    order = kept[4]["env_id"]
    assert sorted([*first, *order]) == list(range(7))
    np.testing.assert_array_equal(kept[0], twin.reset(seed=4)[0][order])
    for _ in range(20):
        assert_same(envs.step(np.zeros(7, np.int64)), twin.step(np.zeros(7, np.int64)))
    envs.close()
    assert_same(list(kept[:4]), copies)


def test_same_step_batches_of_any_size_have_their_final_observations():
    envs, twin = (cartpoles(5, autoreset_mode="SameStep", max_episode_steps=3, batch_size=2) for _ in range(2))
    envs.reset(seed=1)
    twin.reset(seed=1)
    for turn in range(9):
        expected = twin.step(np.full(5, turn % 2))
        envs.send(np.full(5, turn % 2), np.arange(5))
        for count in (1, 4):
            received = envs.recv(batch_size=count)
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
@pytest.mark.parametrize("backend", ["native", "process"])
def test_batch_sizes_that_recv_refuses(batch_size: Any, kind: type, message: str, backend: str, closing: Any):
    envs = closing(fastvec.make_vec("CartPole-v1", 4, batch_size=2, backend=backend))
    envs.async_reset(seed=0)
    envs.recv()
    with pytest.raises(kind, match=message):
        envs.recv(batch_size=batch_size)
    assert envs.num_in_flight == 2
    envs.recv()


def test_synchronous_and_asynchronous_use_alternate():
    envs, twin = cartpoles(3, batch_size=3), cartpoles(3)
    envs.async_reset(seed=0)
    envs.recv()
    twin.reset(seed=0)
    for turn in range(40):
        actions = np.full(3, turn % 2)
        expected = twin.step(actions)
        if turn % 3:
            assert_same(envs.step(actions), expected)
        else:
            envs.send(actions, np.arange(3))
            observations, _, _, _, infos = envs.recv()
            np.testing.assert_array_equal(observations, expected[0][infos["env_id"]])


# -- misuse -------------------------------------------------------------------------------------------------


def received(batch_size: int = 2, num_envs: int = 4) -> tuple[fastvec.VectorEnv, list[int]]:
    """A vector of which `batch_size` envs are idle and the others in flight, and the ids of the idle."""
    envs = cartpoles(num_envs, batch_size=batch_size)
    envs.async_reset(seed=0)
    return envs, envs.recv()[4]["env_id"].tolist()


def test_recv_with_nothing_in_flight():
    envs = cartpoles(2)
    with pytest.raises(AsyncStateError, match="got none; call async_reset"):
        envs.recv()
    envs.async_reset(seed=0)
    envs.recv()
    for timeout in (None, 0.0, 1.0):
        with pytest.raises(AsyncStateError, match="at least batch_size=2 envs in flight, got 0"):
            envs.recv(timeout)


def test_recv_with_too_few_in_flight():
    envs, idle = received(batch_size=3)
    with pytest.raises(AsyncStateError, match="batch_size=3 envs in flight, got 1"):
        envs.recv()
    envs.send(np.zeros(2, np.int64), idle[:2])
    envs.recv()


def test_send_before_any_reset():
    envs = cartpoles(2)
    with pytest.raises(ResetNeededError, match="async_reset"):
        envs.send(np.zeros(1, np.int64), [0])
    envs.async_reset(seed=5)
    envs.recv()


BAD_SENDS: dict[str, tuple[Any, type, str]] = {
    "twice": (lambda idle, flying: [idle[0], idle[0]], ValueError, "once, got {0} twice"),
    "too large": (lambda idle, flying: [idle[0], 4], ValueError, "from 0 to 3, got 4"),
    "negative": (lambda idle, flying: [idle[0], -1], ValueError, "from 0 to 3, got -1"),
    "in flight": (lambda idle, flying: [idle[0], flying[0]], AsyncStateError, "got env {1}, which is in flight"),
    "floats": (lambda idle, flying: [float(idle[0]), 1.0], TypeError, "array of integers"),
    "bools": (lambda idle, flying: np.array([True, True]), TypeError, "array of integers"),
    "a number": (lambda idle, flying: idle[0], TypeError, "one-dimensional"),
    "a matrix": (lambda idle, flying: [idle], TypeError, "one-dimensional"),
    "strings": (lambda idle, flying: ["0", "1"], TypeError, "array of integers"),
    "none": (lambda idle, flying: None, TypeError, "array of integers"),
    "too few": (lambda idle, flying: idle[:1], InvalidActionError, r"shape \(1,\), got shape \(2,\)"),
}


@pytest.mark.parametrize("name", BAD_SENDS)
def test_bad_ids_hand_in_nothing(name: str):
    make, kind, message = BAD_SENDS[name]
    envs, idle = received()
    flying = [env for env in range(4) if env not in idle]
    with pytest.raises(kind, match=message.format(idle[0], flying[0])):
        envs.send(np.zeros(2, np.int64), make(idle, flying))
    assert sorted(envs.recv()[4]["env_id"].tolist()) == flying
    envs.send(np.zeros(4, np.int64), np.arange(4))


@pytest.mark.parametrize(
    ("actions", "kind"),
    [
        (np.array([0, 2]), InvalidActionError),
        (np.zeros(2), ActionTypeError),
        (np.zeros(3, np.int64), InvalidActionError),
    ],
)
def test_bad_actions_hand_in_nothing(actions: np.ndarray, kind: type):
    envs, idle = received()
    with pytest.raises(kind):
        envs.send(actions, idle)
    envs.recv()
    with pytest.raises(AsyncStateError):
        envs.recv()
    envs.send(np.zeros(2, np.int64), idle)


def test_sending_no_env_is_allowed():
    envs, idle = received()
    envs.send(np.zeros(0, np.int64), np.zeros(0, np.int64))
    envs.send(np.zeros(0, np.int64), [])
    envs.send(np.zeros(2, np.uint8), np.array(idle, np.uint16))
    assert envs.recv()[0].shape == (2, 4)


IN_FLIGHT_CALLS: dict[str, Any] = {
    "step": lambda envs: envs.step(np.zeros(4, np.int64)),
    "reset": lambda envs: envs.reset(seed=9),
    "get_state": lambda envs: envs.get_state(),
    "set_state": lambda envs: envs.set_state(cartpoles(4).get_state()),
    "async_reset": lambda envs: envs.async_reset(),
    "np_random": lambda envs: envs.np_random,
    "get_attr": lambda envs: envs.get_attr("state"),
    "set_attr": lambda envs: envs.set_attr("np_random", [np.random.default_rng()] * 4),
}


@pytest.mark.parametrize("name", IN_FLIGHT_CALLS)
def test_calls_that_need_all_envs_are_refused_in_flight(name: str):
    envs, _ = received()
    with pytest.raises(AsyncStateError, match="in flight"):
        IN_FLIGHT_CALLS[name](envs)
    envs.recv()
    IN_FLIGHT_CALLS[name](envs)


def test_async_reset_of_idle_envs_while_others_fly():
    envs, idle = received()
    mask = np.zeros(4, bool)
    mask[idle] = True
    with pytest.raises(AsyncStateError, match="in flight"):
        envs.async_reset(options={"reset_mask": ~mask})
    envs.async_reset(options={"reset_mask": mask})
    assert sorted([*envs.recv()[4]["env_id"], *envs.recv()[4]["env_id"]]) == [0, 1, 2, 3]


def test_refused_async_reset_seeds_nothing():
    envs = cartpoles(2)
    envs.reset(seed=5)
    before = envs.get_state()
    with pytest.raises(ValueError, match="low"):
        envs.async_reset(seed=1, options={"low": 1.0, "high": 0.0})
    assert envs.get_state() == before
    assert envs.np_random_seed == (5, 6)


@pytest.mark.parametrize("batch_size", [1, 3, 5])
def test_same_step_gives_final_observations_row_by_row(batch_size: int):
    turns = 60
    oracle = sync_cartpoles(5, mode=AutoresetMode.SAME_STEP, max_episode_steps=12)
    oracle.reset(seed=5)
    expected: list[list[tuple[Any, ...]]] = [[] for _ in range(5)]
    for turn in range(turns):
        results = oracle.step(np.array([policy(env, turn) for env in range(5)]))
        for env in range(5):
            final = results[4]["final_obs"][env] if results[2][env] or results[3][env] else None
            expected[env].append((results[0][env].copy(), results[2][env], results[3][env], final))

    envs = cartpoles(5, autoreset_mode="SameStep", batch_size=batch_size, max_episode_steps=12)
    envs.reset(seed=5)
    ends, turn_of = 0, [0] * 5
    envs.send(np.array([policy(env, 0) for env in range(5)]), np.arange(5))
    while envs.num_in_flight >= batch_size:
        observations, _, terminated, truncated, infos = envs.recv()
        ids = infos["env_id"]
        ended = terminated | truncated
        assert ("final_obs" in infos) == bool(ended.any())
        if ended.any():
            np.testing.assert_array_equal(infos["_final_obs"], ended)
            np.testing.assert_array_equal(infos["_final_info"], ended)
        for row, env in enumerate(ids):
            expected_row = expected[env][turn_of[env]]
            np.testing.assert_array_equal(observations[row], expected_row[0])
            assert (terminated[row], truncated[row]) == expected_row[1:3]
            if ended[row]:
                np.testing.assert_array_equal(infos["final_obs"][row], expected_row[3])
                ends += 1
            elif ended.any():
                assert infos["final_obs"][row] is None
            turn_of[env] += 1
        going_on = [env for env in ids if turn_of[env] < turns]
        envs.send(np.array([policy(env, turn_of[env]) for env in going_on], np.int64), np.array(going_on, np.int64))
    assert ends >= 10


def test_send_after_a_synchronous_reset():
    expected = synchronous_trajectories(3, 1)
    envs = cartpoles(3, batch_size=3)
    envs.reset(seed=5)
    envs.send([policy(env, 0) for env in range(3)], np.arange(3))
    observations, _, _, _, infos = envs.recv()
    for row, env in enumerate(infos["env_id"]):
        assert_same(observations[row], expected[env][1][0])


def test_what_a_thread_took_along_is_not_held_up_by_a_slow_env(faulty: str, tmp_path: Path):
    num_envs, gate = 64, tmp_path / "gate"
    envs = fastvec.make_vec(faulty, num_envs, num_threads=2, batch_size=num_envs - 1, gate=str(gate))
    envs.reset(seed=0)
    for _ in range(20):  # until the threads know how quick these envs are, and take many at a time
        envs.send([GO_ON] * (num_envs - 1), np.arange(num_envs - 1))
        envs.recv(30.0)
    for slow in (0, 1, 40):
        gate.unlink(missing_ok=True)
        Path(f"{gate}.entered").unlink(missing_ok=True)
        envs.send([BLOCK if env == slow else GO_ON for env in range(num_envs)], np.arange(num_envs))
        others = envs.recv(30.0)[4]["env_id"]
        assert sorted(others) == [env for env in range(num_envs) if env != slow]
        gate.touch()
        envs.send([GO_ON] * (num_envs - 2), others[1:])
        assert slow in envs.recv(30.0)[4]["env_id"]


@pytest.mark.parametrize("timeout", ["soon", [1]])
def test_timeout_of_the_wrong_type(timeout: Any):
    envs, _ = received()
    with pytest.raises((TypeError, ValueError)):
        envs.recv(timeout)
    envs.recv()


def test_timeout_that_is_no_number():
    envs, _ = received()
    with pytest.raises(ValueError, match="NaN"):
        envs.recv(float("nan"))
    envs.recv()


@pytest.mark.parametrize("timeout", [float("inf"), 1e300, 10**9, 5, np.float32(20)])
def test_long_timeouts_wait_long_enough(timeout: Any, faulty: str):
    envs = fastvec.make_vec(faulty, 2, num_threads=2, reset_milliseconds=30.0)
    envs.async_reset(seed=0)
    assert envs.recv(timeout)[0].shape == (2, 2)


# -- slow envs ----------------------------------------------------------------------------------------------


def test_nothing_is_lost_after_a_timeout(faulty: str, tmp_path: Path):
    gate = tmp_path / "gate"
    # A millisecond per step: no env shares a thread's turn with the blocked one.
    envs = fastvec.make_vec(faulty, 3, num_threads=3, batch_size=3, gate=str(gate), step_milliseconds=1.0)
    twin = fastvec.make_vec(faulty, 3, gate=str(gate))
    envs.async_reset(seed=0)
    envs.recv()
    twin.reset(seed=0)
    envs.send([GO_ON, BLOCK, GO_ON], np.arange(3))
    wait_until(lambda: Path(f"{gate}.entered").exists())
    for timeout in (0.0, 0.02, -1.0):
        with pytest.raises(TimeoutError, match="expected 3 finished envs"):
            envs.recv(timeout)
    gate.touch()
    observations, rewards, _, _, infos = envs.recv(60.0)
    expected = twin.step(np.array([GO_ON, BLOCK, GO_ON]))
    np.testing.assert_array_equal(observations, expected[0][infos["env_id"]])
    np.testing.assert_array_equal(rewards, expected[1])


def test_a_slow_env_does_not_hold_up_the_others(faulty: str, tmp_path: Path):
    gate = tmp_path / "gate"
    envs = fastvec.make_vec(faulty, 4, num_threads=2, batch_size=1, gate=str(gate), step_milliseconds=1.0)
    envs.async_reset(seed=0)
    for _ in range(4):
        envs.recv()
    envs.send([BLOCK], [2])
    wait_until(lambda: Path(f"{gate}.entered").exists())
    others = [0, 1, 3]
    envs.send([GO_ON] * 3, others)
    for _ in range(30):
        env = envs.recv(30.0)[4]["env_id"]
        assert env[0] in others
        envs.send([GO_ON], env)
    gate.touch()
    seen = [int(envs.recv(30.0)[4]["env_id"][0]) for _ in range(4)]
    assert sorted(seen) == [0, 1, 2, 3]


def test_close_waits_for_the_env_that_is_stepping(faulty: str):
    envs = fastvec.make_vec(faulty, 8, num_threads=2, step_milliseconds=20.0)
    envs.async_reset(seed=0)
    envs.recv()
    envs.send(np.zeros(8, np.int64), np.arange(8))
    begin = time.process_time()
    envs.close()
    assert time.process_time() - begin < 5.0


# -- nothing else is in the envs' code while some are in flight -------------------------------------------------------


@pytest.fixture(scope="module")
def exclusive(build: Any) -> str:
    """The id of an env that says when two calls of its table overlap: see tests/cpp/fixtures/exclusive.cpp."""
    fastvec.load_plugin(build("exclusive"))
    return "Exclusive-v0"


def test_calls_about_one_env_are_refused_while_envs_are_in_flight(exclusive: str, tmp_path: Path):
    gate = tmp_path / "gate"
    envs = fastvec.make_vec(exclusive, 2, batch_size=1, num_threads=1, render_mode="rgb_array", gate=str(gate))
    envs.reset(seed=0)
    before = envs.get_state()
    envs.send(np.array([1]), [0])  # it steps until the gate is there
    wait_until((tmp_path / "gate.entered").exists)
    calls = {
        "render": envs.render,
        "async_reset": lambda: envs.async_reset(
            options={"reset_mask": np.array([False, True]), "start": 1.0},
        ),
        "get_state": envs.get_state,
        "set_state": lambda: envs.set_state(before),
        "get_attr": lambda: envs.get_attr("wind"),
        "set_attr": lambda: envs.set_attr("wind", 2.0),
        "bytes_per_env": lambda: envs.bytes_per_env,
        "np_random": lambda: envs.np_random,
    }
    for name, call in calls.items():
        with pytest.raises(AsyncStateError, match="in flight"):
            pytest.fail(f"{name} went through: {call()!r}")
    envs.async_reset(options={"reset_mask": np.array([False, True])})  # without options there is nothing to check
    gate.touch()
    envs.recv(batch_size=2)
    for name, call in calls.items():
        call()
        if name == "async_reset":
            envs.recv()
    np.testing.assert_array_equal(envs.step(np.zeros(2, np.int64))[0], 0.0)  # overlaps that the env has seen
    envs.close()
