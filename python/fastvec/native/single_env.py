"""One native env behind ``gymnasium.Env``."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import create_empty_array

from fastvec.native import backend, registry
from fastvec.native.spaces import unbatched
from fastvec.vector.options import VectorOptions
from fastvec.vector.spec import read_spec

__all__ = ["SingleEnv"]

_FIRST = np.zeros(1, dtype=np.int64)


class SingleEnv(gymnasium.Env):
    """A native env as ``gymnasium.make("fastvec/<id>")`` gives it: a vector of one without autoreset.

    A time limit that is registered with the id is Gymnasium's wrapper's; where there is none, one that the env's own
    spec says (it may depend on the arguments) is kept here. Same numbers as the env of that id in Gymnasium; for
    speed use :func:`fastvec.make_vec`.
    """

    def __init__(self, native_id: str, *, render_mode: str | None = None, **kwargs: Any) -> None:
        native = registry.find(native_id)
        if native is None:
            raise registry.unknown_env(native_id)
        why = native.why_not()
        if why is not None:
            raise gymnasium.error.DependencyNotInstalled(f"{native.id}: {why}")
        limits = native.core.limits
        options = VectorOptions(
            num_envs=1,
            num_threads=1,
            autoreset_mode=AutoresetMode.DISABLED,
            max_episode_steps=None if limits is not None and limits[0] is None else -1,
            render_mode=render_mode,
        )
        self._envs: Any = backend.make(native, options, kwargs, cores=1)
        self._envs._home.follow_forks()  # one thread, the caller's: like any env of Gymnasium, a copy of it works
        self.observation_space = self._envs.single_observation_space
        self.action_space = self._envs.single_action_space
        self.metadata = {key: value for key, value in self._envs.metadata.items() if key != "autoreset_mode"}
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start a new episode."""
        super().reset(seed=seed)
        observations, infos = self._envs.reset(seed=None if seed is None else [seed], options=options)
        return self._first(observations), _single_info(infos)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step with one action of ``action_space``."""
        empty: Any = create_empty_array(self.action_space, n=1)
        batch = gymnasium.vector.utils.concatenate(self.action_space, [action], empty)
        observations, rewards, terminated, truncated, infos = self._envs.step(batch)
        return (
            self._first(observations),
            float(rewards[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            _single_info(infos),
        )

    @property
    def np_random(self) -> np.random.Generator:
        """A copy of the env's generator: drawing from it does not change the env."""
        return self._envs.np_random[0]

    @np_random.setter
    def np_random(self, generator: np.random.Generator) -> None:
        self._envs.set_attr("np_random", [generator])

    @property
    def np_random_seed(self) -> int:
        """The seed of the env's generator; -1 where it was set in another way."""
        return self._envs.np_random_seed[0]

    def __getattr__(self, name: str) -> Any:
        """Attributes of Gymnasium's class (``state``, ``gravity``...), as :meth:`VectorEnv.get_attr` has them."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self._envs.get_attr(name)[0]

    def __setattr__(self, name: str, value: Any) -> None:
        is_ours = name.startswith("_") or "render_mode" not in self.__dict__ or name in self.__dict__
        if is_ours or hasattr(type(self), name):
            super().__setattr__(name, value)
        else:
            self._envs.set_attr(name, [value])

    def __getstate__(self) -> dict[str, Any]:
        """For ``copy`` and ``pickle``: the env by its spec and its state."""
        return {**self.__dict__, "_envs": (self._envs.spec, self._envs.get_state())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        spec, bytes_of_env = state["_envs"]
        recorded = read_spec(spec)
        native = registry.get(str(recorded.source))
        self._envs = backend.make(native, VectorOptions(**recorded.options), recorded.env_kwargs, cores=1)
        self._envs.set_state(bytes_of_env)

    def render(self) -> Any:
        """The frame of this env."""
        frames = self._envs.render()
        return frames[0] if frames else None

    def close(self) -> None:
        """Free the env."""
        self._envs.close()

    def _first(self, observations: Any) -> Any:
        return unbatched(self.observation_space, observations, _FIRST)[0]


def _single_info(infos: dict[str, Any]) -> dict[str, Any]:
    return {key: value[0] for key, value in infos.items() if f"_{key}" in infos}
