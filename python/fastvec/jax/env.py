"""``PureEnv``: a batch of native envs as functions of its state."""

from __future__ import annotations

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from fastvec.jax.state import State
from fastvec.native.spaces import build_space
from fastvec.native.xla.rows import Rows, StepRows
from fastvec.native.xla.seeds import entropy
from fastvec.native.xla.targets import call, require_cpu

__all__ = ["PureEnv", "TimeStep"]

TimeStep = StepRows

_ALIASES = {0: 0, 1: 1, 2: 2, 3: 3}  # the state's arrays are changed in place where XLA may


class PureEnv:
    """``num_envs`` envs, whose state is an argument and a result. Made by :func:`fastvec.jax.make`.

    It holds nothing that changes: states may be kept, gone back to and stepped in any order, by several threads, under
    ``jit``, ``scan``, ``cond`` and ``vmap``. Same seeds, same bytes as :func:`fastvec.make_vec`. An env's error, or an
    action outside its space, ends the computation with a ``jax.errors.JaxRuntimeError`` that names the env. It is not
    differentiable.

    Attributes:
        id: the env's id.
        num_envs: number of envs.
        autoreset_mode: a ``gymnasium.vector.AutoresetMode``.
        max_episode_steps: the time limit; None for none.
        single_observation_space, single_action_space, observation_space, action_space: Gymnasium's spaces.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        num_envs: int,
        key: int,
        kind: str,
        state_size: int,
        autoreset_mode: AutoresetMode,
        max_episode_steps: int | None,
    ) -> None:
        self.id = rows.env_id
        self.num_envs = num_envs
        self.autoreset_mode = autoreset_mode
        self.max_episode_steps = max_episode_steps
        self.single_observation_space: gymnasium.Space[Any] = build_space(rows.observation_space)
        self.single_action_space: gymnasium.Space[Any] = build_space(rows.action_space)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._rows = rows
        self._key = np.int64(key)
        self._kind = kind
        self._state = (
            jax.ShapeDtypeStruct((num_envs, state_size), np.uint8),
            jax.ShapeDtypeStruct((num_envs, 10), np.uint32),
            jax.ShapeDtypeStruct((num_envs,), np.int32),
            jax.ShapeDtypeStruct((num_envs,), np.bool_),
        )

    def __repr__(self) -> str:
        return f"<fastvec.jax env: {self.num_envs} x {self._kind}>"

    def reset(self, seed: Any) -> tuple[State, TimeStep]:
        """New envs, each at the start of its first episode.

        Args:
            seed: an int or an integer array of shape ``()``: env ``i`` gets ``seed + i``; one integer for each env; or
                a key of ``jax.random`` (a uint32 array of shape ``(2,)`` is one), with which each env gets 128 random
                bits.

        Returns:
            the state, and a time step as :meth:`step`'s, with rewards of 0 and flags of False.

        Raises:
            TypeError, ValueError: something else as a seed.
        """
        return self._call("fastvec_pure_reset", [entropy(seed, self.num_envs)])

    def reset_where(self, state: State, mask: Any) -> tuple[State, TimeStep]:
        """New episodes for the envs where ``mask`` is True; the others keep their state, and show it again.

        With ``autoreset_mode="Disabled"`` it is what follows an episode's end.

        Args:
            state: as it was returned.
            mask: bool ``(num_envs,)``.

        Raises:
            TypeError: a state of another env, or a mask of another shape or dtype.
        """
        chosen = jnp.asarray(mask)
        if chosen.shape != (self.num_envs,) or chosen.dtype != np.bool_:
            raise TypeError(
                f"{self.id}: mask: expected bool of shape ({self.num_envs},), got {chosen.dtype} {chosen.shape}"
            )
        return self._call("fastvec_pure_reset_where", [*self._arrays(state), chosen], _ALIASES)

    def step(self, state: State, actions: Any) -> tuple[State, TimeStep]:
        """Step every env once.

        Args:
            state: as it was returned. It stays as it is, and may be stepped again.
            actions: ``(num_envs, ...)`` for each leaf of the action space: integers of any width for Discrete, floats
                for Box. float64 actions (with ``jax_enable_x64``) are computed with as float64 where the env can.

        Returns:
            the next state and a :class:`TimeStep`: observation, reward, terminated, truncated and info, as
            ``make_vec(...).step`` returns them.

        Raises:
            fastvec.errors.InvalidActionError, fastvec.errors.ActionTypeError: actions of another shape or dtype.
            TypeError: a state of another env, or of another number of envs.
        """
        leaves = self._rows.actions(actions, self.num_envs)
        return self._call("fastvec_pure_step", [*self._arrays(state), *leaves], _ALIASES)

    def _call(self, name: str, arguments: list[Any], aliases: dict[int, int] | None = None) -> tuple[State, TimeStep]:
        require_cpu(self.id)
        results = [*self._state, *self._rows.results(self.num_envs, with_final=True)]
        # Envs are independent of one another, so a batch of batches is a larger batch.
        arrays = call(name, results, arguments, vmap_method="broadcast_all", aliases=aliases, env=self._key)
        envs, generator, elapsed, pending, *rest = arrays
        return State(envs, generator, elapsed, pending, self._kind), self._rows.assemble(rest, with_final=True)

    def _arrays(self, state: State) -> list[jax.Array]:
        if not isinstance(state, State):
            raise TypeError(f"{self.id}: expected a fastvec.jax.State, got {type(state).__name__}")
        if state.kind != self._kind:
            raise TypeError(f"expected a state of {self._kind}, got one of {state.kind}")
        arrays = [jnp.asarray(array) for array in (state.envs, state.generator, state.elapsed_steps, state.pending)]
        for array, expected in zip(arrays, self._state, strict=True):
            if array.shape != expected.shape or array.dtype != expected.dtype:
                raise TypeError(
                    f"{self.id}: expected a state of {self.num_envs} envs, with an array {expected.dtype}"
                    f"{list(expected.shape)}, got {array.dtype}{list(array.shape)}"
                )
        return arrays
