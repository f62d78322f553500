"""``envs.xla()``: a vector's own envs, stepped inside jit, with the bytes that its methods give."""

from __future__ import annotations

import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import JAX_ERRORS, assert_equal_info, assert_equal_step, random_actions
from gymnasium.vector import AutoresetMode

import fastvec
from support.differential import Case, make_oracle_envs, sync_vector

NUM_ENVS = 4
RICH_ACTION = {
    "go": np.array([1, -1, 0, 1]),
    "bits": np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.int8),
    "dial": np.array([[0, 3], [1, 2], [0, 0], [1, 1]]),
    "force": (np.full((4, 2), 0.25, np.float32), np.full((4, 1), 7, np.uint8)),
}


def at(tree: Any, index: int) -> Any:
    return jax.tree.map(lambda array: np.asarray(array[index]), tree)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP], ids=lambda mode: mode.value)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Blackjack-v1", "Taxi-v4", "Pendulum-v1", "HalfCheetah-v5"])
def test_bytes_of_sync_vector_env(env_id, mode, x64):
    steps = 120 if env_id.startswith("HalfCheetah") else 500
    envs = fastvec.make_vec(env_id, NUM_ENVS, autoreset_mode=mode, max_episode_steps=40)
    actions = random_actions(envs.single_action_space, steps, NUM_ENVS)
    handle, reset, step, *_ = envs.xla()

    @jax.jit
    def run(handle: Any, actions: Any) -> Any:
        handle, first = reset(handle, seed=3)
        handle, steps = jax.lax.scan(step, handle, actions)
        return handle, first, steps

    handle, first, rows = run(handle, actions)
    oracle = sync_vector(make_oracle_envs(Case(env_id, limit=40), NUM_ENVS), mode)
    observation, info = oracle.reset(seed=3)
    np.testing.assert_array_equal(jax.tree.leaves(first[0])[0], jax.tree.leaves(observation)[0])
    assert_equal_info(jax.tree.map(np.asarray, first[1]), info, "reset")
    for index in range(steps):
        assert_equal_step(at(rows, index), oracle.step(actions[index]), f"{env_id}: step {index}")


def test_python_and_xla_take_turns(x64):
    envs, other = (fastvec.make_vec("CartPole-v1", NUM_ENVS) for _ in range(2))
    actions = random_actions(envs.single_action_space, 60, NUM_ENVS)
    envs.reset(seed=1)
    other.reset(seed=1)
    handle, _, step, *_ = envs.xla()
    for index, action in enumerate(actions):
        if index % 3 == 0:
            made = envs.step(action)
        else:
            handle, made = step(handle, action)
        assert_equal_step(jax.tree.map(np.asarray, made), other.step(action), f"step {index}")


def test_disabled_mode_with_a_mask_and_seeds(x64):
    envs, other = (fastvec.make_vec("CartPole-v1", 3, autoreset_mode="Disabled") for _ in range(2))
    handle, reset, step, *_ = envs.xla()
    handle, (observation, _) = reset(handle, seed=[5, None, 6])
    other.reset(seed=[5, None, 6])
    mask = np.array([True, False, True])
    handle, _ = step(handle, np.zeros(3, np.int64))
    other.step(np.zeros(3, np.int64))
    handle, (observation, _) = reset(handle, seed=9, mask=mask)
    expected, _ = other.reset(seed=9, options={"reset_mask": mask})
    np.testing.assert_array_equal(np.asarray(observation)[mask], expected[mask])


def test_every_kind_of_space_and_info(x64):
    envs, other = (fastvec.make_vec("Rich-v0", NUM_ENVS, autoreset_mode="SameStep") for _ in range(2))
    handle, reset, step, *_ = envs.xla()
    handle, (observation, info) = jax.jit(reset)(handle, seed=2)
    expected, expected_info = other.reset(seed=2)
    np.testing.assert_array_equal(observation["image"], expected["image"])
    np.testing.assert_array_equal(observation["pair"][1], expected["pair"][1])
    assert_equal_counts(info, expected_info)
    run = jax.jit(step)
    for _ in range(15):
        handle, made = run(handle, RICH_ACTION)
        expected = other.step(RICH_ACTION)
        np.testing.assert_array_equal(made.reward, expected[1])
        np.testing.assert_array_equal(made.observation["pair"][0], expected[0]["pair"][0])
        assert_equal_counts(made.info, expected[4])
        assert_equal_counts(made.info["final_info"], expected[4].get("final_info", {}))
        ended = np.flatnonzero(expected[2] | expected[3])
        assert np.flatnonzero(made.info["_final_obs"]).tolist() == ended.tolist()
        for env in ended:
            last = expected[4]["final_obs"][env]
            np.testing.assert_array_equal(made.info["final_obs"]["image"][env], last["image"])


def assert_equal_counts(actual: Any, expected: Any) -> None:
    for key in ("count", "lucky", "vector", "mixed"):
        mask = expected.get(f"_{key}", np.zeros(NUM_ENVS, np.bool_))
        np.testing.assert_array_equal(actual[f"_{key}"], mask)
        if key in expected:  # "mixed" is an int or a float, as the first env has it, and here always a float
            np.testing.assert_array_equal(np.asarray(actual[key])[mask], expected[key][mask])


