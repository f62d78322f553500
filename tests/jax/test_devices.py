"""Two devices of one process: each steps envs on a thread of its own."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

import fastvec
import fastvec.jax

mesh = Mesh(np.array(jax.devices()), ("d",))
assert mesh.size == 2
actions = jnp.asarray(np.random.default_rng(0).integers(0, 2, (50, 8)))
env = fastvec.jax.make("CartPole-v1", 4)

def run(seed, actions):
    return jax.lax.scan(env.step, env.reset(seed)[0], actions)[1].observation

columns, rows = PartitionSpec(None, "d"), PartitionSpec("d")
sharded = jax.shard_map(
    lambda seed, actions: run(seed[0], actions), mesh=mesh, in_specs=(rows, columns), out_specs=columns
)
alone = [run(seed, actions[:, first : first + 4]) for seed, first in ((0, 0), (100, 4))]
assert np.array_equal(jax.jit(sharded)(jnp.array([0, 100]), actions), np.concatenate(alone, axis=1))

handle, reset, step, *_ = (envs := fastvec.make_vec("CartPole-v1", 4)).xla()
handle, _ = reset(handle, seed=0)
both = jax.shard_map(
    lambda handle, actions: jax.lax.scan(step, handle, actions)[1].observation,
    mesh=mesh, in_specs=(PartitionSpec(), columns), out_specs=columns, check_vma=False,
)
try:
    jax.block_until_ready(jax.jit(both)(handle, actions))
except (jax.errors.JaxRuntimeError, ValueError) as error:
    assert "stale handle" in str(error) or "in use by another thread" in str(error), error
    print("refused")
"""


def test_pure_envs_are_sharded_and_one_vector_is_refused_to_two_devices():
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "refused\n"
