"""Envs as pure functions: the bytes of make_vec and SyncVectorEnv, whatever JAX does with the functions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import JAX_ERRORS, assert_equal_info, assert_equal_step, random_actions
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import fastvec
import fastvec.jax
from support.differential import Case, make_oracle_envs, sync_vector

PLAIN = (
    "Acrobot-v1",
    "Blackjack-v1",
    "CartPole-v0",
    "CartPole-v1",
    "CliffWalking-v1",
    "CliffWalkingSlippery-v1",
    "FrozenLake-v1",
    "FrozenLake8x8-v1",
    "MountainCar-v0",
    "MountainCarContinuous-v0",
    "Pendulum-v1",
    "Taxi-v4",
)
NUM_ENVS, STEPS = 5, 500
MODES = [mode for mode in AutoresetMode if mode is not AutoresetMode.DISABLED]


def rollout(env: fastvec.jax.PureEnv, seed: Any, actions: Any) -> tuple[Any, Any, Any]:
    """(first time step, last state, all time steps), by one scan."""

    @jax.jit
    def run(actions: jax.Array) -> Any:
        state, first = env.reset(seed)
        state, steps = jax.lax.scan(env.step, state, actions)
        return first, state, steps

    return run(jnp.asarray(actions))


def assert_rollout(first: Any, steps: Any, oracle: Any, seed: int, actions: np.ndarray, name: str) -> None:
    first, steps = jax.tree.map(np.asarray, (first, steps))
    observation, info = oracle.reset(seed=seed)
    zeros = np.zeros(oracle.num_envs)
    assert_equal_step(first, (observation, zeros, zeros > 0, zeros > 0, info), f"{name}: reset")
    for at, action in enumerate(actions):
        row = jax.tree.map(lambda array, at=at: array[at], steps)
        assert_equal_step(row, oracle.step(action), f"{name}: step {at}")


def test_every_env_of_classic_control_and_toy_text_is_offered():
    offered = []
    for env_id in fastvec.list_envs():
        try:
            fastvec.jax.make(env_id)
        except ValueError:
            continue
        offered.append(env_id)
    assert set(offered) >= set(PLAIN)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("env_id", PLAIN)
def test_bytes_of_sync_vector_env_and_make_vec(env_id, mode, x64):
    case = Case(env_id, limit=40)
    env = fastvec.jax.make(env_id, NUM_ENVS, autoreset_mode=mode, max_episode_steps=40)
    actions = random_actions(env.single_action_space, STEPS, NUM_ENVS)
    first, _, steps = rollout(env, 3, actions)
    oracles = {
        "SyncVectorEnv": sync_vector(make_oracle_envs(case, NUM_ENVS), mode),
        "make_vec": fastvec.make_vec(env_id, NUM_ENVS, autoreset_mode=mode, max_episode_steps=40),
    }
    for name, oracle in oracles.items():
        assert_rollout(first, steps, oracle, 3, actions, f"{env_id}, {name}")
        oracle.close()
    assert np.asarray(steps.truncated).any() or np.asarray(steps.terminated).any()


def test_registered_time_limit_is_taken(x64):
    env = fastvec.jax.make("MountainCar-v0", 3)
    assert env.max_episode_steps == 200
    _, _, steps = rollout(env, 0, np.ones((210, 3), np.int64))
    assert np.flatnonzero(np.asarray(steps.truncated)[:, 0]).tolist() == [199]
    assert fastvec.jax.make("MountainCar-v0", max_episode_steps=-1).max_episode_steps is None


def test_disabled_mode_is_reset_by_mask(x64):
    env = fastvec.jax.make("CartPole-v1", 4, autoreset_mode="Disabled")
    oracle = fastvec.make_vec("CartPole-v1", 4, autoreset_mode="Disabled")
    actions = random_actions(env.single_action_space, 100, 4)
    observation, info = oracle.reset(seed=5)
    state, first = env.reset(5)
    np.testing.assert_array_equal(first.observation, observation)

    @jax.jit
    def turn(state: Any, action: Any) -> Any:
        state, step = env.step(state, action)
        done = step.terminated | step.truncated
        state, after = env.reset_where(state, done)
        return state, step, after

    for action in actions:
        state, step, after = turn(state, action)
        expected = oracle.step(action)
        assert_equal_step(jax.tree.map(np.asarray, step), expected, "step")
        done = expected[2] | expected[3]
        if done.any():
            observation, info = oracle.reset(options={"reset_mask": done})
            np.testing.assert_array_equal(after.observation, observation)
            assert_equal_info(jax.tree.map(np.asarray, after.info), info, "reset")


def test_disabled_mode_refuses_a_finished_env():
    env = fastvec.jax.make("CartPole-v1", 2, autoreset_mode="Disabled", max_episode_steps=1)
    state, _ = env.reset(0)
    state, step = env.step(state, jnp.zeros(2, jnp.int32))
    assert step.truncated.all()
    with pytest.raises(JAX_ERRORS, match=r"CartPole-v1: step: .*got env 0 finished and not reset"):
        jax.block_until_ready(env.step(state, jnp.zeros(2, jnp.int32)))


def test_without_x64_numbers_are_those_rounded():
    env = fastvec.jax.make("Pendulum-v1", 3)
    actions = random_actions(env.single_action_space, 50, 3)
    _, _, steps = rollout(env, 1, actions)
    assert steps.reward.dtype == np.float32
    oracle = fastvec.make_vec("Pendulum-v1", 3)
    oracle.reset(seed=1)
    for at in range(50):
        observation, reward, *_ = oracle.step(actions[at])
        np.testing.assert_array_equal(steps.observation[at], observation)
        np.testing.assert_array_equal(steps.reward[at], reward.astype(np.float32))


def test_without_x64_discrete_observations_are_int32():
    env = fastvec.jax.make("Taxi-v4", 3)
    _, first = env.reset(0)
    observation, info = fastvec.make_vec("Taxi-v4", 3).reset(seed=0)
    assert first.observation.dtype == np.int32
    np.testing.assert_array_equal(first.observation, observation)
    np.testing.assert_array_equal(first.info["action_mask"], info["action_mask"])


def test_float64_actions_are_computed_with_as_such(x64):
    env = fastvec.jax.make("MountainCarContinuous-v0", 3)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (60, 3, 1))
    first, _, steps = rollout(env, 2, actions)
    oracle = SyncVectorEnv([lambda: gymnasium.make("MountainCarContinuous-v0")] * 3)
    assert_rollout(first, steps, oracle, 2, actions, "float64")


# -- seeds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 2, 2**70])
def test_seed_of_an_int(seed):
    env = fastvec.jax.make("CartPole-v1", 4)
    expected, _ = fastvec.make_vec("CartPole-v1", 4).reset(seed=seed)
    np.testing.assert_array_equal(env.reset(seed)[1].observation, expected)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.uint64])
def test_seed_may_be_traced(dtype, x64):
    env = fastvec.jax.make("CartPole-v1", 4)
    seed = 2**32 - 2 if dtype in (np.uint32, np.uint64, np.int64) else 2**31 - 4
    expected, _ = fastvec.make_vec("CartPole-v1", 4).reset(seed=int(seed))
    traced = jax.jit(lambda seed: env.reset(seed)[1].observation)(jnp.asarray(seed, dtype))
    np.testing.assert_array_equal(traced, expected)


def test_seeds_of_each_env():
    env = fastvec.jax.make("CartPole-v1", 3)
    expected, _ = fastvec.make_vec("CartPole-v1", 3).reset(seed=[4, 0, 9])
    for seeds in ([4, 0, 9], np.array([4, 0, 9]), jnp.array([4, 0, 9])):
        np.testing.assert_array_equal(env.reset(seeds)[1].observation, expected)


def test_keys_seed_each_env_with_its_own_bits():
    env = fastvec.jax.make("CartPole-v1", 3)
    words = np.asarray(jax.random.bits(jax.random.key(3), (3, 4), np.uint32))
    expected, _ = fastvec.make_vec("CartPole-v1", 3).reset(
        seed=[int.from_bytes(row.astype("<u4").tobytes(), "little") for row in words]
    )
    for key in (jax.random.key(3), jax.random.PRNGKey(3)):
        np.testing.assert_array_equal(env.reset(key)[1].observation, expected)


# -- purity -----------------------------------------------------------------------------------------------------


def test_a_state_is_kept_and_gone_back_to():
    env = fastvec.jax.make("Blackjack-v1", 6)
    state, _ = env.reset(0)
    before = jax.tree.map(np.array, state)
    actions = random_actions(env.single_action_space, 30, 6)
    _, ahead = jax.lax.scan(env.step, state, actions)
    jax.tree.map(np.testing.assert_array_equal, state, before)
    _, again = jax.lax.scan(env.step, state, actions)
    jax.tree.map(np.testing.assert_array_equal, ahead, again)


def test_a_donated_state_is_stepped_in_place():
    env = fastvec.jax.make("CartPole-v1", 256)
    step = jax.jit(env.step, donate_argnums=0)
    state, _ = env.reset(0)
    before = state.envs.unsafe_buffer_pointer()
    after, _ = step(state, jnp.zeros(256, jnp.int32))
    assert state.envs.is_deleted()
    assert after.envs.unsafe_buffer_pointer() == before


def test_vmap_over_a_batch_of_vectors():
    env = fastvec.jax.make("FrozenLake-v1", 3)
    seeds = jnp.array([0, 100, 200, 300])
    actions = random_actions(env.single_action_space, 40, 12).reshape(40, 4, 3)

    @jax.jit
    def run(seed: Any, actions: Any) -> Any:
        state, _ = env.reset(seed)
        return jax.lax.scan(env.step, state, actions)

    together = jax.vmap(run, in_axes=(0, 1))(seeds, actions)
    for at, seed in enumerate(seeds):
        alone = run(seed, actions[:, at])
        jax.tree.map(lambda one, all_, at=at: np.testing.assert_array_equal(all_[at], one), alone, together)


def test_vmap_over_actions_alone_steps_one_state_many_ways():
    env = fastvec.jax.make("CliffWalking-v1", 2)
    state, _ = env.reset(0)
    states, steps = jax.vmap(env.step, in_axes=(None, 0))(state, jnp.array([[0, 0], [1, 1], [2, 2]]))
    for at in range(3):
        alone = env.step(state, jnp.full(2, at))
        jax.tree.map(lambda one, all_, at=at: np.testing.assert_array_equal(all_[at], one), alone, (states, steps))


def test_cond_takes_the_branch_that_is_taken():
    env = fastvec.jax.make("CartPole-v1", 2)
    state, first = env.reset(0)

    @jax.jit
    def maybe(go: Any, state: Any) -> Any:
        return jax.lax.cond(go, lambda s: env.step(s, jnp.ones(2, jnp.int32)), lambda s: (s, first), state)

    stayed, _ = maybe(False, state)
    jax.tree.map(np.testing.assert_array_equal, stayed, state)
    moved, _ = maybe(True, state)
    assert moved.elapsed_steps.tolist() == [1, 1]


@pytest.mark.parametrize("num_envs", [7, 600])  # 600: the pool of threads is asked, and only one caller gets it
def test_states_are_stepped_by_several_threads(num_envs):
    env = fastvec.jax.make("CartPole-v1", num_envs)
    actions = jnp.asarray(random_actions(env.single_action_space, 300, num_envs))

    @jax.jit
    def run(seed: Any) -> Any:
        state, _ = env.reset(seed)
        return jax.lax.scan(env.step, state, actions)

    alone = [jax.block_until_ready(run(seed)) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda seed: jax.block_until_ready(run(seed)), range(6)))
    for one, other in zip(alone, together, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, other)


def test_a_large_batch_has_the_same_bytes_as_make_vec(x64):
    env = fastvec.jax.make("Acrobot-v1", 2000)
    actions = random_actions(env.single_action_space, 20, 2000)
    first, _, steps = rollout(env, 0, actions)
    assert_rollout(first, steps, fastvec.make_vec("Acrobot-v1", 2000), 0, actions, "2000 envs")


def test_a_state_is_a_pytree_that_can_be_saved(tmp_path):
    env = fastvec.jax.make("Taxi-v4", 3)
    state, _ = env.reset(0)
    leaves, tree = jax.tree.flatten(state)
    np.savez(tmp_path / "state.npz", *leaves)
    with np.load(tmp_path / "state.npz") as saved:
        loaded = jax.tree.unflatten(tree, [saved[name] for name in saved.files])
    actions = jnp.array([0, 1, 2])
    jax.tree.map(np.testing.assert_array_equal, env.step(loaded, actions), env.step(state, actions))
