"""Native envs inside XLA's computations: what :mod:`fastvec.jax` and ``envs.xla()`` share. Its modules import JAX."""
