"""What is refused, and how it is said."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import JAX_ERRORS

import fastvec
import fastvec.jax
from fastvec.errors import ActionTypeError, InvalidActionError, UnknownEnvError


def test_importing_fastvec_imports_no_jax():
    code = "import sys, fastvec; fastvec.make_vec('CartPole-v1', 2).reset(); sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_jax_the_error_says_what_to_install():
    code = """
import sys
sys.modules["jax"] = None
import fastvec
envs = fastvec.make_vec("CartPole-v1")
try:
    envs.xla()
except Exception as error:
    sys.exit(0 if "fastvec[jax]" in str(error) else str(error))
sys.exit("no error")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# -- the pure form --------------------------------------------------------------------------------------------------


def test_an_env_that_is_not_plain_names_the_way_there_is():
    with pytest.raises(ValueError, match=r"HalfCheetah-v5: .*state is plain.*xla\(\)"):
        fastvec.jax.make("HalfCheetah-v5")
    with pytest.raises(ValueError, match="Rich-v0"):
        fastvec.jax.make("Rich-v0")


def test_an_unknown_id_names_its_neighbours():
    with pytest.raises(UnknownEnvError, match="CartPole-v1"):
        fastvec.jax.make("CartPole-v7")


@pytest.mark.parametrize("arguments", [{"num_envs": 0}, {"max_episode_steps": 0}, {"autoreset_mode": "Never"}])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        fastvec.jax.make("CartPole-v1", **arguments)


@pytest.mark.parametrize("seed", [None, 1.5, True, jnp.zeros(3), jnp.zeros((2, 2), jnp.int32)])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(TypeError, match="expected"):
        fastvec.jax.make("CartPole-v1", 4).reset(seed)


def test_actions_of_another_shape_or_dtype_are_refused_when_traced():
    env = fastvec.jax.make("CartPole-v1", 3)
    state, _ = env.reset(0)
    step = jax.jit(env.step)
    with pytest.raises(InvalidActionError, match=r"CartPole-v1: actions: expected int64 of shape \(3,\), got shape"):
        step(state, jnp.zeros(2, jnp.int32))
    with pytest.raises(ActionTypeError, match="got dtype float32"):
        step(state, jnp.zeros(3))
    pendulum = fastvec.jax.make("Pendulum-v1", 3)
    state, _ = pendulum.reset(0)
    with pytest.raises(ActionTypeError, match=r"expected float32 of shape \(3, 1\), got dtype int32"):
        pendulum.step(state, jnp.zeros((3, 1), jnp.int32))


def test_an_action_outside_its_space_ends_the_computation():
    env = fastvec.jax.make("CartPole-v1", 3)
    state, _ = env.reset(0)
    with pytest.raises(JAX_ERRORS, match="CartPole-v1: expected actions from 0 to 1, got 2 for env 1"):
        jax.block_until_ready(jax.jit(env.step)(state, jnp.array([0, 2, 0])))


def test_a_state_of_another_env_is_refused():
    state, _ = fastvec.jax.make("CartPole-v1", 3).reset(0)
    with pytest.raises(TypeError, match=r"expected a state of Acrobot-v1.*, got one of CartPole-v1"):
        fastvec.jax.make("Acrobot-v1", 3).step(state, jnp.zeros(3, jnp.int32))
    with pytest.raises(TypeError, match="max_episode_steps=7"):
        fastvec.jax.make("CartPole-v1", 3, max_episode_steps=7).step(state, jnp.zeros(3, jnp.int32))
    with pytest.raises(TypeError, match="expected a state of 4 envs"):
        fastvec.jax.make("CartPole-v1", 4).step(state, jnp.zeros(4, jnp.int32))
    with pytest.raises(TypeError, match=r"expected a fastvec\.jax\.State, got tuple"):
        fastvec.jax.make("CartPole-v1", 3).step((), jnp.zeros(3, jnp.int32))


def test_a_mask_of_another_shape_is_refused():
    env = fastvec.jax.make("CartPole-v1", 3)
    state, _ = env.reset(0)
    with pytest.raises(TypeError, match=r"mask: expected bool of shape \(3,\)"):
        env.reset_where(state, jnp.zeros(3))


def test_a_gradient_through_step_is_refused():
    env = fastvec.jax.make("Pendulum-v1", 3)
    state, _ = env.reset(0)

    def loss(actions: Any) -> Any:
        return env.step(state, actions)[1].reward.sum()

    with pytest.raises(TypeError, match=r"Pendulum-v1 cannot be differentiated.*stop_gradient"):
        jax.grad(loss)(jnp.zeros((3, 1)))
    jax.grad(lambda actions: loss(jax.lax.stop_gradient(actions)) + actions.sum())(jnp.zeros((3, 1)))


