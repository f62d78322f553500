"""The effectful form: a vector of native envs that is stepped inside ``jax.jit``, with a handle to order its calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fastvec import _core
from fastvec.native.xla.rows import Rows, StepRows
from fastvec.native.xla.seeds import entropy
from fastvec.native.xla.targets import call, canonical, require_cpu

__all__ = ["XlaFunctions", "XlaPort"]

_HANDLE = jax.ShapeDtypeStruct((2,), np.uint32)


class XlaFunctions(NamedTuple):
    """What ``envs.xla()`` returns.

    Attributes:
        handle: uint32 ``(2,)``: stands for the envs as they are now. Each function takes the newest one and returns the
            next.
        reset: ``handle, (observations, infos) = reset(handle, seed=None, mask=None)``.
        step: ``handle, (observations, rewards, terminated, truncated, infos) = step(handle, actions)``.
        send: ``handle = send(handle, actions, env_ids=None)``; None: all envs, in order.
        recv: ``handle, (observations, ...) = recv(handle)`` with ``batch_size`` rows; ``infos["env_id"]`` says whose.
    """

    handle: jax.Array
    reset: Callable[..., tuple[jax.Array, tuple[Any, dict[str, Any]]]]
    step: Callable[..., tuple[jax.Array, StepRows]]
    send: Callable[..., jax.Array]
    recv: Callable[..., tuple[jax.Array, StepRows]]


@dataclass(frozen=True, eq=False)
class XlaPort:
    """A vector's functions. They are the same ones each time, so that what is compiled of them is compiled once."""

    rows: Rows
    num_envs: int
    batch_size: int

    def functions(self, core: _core.VectorCore) -> XlaFunctions:
        """The functions with the newest handle."""
        handle = jnp.array(core.xla_handle(), np.uint32)
        return XlaFunctions(handle, self.reset, self.step, self.send, self.recv)

    def reset(self, handle: Any, seed: Any = None, mask: Any = None) -> tuple[jax.Array, tuple[Any, dict[str, Any]]]:
        """See :class:`XlaFunctions`: ``reset``."""
        n = self.num_envs
        words, seeded = self._seeds(seed)
        chosen = jnp.zeros(0, np.bool_) if mask is None else jnp.asarray(mask)
        if mask is not None and (chosen.shape != (n,) or chosen.dtype != np.bool_):
            raise TypeError(
                f"{self.rows.env_id}: mask: expected bool of shape ({n},), got {chosen.dtype} of shape {chosen.shape}"
            )
        if mask is not None and seed is not None:  # as options={"reset_mask": mask}: only those that are reset
            seeded = chosen if seeded.shape == (0,) else seeded & chosen
        results = [_HANDLE, *self.rows.results(n, with_final=False)]
        out, *arrays = self._call("fastvec_reset", results, [self._handle(handle), words, seeded, chosen])
        made = self.rows.assemble(arrays, with_final=False)
        return out, (made.observation, made.info)

    def step(self, handle: Any, actions: Any) -> tuple[jax.Array, StepRows]:
        """See :class:`XlaFunctions`: ``step``."""
        results = [_HANDLE, *self.rows.results(self.num_envs, with_final=True)]
        leaves = self.rows.actions(actions, self.num_envs)
        out, *arrays = self._call("fastvec_step", results, [self._handle(handle), *leaves])
        return out, self.rows.assemble(arrays, with_final=True)

    def send(self, handle: Any, actions: Any, env_ids: Any = None) -> jax.Array:
        """See :class:`XlaFunctions`: ``send``."""
        ids = jnp.arange(self.num_envs) if env_ids is None else jnp.asarray(env_ids)
        if ids.ndim != 1 or not jnp.issubdtype(ids.dtype, jnp.integer):
            raise TypeError(
                f"{self.rows.env_id}: env_ids: expected integers (k,), got {ids.dtype} of shape {ids.shape}"
            )
        leaves = self.rows.actions(actions, len(ids))
        arguments = [self._handle(handle), ids.astype(canonical(np.int64)), *leaves]
        return self._call("fastvec_send", [_HANDLE], arguments)[0]

    def recv(self, handle: Any) -> tuple[jax.Array, StepRows]:
        """See :class:`XlaFunctions`: ``recv``."""
        ids = jax.ShapeDtypeStruct((self.batch_size,), canonical(np.int64))
        results = [_HANDLE, ids, *self.rows.results(self.batch_size, with_final=True)]
        out, envs, *arrays = self._call("fastvec_recv", results, [self._handle(handle)])
        made = self.rows.assemble(arrays, with_final=True)
        return out, made._replace(info={**made.info, "env_id": envs})

    def _call(self, name: str, results: list[jax.ShapeDtypeStruct], arguments: list[Any]) -> list[jax.Array]:
        require_cpu(self.rows.env_id)
        # Without a vmap_method: one that calls it k times would step the same envs k times.
        return call(name, results, arguments, has_side_effect=True)

    def _handle(self, handle: Any) -> jax.Array:
        array = jnp.asarray(handle)
        if array.shape != _HANDLE.shape or array.dtype != _HANDLE.dtype:
            raise TypeError(
                f"{self.rows.env_id}: expected a handle of envs.xla(), uint32 of shape (2,), got {array.dtype} of "
                f"shape {array.shape}"
            )
        return array

    def _seeds(self, seed: Any) -> tuple[jax.Array, jax.Array]:
        n = self.num_envs
        if seed is None:
            return jnp.zeros((n, 0), np.uint32), jnp.zeros(0, np.bool_)
        if isinstance(seed, (list, tuple)) and None in seed:
            if len(seed) != n:
                raise ValueError(f"{self.rows.env_id}: expected {n} seeds, got {len(seed)}")
            seeded = jnp.array([one is not None for one in seed])
            return entropy([0 if one is None else one for one in seed], n), seeded
        return entropy(seed, n), jnp.zeros(0, np.bool_)
