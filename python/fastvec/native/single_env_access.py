"""What is asked of single native envs: their generators, attributes and pictures."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from fastvec import _core
from fastvec.native.counterpart import GymnasiumCounterpart
from fastvec.native.env_parameters import Parameters
from fastvec.native.env_type import NativeEnvType
from fastvec.native.reference_env import ReferenceEnvs
from fastvec.native.resources import Resources
from fastvec.native.time_limits import TimeLimits
from fastvec.native.window import Window
from fastvec.vector.arguments import values_per_env
from fastvec.vector.vector_env import VectorEnv

__all__ = ["SingleEnvAccess"]

_USUAL_FPS = 30


class SingleEnvAccess(VectorEnv):
    """Answers for single envs of a native vector, which sets the attributes below when it is made.

    Where Gymnasium has the env, its own class answers, with the native env's state loaded into it.
    """

    _native: NativeEnvType  # what the envs are called
    _type: NativeEnvType  # what steps them
    _core: _core.VectorCore
    _counterpart: GymnasiumCounterpart | None
    _references: ReferenceEnvs
    _resources: Resources
    _parameters: Parameters
    _time_limits: TimeLimits
    _window: Window | None
    _seeds: list[int] | np.ndarray  # ints, or words of shape (num_envs, k)

    # -- generators ---------------------------------------------------------------------------------------

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

    def _remember_seeds(self, words: np.ndarray | None, seeded: np.ndarray | None) -> None:
        if words is None:
            return
        if seeded is None:
            self._seeds = words
        else:
            new = _seeds_of(words)
            self._seeds = [new[i] if seeded[i] else old for i, old in enumerate(self.np_random_seed)]

    def _forget_seeds(self, envs: Any) -> None:
        known = list(self.np_random_seed)
        for env in envs:
            known[env] = -1
        self._seeds = known

    # -- attributes ---------------------------------------------------------------------------------------

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
            reference = self._load_reference(env)
            value = reference.get_wrapper_attr(name)
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

    # -- pictures -----------------------------------------------------------------------------------------

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
        return {"render_modes": ["human", "rgb_array"], "render_fps": self._core.spec.render_fps or _USUAL_FPS}

    def _draw(self, env: int) -> Any:
        reference = self._load_reference(env)
        self._resources.before_draw(reference, env)
        frame = reference.render()
        self._store_reference(env)  # a renderer may turn things: Taxi's keeps the way it last drove
        return frame

    def _render_human(self) -> None:
        if self.render_mode == "human":
            self.render()


def _seeds_of(words: np.ndarray) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in words]
