"""The state of a batch of envs, as a pytree."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax

__all__ = ["State"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """Everything from which envs go on bit for bit: four arrays with a row for each env.

    It is a pytree, to be carried by ``lax.scan``, kept, indexed (``jax.tree.map(lambda x: x[i], states)``), saved.

    Attributes:
        envs: uint8 ``(num_envs, bytes of an env)``: what the env's class holds, as it lies in memory on this kind of
            machine.
        generator: uint32 ``(num_envs, 10)``: NumPy's PCG64.
        elapsed_steps: int32 ``(num_envs,)``: steps of the episode.
        pending: bool ``(num_envs,)``: whether the episode is over and the env is to be reset.
        kind: of what env with which arguments it is. Not an array: part of the tree's structure.
    """

    envs: jax.Array
    generator: jax.Array
    elapsed_steps: jax.Array
    pending: jax.Array
    kind: str = field(metadata={"static": True})
