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
from fastvec.native.spaces import build_space
from fastvec.native.time_limits import TimeLimits
from fastvec.native.window import Window
from fastvec.vector import state_format
from fastvec.vector.arguments import as_env_ids, checked_batch_size, split_reset_mask, values_per_env
from fastvec.vector.pending import Wait
from fastvec.vector.seeding import random_words, seed_list, seed_words
from fastvec.vector.vector_env import StepReturn, VectorEnv

if TYPE_CHECKING:
    from fastvec.native.xla.port import XlaFunctions, XlaPort

__all__ = ["NativeVectorEnv"]

_USUAL_FPS = 30
_MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]


class NativeVectorEnv(VectorEnv, gymnasium.vector.VectorEnv):  # named again: skrl looks at direct bases alone
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
        self.single_observation_space = build_space(self._core.observation_space)
        self.single_action_space = build_space(self._core.action_space)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

        self._parameters = Parameters(native.core, self._core, self._counterpart)
        self._time_limits = TimeLimits(self._core)
        metadata = self._references.of(0).metadata if self._counterpart else self._own_metadata()
        check_render_mode(self._native.id, render_mode, metadata["render_modes"])
        self.metadata = {**metadata, "autoreset_mode": autoreset_mode}
        self.render_mode = render_mode
        self._window: Window | None = None
        self._xla_port: XlaPort | None = None  # made when it is first asked for

        words = random_words(num_envs)
        self._core.seed(words, None)
        self._seeds: list[int] | np.ndarray = words  # ints, or words of shape (num_envs, k)

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
        result = self._core.recv(None if timeout is None else float(timeout), count)
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

    # -- attributes of the envs -----------------------------------------------------------------------------

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """A copy of each env's generator: drawing from it does not change the env."""
        self._require_ready("np_random")
        return tuple(self._generator(i) for i in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each env's generator; -1 where it was set in another way."""
        return tuple(self._seeds if isinstance(self._seeds, list) else _seeds_of(self._seeds))

    def _generator(self, env: int) -> np.random.Generator:
        state_high, state_low, increment_high, increment_low, has_uint32, uint32 = self._core.rng_state(env)
        bits = np.random.PCG64()
        bits.state = {
            "bit_generator": "PCG64",
            "state": {"state": state_high << 64 | state_low, "inc": increment_high << 64 | increment_low},
            "has_uint32": has_uint32,
            "uinteger": uint32,
        }
        return np.random.Generator(bits)

    def _set_generator(self, env: int, generator: np.random.Generator) -> None:
        state = generator.bit_generator.state
        if state["bit_generator"] != "PCG64":
            raise ValueError(f"expected a Generator on PCG64, got one on {state['bit_generator']}")
        number, increment = state["state"]["state"], state["state"]["inc"]
        low = (1 << 64) - 1
        self._core.set_rng_state(
            env, number >> 64, number & low, increment >> 64, increment & low, state["has_uint32"], state["uinteger"]
        )

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method (or read an attribute) of every env, as SyncVectorEnv does.

        It is Gymnasium's own class that answers, with the native env's state loaded into it; what the method
        changes is carried back. Convenient, and as slow as Python.

        Raises:
            AttributeError: there is no such name, or the env has no counterpart in Gymnasium.
        """
        self._require_ready("call")
        if name == "render":
            return tuple(self.render() or ())
        if name == "np_random_seed":
            return self.np_random_seed
        if name == "np_random":
            return self.np_random
        if name == TimeLimits.NAME and self._time_limits.exist:
            return tuple(self._time_limits.get())
        if self._parameters.is_set(name) or (name in self._parameters and self._counterpart is None):
            values = self._parameters.get(name)
            return tuple(value(*args, **kwargs) if callable(value) else value for value in values)
        results: list[Any] = []
        for env in range(self.num_envs):
            own = self._resources.attribute(name, env)
            if own is not NotImplemented:
                results.append(own)
                continue
            mirrored = self._load_reference(env)
            value = mirrored.get_wrapper_attr(name)
            if callable(value):
                value = value(*args, **kwargs)
                self._store_reference(env)
            results.append(value)
        return tuple(results)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """The attribute ``name`` of every env; see :meth:`call`."""
        return self.call(name)

    def set_attr(self, name: str, values: list[Any] | tuple[Any, ...] | Any) -> None:
        """Set an attribute of the envs: state (``state``, ``np_random``...), or a parameter such as ``gravity``.

        Parameters are the physical constants of Gymnasium's class, and what the C++ author of another env declared
        (:attr:`parameters`); they are taken as Python floats and are part of :meth:`get_state`. Neighbouring envs
        with the same parameters are stepped together, so many different ones cost some speed.
        ``_max_episode_steps`` is the time limit, as it is that of Gymnasium's ``TimeLimit``, and part of
        :meth:`get_state` too.
        A name that the env does not have is kept for :meth:`get_attr` and has no effect, as in Gymnasium.

        Args:
            values: a list or tuple with one value per env, or one value for all.

        Raises:
            ValueError: a list of the wrong length, or a value that the parameter cannot take.
            AttributeError: the env has the attribute, but its native counterpart could not follow.
        """
        self._require_ready("set_attr")
        values = values_per_env(values, self.num_envs)
        if name == TimeLimits.NAME and self._time_limits.exist:
            self._time_limits.set(values)
            return
        if name in self._parameters or not self._has_attribute(name):
            self._parameters.set(name, values)
            return
        for env, value in enumerate(values):
            if name == "np_random":
                self._set_generator(env, value)
                self._forget_seeds([env])
                continue
            before = self._core.save_env(env)
            self._load_reference(env).set_wrapper_attr(name, value)
            self._store_reference(env)
            kept = self._load_reference(env, fresh=True).get_wrapper_attr(name)
            if not np.array_equal(np.asarray(kept), np.asarray(value)):
                self._core.load_env(env, before)
                raise AttributeError(
                    f"{self._native.id}: {name!r} is not part of the native env's state and cannot be set"
                )

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the numbers that :meth:`set_attr` sets for each env."""
        return tuple(name for name, _ in self._type.core.parameters)

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
        return self._core.action_space

    @property
    def max_episode_steps(self) -> int | None:
        """Steps after which an episode is truncated; None for no limit."""
        self._require_open()
        return self._core.max_episode_steps or None

    @property
    def info_fields(self) -> tuple[tuple[str, np.dtype[Any], tuple[int, ...]], ...]:
        """``(key, dtype, shape of a row)`` of what infos may hold; a key may come with several dtypes."""
        self._require_open()
        return tuple(self._core.info_fields)

    def _has_attribute(self, name: str) -> bool:
        if name in ("np_random", "np_random_seed"):
            return True
        if self._counterpart is None or self._parameters.is_set(name):
            return False
        try:
            self._load_reference(0).get_wrapper_attr(name)
        except AttributeError:
            return False
        return True

    def _load_reference(self, env: int, *, fresh: bool = False) -> gymnasium.Env:
        return self._references.of(env).load(
            self._core.save_env(env),
            self._core.elapsed_steps(env),
            self._generator(env),
            self.np_random_seed[env],
            self._parameters.of_env(env),
            time_limit=self._time_limits.get()[env] if self._time_limits.exist else None,
            fresh=fresh,
        )

    def _store_reference(self, env: int) -> None:
        state, elapsed, generator = self._references.of(env).dump()
        if state != self._core.save_env(env):  # it can cost a lot
            self._core.load_env(env, state)
        self._core.set_elapsed_steps(env, elapsed)
        self._set_generator(env, generator)

    # -- pictures -------------------------------------------------------------------------------------------

    def render(self) -> tuple[Any, ...] | None:
        """One frame per env, drawn by Gymnasium's own renderer (or the env's, where Gymnasium has none)."""
        self._require_ready("render")
        if self._core.can_render:
            pictures = tuple(self._core.render(env) for env in range(self.num_envs))
            if self.render_mode != "human":
                return pictures
            if self._window is None:
                self._window = Window(self._native.id, self.metadata["render_fps"])
            self._window.show(pictures)
            return (None,) * self.num_envs
        return tuple(self._draw(env) for env in range(self.num_envs))

    def _own_metadata(self) -> dict[str, Any]:
        """The metadata of an env that Gymnasium does not have."""
        if not self._core.can_render:
            return {"render_modes": []}
        return {"render_modes": ["human", "rgb_array"], "render_fps": self._core.render_fps or _USUAL_FPS}

    def _draw(self, env: int) -> Any:
        mirrored = self._load_reference(env)
        self._resources.before_draw(mirrored, env)
        frame = mirrored.render()
        self._store_reference(env)  # a renderer may turn things: Taxi's keeps the way it last drove
        return frame

    def _render_human(self) -> None:
        if self.render_mode == "human":
            self.render()

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

    def _remember_seeds(self, words: np.ndarray | None, seeded: np.ndarray | None) -> None:
        if words is None:
            return
        if seeded is None:
            self._seeds = words
        else:
            new = _seeds_of(words)
            self._seeds = [new[i] if seeded[i] else old for i, old in enumerate(self.np_random_seed)]

    def _option_values(self, options: dict[str, Any]) -> list[tuple[int, float]]:
        values = []
        for index, name in enumerate(self._option_names):
            if name in options:
                try:
                    values.append((index, float(options[name])))
                except (TypeError, ValueError) as error:
                    raise ValueError(f"An option ({options[name]}) could not be converted to a float.") from error
        return values

    def _forget_seeds(self, envs: Any) -> None:
        known = list(self.np_random_seed)
        for env in envs:
            known[env] = -1
        self._seeds = known


def _seeds_of(words: np.ndarray) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in words]
