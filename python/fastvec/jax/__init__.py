"""Native envs in JAX, as pure functions of their state.

>>> import fastvec.jax, jax.numpy as jnp
>>> env = fastvec.jax.make("CartPole-v1", num_envs=1024)
>>> state, timestep = env.reset(0)
>>> state, timestep = env.step(state, jnp.zeros(1024, jnp.int32))

Importing it imports JAX (``pip install "fastvec[jax]"``). A vector of any native env, of plain state or not, is stepped
inside ``jax.jit`` by its own method ``xla()``. See docs/jax.md.
"""

from fastvec.jax.env import PureEnv, TimeStep
from fastvec.jax.make import make
from fastvec.jax.state import State

__all__ = ["PureEnv", "State", "TimeStep", "make"]