def test_a_call_whose_results_nobody_uses_is_made():
    envs = fastvec.make_vec("CartPole-v1", 2)
    handle, reset, step, *_ = envs.xla()

    @jax.jit
    def run(handle: Any) -> Any:
        handle, _ = reset(handle, seed=0)
        return jax.lax.fori_loop(0, 10, lambda _, handle: step(handle, jnp.zeros(2, jnp.int32))[0], handle)

    jax.block_until_ready(run(handle))
    expected = fastvec.make_vec("CartPole-v1", 2)
    expected.reset(seed=0)
    for _ in range(10):
        expected.step(np.zeros(2, np.int64))
    assert envs.get_state() == expected.get_state()


def test_cond_steps_only_where_it_is_taken():
    envs = fastvec.make_vec("CartPole-v1", 2)
    handle, reset, step, *_ = envs.xla()
    handle, _ = reset(handle, seed=0)

    @jax.jit
    def maybe(go: Any, handle: Any) -> Any:
        return jax.lax.cond(go, lambda h: step(h, jnp.zeros(2, jnp.int32))[0], lambda h: h, handle)

    before = envs.get_state()
    handle = jax.block_until_ready(maybe(False, handle))
    assert envs.get_state() == before
    jax.block_until_ready(maybe(True, handle))
    assert envs.get_state() != before


@pytest.mark.parametrize("batch_size", [2, 4])
def test_send_and_recv_give_back_each_env_in_its_turn(batch_size, x64):
    envs = fastvec.make_vec("CartPole-v1", 4, batch_size=batch_size, num_threads=2)
    other = fastvec.make_vec("CartPole-v1", 4)
    envs.async_reset(seed=3)
    first, _ = other.reset(seed=3)
    expected = [other.step(np.ones(4, np.int64)) for _ in range(30)]
    handle, _, _, send, recv = envs.xla()

    @jax.jit
    def turn(handle: Any) -> Any:
        handle, rows = recv(handle)
        handle = send(handle, jnp.ones(batch_size, jnp.int32), rows.info["env_id"])
        return handle, rows

    turns = np.zeros(4, np.int64)
    for _ in range(40):
        handle, rows = turn(handle)
        for row, env in enumerate(np.asarray(rows.info["env_id"])):
            if turns[env] > 30:
                continue
            wanted = first[env] if turns[env] == 0 else expected[turns[env] - 1][0][env]
            np.testing.assert_array_equal(rows.observation[row], wanted)
            turns[env] += 1
    assert turns.sum() >= 40


def test_recv_with_too_few_in_flight_is_refused_and_the_handle_stays_good():
    envs = fastvec.make_vec("CartPole-v1", 2)
    handle, reset, _, send, recv = envs.xla()
    with pytest.raises(JAX_ERRORS, match="expected envs in flight, got none"):
        jax.block_until_ready(recv(handle))
    envs.async_reset(seed=0)
    handle, _ = recv(handle)
    with pytest.raises(JAX_ERRORS, match="CartPole-v1: recv: expected at least batch_size=2"):
        jax.block_until_ready(recv(handle))
    handle = send(handle, jnp.zeros(2, jnp.int32))
    with pytest.raises(JAX_ERRORS, match="step: expected no env in flight, got 2"):
        jax.block_until_ready(envs.xla().step(handle, jnp.zeros(2, jnp.int32)))
    handle, _ = recv(handle)
    jax.block_until_ready(reset(handle))


# -- who may come in ----------------------------------------------------------------------------------------------


def test_a_second_thread_is_refused_while_a_step_is_under_way(tmp_path):
    gate = tmp_path / "gate"
    envs = fastvec.make_vec("Faulty-v0", 1, gate=str(gate))
    handle, reset, step, *_ = envs.xla()
    handle, _ = jax.block_until_ready(reset(handle))
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(jax.block_until_ready(step(handle, jnp.array([6])))))
    thread.start()
    entered = gate.with_suffix(".entered")
    while not entered.exists() and thread.is_alive():
        thread.join(0.001)
    try:
        with pytest.raises(RuntimeError, match="in use by another thread"):
            envs.step(np.array([0]))
        with pytest.raises(RuntimeError, match="in use by another thread"):
            envs.close()
    finally:
        gate.touch()
        thread.join()
    handle, _ = results[0]
    jax.block_until_ready(step(handle, jnp.array([0])))


def test_xla_is_refused_while_python_steps(tmp_path):
    gate = tmp_path / "gate"
    envs = fastvec.make_vec("Faulty-v0", 1, gate=str(gate))
    handle, _, step, *_ = envs.xla()
    envs.reset(seed=0)
    thread = threading.Thread(target=lambda: envs.step(np.array([6])))
    thread.start()
    while not gate.with_suffix(".entered").exists() and thread.is_alive():
        thread.join(0.001)
    try:
        with pytest.raises(JAX_ERRORS, match="in use by another thread"):
            jax.block_until_ready(step(handle, jnp.array([0])))
    finally:
        gate.touch()
        thread.join()
    jax.block_until_ready(step(handle, jnp.array([0])))


def test_runs_are_equal_whatever_the_number_of_threads():
    def run(num_threads: int) -> bytes:
        envs = fastvec.make_vec("HalfCheetah-v5", 8, num_threads=num_threads)
        handle, reset, step, *_ = envs.xla()
        handle, _ = reset(handle, seed=0)
        actions = jnp.asarray(random_actions(envs.single_action_space, 50, 8))
        jax.block_until_ready(jax.jit(lambda h, a: jax.lax.scan(step, h, a))(handle, actions))
        return envs.get_state()

    assert run(1) == run(1) == run(2) == run(5)
