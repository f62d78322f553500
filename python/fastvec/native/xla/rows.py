"""The arrays of a batch of native envs, as JAX sees them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from fastvec import _core
from fastvec.errors import ActionTypeError, InvalidActionError
from fastvec.native.xla.targets import canonical

__all__ = ["Rows", "StepRows"]

_INFO_OF_FINAL = ("final_obs", "final_info")


class StepRows(NamedTuple):
    """What Gymnasium's ``step`` returns.

    Attributes:
        observation: an array of shape ``(num_envs, ...)`` for each leaf of the observation space.
        reward: ``(num_envs,)``, float64 with ``jax_enable_x64`` and float32 without.
        terminated: bool ``(num_envs,)``.
        truncated: bool ``(num_envs,)``, by the time limit too.
        info: for each ``key`` an array and a bool mask ``_key`` of the envs that have it; where they have not, zeros.
            With SameStep also ``final_obs`` and ``final_info`` of the episodes that ended in this step.
    """

    observation: Any
    reward: jax.Array
    terminated: jax.Array
    truncated: jax.Array
    info: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Rows:
    """What the arrays of a batch look like.

    Attributes:
        env_id: for messages.
        observation_space, action_space: as ``fastvec._core`` describes them.
        info_fields: ``(key, dtype, shape of a row)``; a key may come with several dtypes.
        is_same_step: whether episodes end with a final observation.
        accepts_float64: float32 actions may also come as float64.
    """

    env_id: str
    observation_space: tuple[Any, ...]
    action_space: tuple[Any, ...]
    info_fields: tuple[tuple[str, np.dtype[Any], tuple[int, ...]], ...]
    is_same_step: bool
    accepts_float64: bool

    @classmethod
    def of(cls, core: _core.VectorCore | _core.PureEnv, env_id: str, *, is_same_step: bool) -> Rows:
        """The arrays of the batches of ``core``."""
        spec = core.spec
        return cls(
            env_id=env_id,
            observation_space=spec.observation_space,
            action_space=spec.action_space,
            info_fields=tuple((name, np.dtype(dtype), tuple(shape)) for name, dtype, shape in spec.info_fields),
            is_same_step=is_same_step,
            accepts_float64=spec.accepts_float64_actions,
        )

    def results(self, num_envs: int, *, with_final: bool) -> list[jax.ShapeDtypeStruct]:
        """Shapes and dtypes of the arrays of ``num_envs`` rows, in the order in which handlers write them."""

        def array(dtype: Any, shape: tuple[int, ...] = ()) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((num_envs, *shape), canonical(dtype))

        observations = [array(dtype, shape) for dtype, shape in _leaves(self.observation_space)]
        infos = []
        for _, dtype, shape in self.info_fields:
            infos += [array(dtype, shape), array(np.bool_)]
        results = [*observations, array(np.float64), array(np.bool_), array(np.bool_), *infos]
        if with_final and self.is_same_step:
            results += [array(np.bool_), *observations, *infos]
        return results

    def assemble(self, arrays: list[jax.Array], *, with_final: bool) -> StepRows:
        """The arrays that a handler wrote, as Gymnasium has them."""
        rest = iter(arrays)
        observation = _assemble(self.observation_space, lambda: next(rest))
        reward, terminated, truncated = next(rest), next(rest), next(rest)
        info = self._info(rest)
        if with_final and self.is_same_step:
            mask = next(rest)
            info["final_obs"] = _assemble(self.observation_space, lambda: next(rest))
            info["final_info"] = self._info(rest)
            info.update({f"_{key}": mask for key in _INFO_OF_FINAL})
        return StepRows(observation, reward, terminated, truncated, info)

    def _info(self, arrays: Iterator[jax.Array]) -> dict[str, Any]:
        info: dict[str, Any] = {}
        for name, _, shape in self.info_fields:
            values, mask = next(arrays), next(arrays)
            if name in info:  # a key of several dtypes: one array that has room for all
                here = mask.reshape(mask.shape + (1,) * len(shape))
                dtype = jnp.promote_types(info[name].dtype, values.dtype)
                info[name] = jnp.where(here, values.astype(dtype), info[name].astype(dtype))
                info[f"_{name}"] |= mask
                continue
            info[name], info[f"_{name}"] = values, mask
        return info

    def actions(self, actions: Any, num_envs: int) -> list[jax.Array]:
        """The leaves of a batch of actions, with the dtypes that handlers take.

        Raises:
            fastvec.errors.InvalidActionError: the wrong shape or structure.
            fastvec.errors.ActionTypeError: a dtype that does not fit.
        """
        given = [
            (jnp.asarray(value), dtype, shape, where)
            for value, dtype, shape, where in _flatten(self.action_space, actions, "actions")
        ]
        wide = [array.dtype == np.float64 and dtype == np.float32 for array, dtype, *_ in given]
        keep_float64 = self.accepts_float64 and all(wide)
        arrays = []
        for array, dtype, shape, where in given:
            expected = f"{self.env_id}: {where}: expected {np.dtype(dtype)} of shape {(num_envs, *shape)}"
            if not _fits(array.dtype, np.dtype(dtype)):
                raise ActionTypeError(f"{expected}, got dtype {array.dtype}")
            if array.shape != (num_envs, *shape):
                raise InvalidActionError(f"{expected}, got shape {array.shape}")
            arrays.append(_constant(array if keep_float64 else array.astype(canonical(dtype)), self.env_id))
        return arrays


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _constant(actions: jax.Array, env_id: str) -> jax.Array:
    """The actions themselves; to differentiate with respect to them is an error that names the env."""
    return actions


@_constant.defjvp
def _refuse_gradient(env_id: str, primals: Any, tangents: Any) -> NoReturn:
    raise TypeError(
        f"{env_id} cannot be differentiated: expected actions that no gradient is wanted of; "
        "jax.lax.stop_gradient(actions) makes them so"
    )


def _fits(given: Any, dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return bool(jnp.issubdtype(given, jnp.floating))
    if dtype.kind == "b" or dtype == np.int8:  # MultiBinary, and Boxes of bool
        return bool(jnp.issubdtype(given, jnp.integer) or given == np.bool_)
    return bool(jnp.issubdtype(given, jnp.integer))


def _leaf(space: tuple[Any, ...]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    kind, *rest = space
    if kind == "box":
        return rest[0].dtype, rest[0].shape
    if kind == "discrete":
        return np.dtype(np.int64), ()
    if kind == "multi_discrete":
        return np.dtype(np.int64), rest[0].shape
    return np.dtype(np.int8), (rest[0],)


def _leaves(space: tuple[Any, ...]) -> Iterator[tuple[np.dtype[Any], tuple[int, ...]]]:
    if space[0] == "tuple":
        for child in space[1]:
            yield from _leaves(child)
    elif space[0] == "dict":
        for _, child in space[1]:
            yield from _leaves(child)
    else:
        yield _leaf(space)


def _assemble(space: tuple[Any, ...], leaf: Callable[[], jax.Array]) -> Any:
    if space[0] == "tuple":
        return tuple(_assemble(child, leaf) for child in space[1])
    if space[0] == "dict":
        return {key: _assemble(child, leaf) for key, child in space[1]}
    return leaf()


def _flatten(
    space: tuple[Any, ...], value: Any, where: str
) -> Iterator[tuple[Any, np.dtype[Any], tuple[int, ...], str]]:
    if space[0] == "tuple":
        if not isinstance(value, (tuple, list)) or len(value) != len(space[1]):
            raise InvalidActionError(f"{where}: expected a tuple of {len(space[1])} arrays, got {value!r}")
        for at, (child, part) in enumerate(zip(space[1], value, strict=True)):
            yield from _flatten(child, part, f"{where}[{at}]")
    elif space[0] == "dict":
        keys = [key for key, _ in space[1]]
        if not isinstance(value, dict) or set(value) != set(keys):
            raise InvalidActionError(f"{where}: expected a dict with the keys {keys}, got {value!r}")
        for key, child in space[1]:
            yield from _flatten(child, value[key], f"{where}[{key!r}]")
    else:
        yield (value, *_leaf(space), where)