def test_an_env_that_fails_is_named_and_the_state_before_is_still_good():
    env = fastvec.jax.make("Faulty-v0", 3)
    state, _ = env.reset(0)
    with pytest.raises(JAX_ERRORS, match=r"Faulty-v0: env 1: .*\(and 1 more\)"):
        jax.block_until_ready(env.step(state, jnp.array([0, 1, 1])))
    jax.block_until_ready(env.step(state, jnp.array([0, 0, 0])))


# -- the effectful form -----------------------------------------------------------------------------------------------


def test_an_env_that_fails_in_a_vector_is_named_and_the_others_have_stepped():
    envs = fastvec.make_vec("Faulty-v0", 3)
    handle, reset, step, *_ = envs.xla()
    handle, _ = reset(handle, seed=0)
    with pytest.raises(JAX_ERRORS, match="Faulty-v0: env 1: "):
        jax.block_until_ready(step(handle, jnp.array([0, 1, 0])))
    handle, _, step, *_ = envs.xla()
    _, rows = step(handle, jnp.array([0, 0, 0]))
    assert rows.info["steps"].tolist() == [2, 0, 2]


def test_a_handle_that_was_used_before_is_refused():
    envs = fastvec.make_vec("CartPole-v1", 2)
    handle, reset, step, *_ = envs.xla()
    newer, _ = reset(handle, seed=0)
    jax.block_until_ready(newer)
    with pytest.raises(JAX_ERRORS, match="CartPole-v1: step: stale handle: expected that of call 1, got"):
        jax.block_until_ready(step(handle, jnp.zeros(2, jnp.int32)))
    jax.block_until_ready(step(newer, jnp.zeros(2, jnp.int32)))


def test_a_handle_after_close_is_refused():
    envs = fastvec.make_vec("CartPole-v1", 2)
    handle, reset, *_ = envs.xla()
    envs.close()
    with pytest.raises(JAX_ERRORS, match="this vector env is closed"):
        jax.block_until_ready(reset(handle))
    with pytest.raises(fastvec.errors.ClosedError):
        envs.xla()


def test_a_handle_of_a_vector_that_is_gone_is_refused():
    envs = fastvec.make_vec("CartPole-v1", 2)
    handle, reset, *_ = envs.xla()
    del envs
    with pytest.raises(JAX_ERRORS, match="a vector env that is gone"):
        jax.block_until_ready(reset(handle))


def test_a_handle_of_another_vector_steps_that_one_or_is_refused():
    envs, others = fastvec.make_vec("CartPole-v1", 2), fastvec.make_vec("CartPole-v1", 3)
    _, reset, *_ = envs.xla()
    with pytest.raises(JAX_ERRORS, match="expected"):
        jax.block_until_ready(reset(others.xla().handle))


@pytest.mark.parametrize("handle", [0, np.zeros(2, np.int32), np.zeros(3, np.uint32)])
def test_what_is_no_handle_is_refused(handle):
    reset = fastvec.make_vec("CartPole-v1", 2).xla().reset
    with pytest.raises(TypeError, match="expected a handle"):
        reset(handle)


def test_step_before_reset_is_refused():
    envs = fastvec.make_vec("CartPole-v1", 2)
    handle, _, step, *_ = envs.xla()
    with pytest.raises(JAX_ERRORS, match=r"expected every env to be reset first, got env 0"):
        jax.block_until_ready(step(handle, jnp.zeros(2, jnp.int32)))


def test_vmap_and_grad_of_a_vector_are_refused():
    envs = fastvec.make_vec("Pendulum-v1", 2)
    handle, reset, step, *_ = envs.xla()
    handle, _ = reset(handle, seed=0)
    with pytest.raises(Exception, match="vmap"):
        jax.vmap(step, in_axes=(None, 0))(handle, jnp.zeros((3, 2, 1)))
    with pytest.raises(TypeError, match="Pendulum-v1 cannot be differentiated"):
        jax.grad(lambda actions: step(handle, actions)[1].reward.sum())(jnp.zeros((2, 1)))


def test_other_backends_say_that_they_have_none():
    envs = fastvec.make_vec("CartPole-v1", 2, backend="process", num_workers=0)
    try:
        with pytest.raises(AttributeError, match=r"has no xla\(\)"):
            envs.xla()
    finally:
        envs.close()
