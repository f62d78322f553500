"""The native backend: a vector of C++ envs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from fastvec import _core
from fastvec.errors import EnvError
from fastvec.native import registry
from fastvec.native.env_parameters import Parameters
from fastvec.native.env_type import NativeEnvType
from fastvec.native.kwargs import ordered_kwargs
from fastvec.native.reference_env import ReferenceEnvs, check_render_mode
from fastvec.native.resources import Request
from fastvec.native.single_env_access import SingleEnvAccess
from fastvec.native.spaces import build_space
from fastvec.native.time_limits import TimeLimits
from fastvec.vector import state_format
from fastvec.vector.arguments import as_env_ids, checked_batch_size, checked_timeout, split_reset_mask
from fastvec.vector.pending import Wait
from fastvec.vector.seeding import random_words, seed_list, seed_words
from fastvec.vector.vector_env import StepReturn

if TYPE_CHECKING:
    from fastvec.native.xla.port import XlaFunctions, XlaPort

__all__ = ["NativeVectorEnv"]

_MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]


class NativeVectorEnv(SingleEnvAccess, gymnasium.vector.VectorEnv):  # named again: skrl looks at direct bases alone
    """``num_envs`` native envs, stepped together by a C++ thread pool.

    Attributes:
        num_threads: upper limit of threads that step; the caller is one of them.
    """

    def __init__(
        self,
        native: NativeEnvType,
        num_envs: int,
        *,
        num_threads: int,
        autoreset_mode: AutoresetMode,
        copy: bool,
        batch_size: int,
        pin_threads: bool,
        max_episode_steps: int | None,
        render_mode: str | None,
        env_kwargs: dict[str, Any],
    ) -> None:
        self._native = native
        self._counterpart = native.counterpart
        native_kwargs = self._counterpart.prepare_kwargs(env_kwargs) if self._counterpart else env_kwargs
        self._references = ReferenceEnvs(self._counterpart, env_kwargs, max_episode_steps, render_mode)
        self._resources = native.open_resources(
            Request(native.id, num_envs, env_kwargs, self._references.of(0).env if self._counterpart else None)
        )
        if self._counterpart is not None and self._counterpart.stepped_by is not None:
            native = registry.get(self._counterpart.stepped_by(env_kwargs))
        self._type = native  # steps the envs; `_native` is what they are called
        native_kwargs = {**native_kwargs, **self._resources.native_kwargs}
        self._kwargs = ordered_kwargs(native.id, native.kwargs, native_kwargs)
        self._option_names = native.option_names
        self._core = _core.VectorCore(
            native.core,
            self._kwargs,
            num_envs=num_envs,
            num_threads=num_threads,
            pin_threads=pin_threads,
            autoreset_mode=_MODES.index(autoreset_mode),
            max_episode_steps=-1 if max_episode_steps is None else max_episode_steps,
            copy=copy,
            batch_size=batch_size,
            action_kinds=self._counterpart.action_kinds if self._counterpart else "",
            home=self._home,
            keep_alive=self._resources,
        )
        self.num_envs = num_envs
        self.num_threads = num_threads
        self.batch_size = batch_size
        self.autoreset_mode = autoreset_mode
        declared = self._core.spec
        self.single_observation_space = build_space(declared.observation_space)
        self.single_action_space = build_space(declared.action_space)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

        self._parameters = Parameters(native.core, self._core, self._counterpart)
        self._time_limits = TimeLimits(self._core)
        metadata = self._references.of(0).metadata if self._counterpart else self._own_metadata()
        check_render_mode(self._native.id, render_mode, metadata["render_modes"])
        self.metadata = {**metadata, "autoreset_mode": autoreset_mode}
        self.render_mode = render_mode
        self._window = None
        self._xla_port: XlaPort | None = None  # made when it is first asked for

        words = random_words(num_envs)
        self._core.seed(words, None)
        self._seeds = words

    # -- stepping -------------------------------------------------------------------------------------------

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
        out: Any = None,
    ) -> tuple[Any, dict[str, Any]]:
        """See :meth:`fastvec.VectorEnv.reset`."""
        seeds, mask, values = self._reset_arguments(seed, options)
        try:
            result = self._core.reset(*seeds, mask, values, out)
        except EnvError:
            self._remember_seeds(*seeds)
            raise
        self._remember_seeds(*seeds)
        self._resources.after_batch()
        self._render_human()
        return result

    def step(self, actions: Any, *, out: Any = None) -> StepReturn:
        """See :meth:`fastvec.VectorEnv.step`."""
        result = self._core.step(actions, out)
        self._resources.after_batch()
        self._render_human()
        return result

    def _begin_reset(self, seed: Any, options: Any, out: Any) -> Wait:
        seeds, mask, values = self._reset_arguments(seed, options)
        self._core.start_reset(*seeds, mask, values, out)
        self._remember_seeds(*seeds)
        return self._finish_batch

    def _begin_step(self, actions: Any, out: Any) -> Wait:
        self._core.start_step(actions, out)
        return self._finish_batch

    def _finish_batch(self, timeout: float | None) -> Any:
        result = self._core.finish(timeout)
        self._resources.after_batch()
        self._render_human()
        return result

    def _begin_call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Wait:
        made = self._call_at_once(name, args, kwargs)
        self._core.hold("call")

        def wait(timeout: float | None) -> Any:
            self._core.hold("")
            return made(timeout)

        return wait

    # -- asynchronous use -----------------------------------------------------------------------------------

    def async_reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> None:
        """See :meth:`fastvec.VectorEnv.async_reset`."""
        seeds, mask, values = self._reset_arguments(seed, options)
        self._core.async_reset(*seeds, mask, values)
        self._remember_seeds(*seeds)

    def send(self, actions: Any, env_ids: Any) -> None:
        """See :meth:`fastvec.VectorEnv.send`."""
        self._core.send(actions, as_env_ids(env_ids))

    def recv(self, timeout: float | None = None, *, batch_size: int | None = None) -> StepReturn:
        """See :meth:`fastvec.VectorEnv.recv`."""
        count = checked_batch_size(batch_size, self)
        result = self._core.recv(checked_timeout(timeout), count)
        self._resources.after_batch()
        return result

    @property
    def num_in_flight(self) -> int:
        """See :attr:`fastvec.VectorEnv.num_in_flight`."""
        return self._core.in_flight

    # -- JAX ------------------------------------------------------------------------------------------------

    def xla(self) -> XlaFunctions:
        """See :meth:`fastvec.VectorEnv.xla`."""
        self._require_ready("xla")
        try:
            from fastvec.native.xla.port import XlaPort
            from fastvec.native.xla.rows import Rows
        except ModuleNotFoundError as error:
            if error.name != "jax":
                raise
            raise gymnasium.error.DependencyNotInstalled(
                'envs.xla() needs a package that is not installed; run `pip install "fastvec[jax]"`'
            ) from error
        if self._xla_port is None:
            rows = Rows.of(self._core, self._native.id, is_same_step=self.autoreset_mode is AutoresetMode.SAME_STEP)
            self._xla_port = XlaPort(rows, self.num_envs, self.batch_size)
        return self._xla_port.functions(self._core)

    # -- snapshots ------------------------------------------------------------------------------------------

    def get_state(self, env_ids: Any = None) -> bytes:
        """See :meth:`fastvec.VectorEnv.get_state`."""
        ids = np.arange(self.num_envs) if env_ids is None else as_env_ids(env_ids)
        return state_format.pack(self._core.save_state(ids), self._fingerprint(), len(ids))

    def set_state(self, state: bytes, env_ids: Any = None) -> None:
        """See :meth:`fastvec.VectorEnv.set_state`."""
        ids = np.arange(self.num_envs) if env_ids is None else as_env_ids(env_ids)
        payload, written_format = state_format.unpack(state, self._fingerprint(), len(ids))
        self._core.load_state(ids, payload, written_format)
        self._parameters.forget()
        self._time_limits.forget()
        self._forget_seeds(ids)

    def _fingerprint(self) -> dict[str, Any]:
        named = zip(self._native.kwargs, self._kwargs, strict=True)
        kwargs = [value for (name, *_), value in named if not name.startswith("_")]
        return {"env_id": self._native.id, "kwargs": kwargs, **self._resources.fingerprint}

    # What fastvec.testing needs to call the C table itself.

    @property
    def native_type(self) -> _core.EnvType:
        """The env type's C table."""
        return self._type.core

    @property
    def native_kwargs(self) -> list[Any]:
        """A value for each keyword argument that the C table declares. Resources among them live as long as this."""
        return list(self._kwargs)

    @property
    def native_action_space(self) -> tuple[Any, ...]:
        """The action space as the C table has it, in its order."""
        return self._core.spec.action_space

    @property
    def max_episode_steps(self) -> int | None:
        """Steps after which an episode is truncated; None for no limit."""
        self._require_open()
        return self._core.max_episode_steps or None

    @property
    def info_fields(self) -> tuple[tuple[str, np.dtype[Any], tuple[int, ...]], ...]:
        """``(key, dtype, shape of a row)`` of what infos may hold; a key may come with several dtypes."""
        self._require_open()
        return tuple(self._core.spec.info_fields)

    # -- the rest -------------------------------------------------------------------------------------------

    @property
    def bytes_per_env(self) -> int:
        """Bytes that one env's state takes in the engine, without the batch's arrays."""
        self._require_ready("bytes_per_env")
        return self._core.bytes_per_env

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads and free the envs; arrays that were returned stay valid."""
        if hasattr(self, "_core"):
            self._core.close()
        if hasattr(self, "_resources"):
            self._resources.close()
        if hasattr(self, "_references"):
            self._references.close()
        window = getattr(self, "_window", None)
        if window is not None:
            window.close()

    def _reset_arguments(
        self, seed: int | Sequence[int | None] | None, options: dict[str, Any] | None
    ) -> tuple[tuple[np.ndarray | None, np.ndarray | None], np.ndarray | None, list[tuple[int, float]] | None]:
        """``(seed words, seed mask), reset mask, options`` as the native core takes them."""
        seeds = seed_list(seed, self.num_envs)
        mask, rest = split_reset_mask(options, self.num_envs)
        values = None if rest is None else self._option_values(rest)
        if seeds is None:
            return (None, None), mask, values
        words, seeded = seed_words(seeds)
        if mask is not None:
            seeded = mask if seeded is None else seeded & mask
        return (words, seeded), mask, values

    def _option_values(self, options: dict[str, Any]) -> list[tuple[int, float]]:
        values = []
        for index, name in enumerate(self._option_names):
            if name in options:
                try:
                    values.append((index, float(options[name])))
                except (TypeError, ValueError) as error:
                    raise ValueError(f"An option ({options[name]}) could not be converted to a float.") from error
        return values
