"""A Gymnasium env into which native states are loaded, to be drawn or asked."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from fastvec.native.counterpart import GymnasiumCounterpart

__all__ = ["ReferenceEnv", "ReferenceEnvs", "check_render_mode"]


def check_render_mode(env_id: str, render_mode: str | None, known: Sequence[str]) -> None:
    """Raise ValueError unless ``render_mode`` is None or one of those that the env knows."""
    if render_mode is not None and render_mode not in known:
        raise ValueError(f"{env_id}: expected render_mode to be None or one of {known}, got {render_mode!r}")


class ReferenceEnv:
    """One env of Gymnasium's own class, made when it is first needed, shared by all envs of a vector.

    Args:
        counterpart: None for an env that Gymnasium does not have: :meth:`load` then raises.
        env_kwargs: Gymnasium's keyword arguments.
        max_episode_steps: None for the registered limit, 0 for none.
        render_mode: as in ``gymnasium.make``.
    """

    def __init__(
        self,
        counterpart: GymnasiumCounterpart | None,
        env_kwargs: dict[str, Any],
        max_episode_steps: int | None,
        render_mode: str | None,
    ) -> None:
        self._counterpart = counterpart
        self._env: gymnasium.Env | None = None
        self._arguments = {**env_kwargs, "max_episode_steps": -1 if max_episode_steps == 0 else max_episode_steps}
        if render_mode is not None:
            self._arguments["render_mode"] = render_mode

    @property
    def metadata(self) -> dict[str, Any]:
        """Gymnasium's metadata of the env, or of its class while none is made."""
        assert self._counterpart is not None
        if self._env is not None:
            return dict(self._env.unwrapped.metadata)
        creator: Any = gymnasium.envs.registration.load_env_creator(
            str(gymnasium.spec(self._counterpart.gymnasium_id).entry_point)
        )
        return dict(creator.metadata)

    def env(self) -> gymnasium.Env:
        """The env, in whatever state it is. Raises what ``gymnasium.make`` and ``reset`` raise."""
        if self._counterpart is None:
            raise AttributeError("this env has no counterpart in Gymnasium that could answer")
        if self._env is None:
            mode = self._arguments.get("render_mode")
            check_render_mode(self._counterpart.gymnasium_id, mode, self.metadata["render_modes"])
            with warnings.catch_warnings():
                # The user asked for this version.
                warnings.filterwarnings("ignore", message=".* is out of date")
                env = gymnasium.make(self._counterpart.gymnasium_id, disable_env_checker=True, **self._arguments)
            env.reset()
            self._env = env
        return self._env

    def load(
        self,
        state: bytes,
        elapsed_steps: int,
        generator: np.random.Generator,
        seed: int,
        attributes: dict[str, Any],
        *,
        time_limit: Any = None,
        fresh: bool = False,
    ) -> gymnasium.Env:
        """The env, holding this state, these attributes and this limit (None: the one that it was made with).

        ``fresh``: a new one, in which nothing else was set.
        """
        if fresh:
            self.close()
        env = self.env()
        assert self._counterpart is not None
        base: Any = env.unwrapped
        for name, value in attributes.items():
            setattr(base, name, value)
        self._counterpart.load_state(base, state)
        base._np_random, base._np_random_seed = generator, seed
        limit = self._time_limit()
        if limit is not None:
            limit._elapsed_steps = elapsed_steps
            if time_limit is not None:
                limit._max_episode_steps = time_limit
                limit._cached_spec = None  # which has the limit of the env that was here before
        return env

    def dump(self) -> tuple[bytes, int, np.random.Generator]:
        """``(state, elapsed steps, generator)`` of the env as it is now."""
        assert self._counterpart is not None
        assert self._env is not None
        base: Any = self._env.unwrapped
        limit = self._time_limit()
        return self._counterpart.dump_state(base), limit._elapsed_steps if limit else 0, base.np_random

    def _time_limit(self) -> Any:
        env: Any = self._env
        while isinstance(env, gymnasium.Wrapper):
            if isinstance(env, gymnasium.wrappers.TimeLimit):
                return env
            env = env.env
        return None

    def close(self) -> None:
        """Close the env, its window included. It is made again when needed."""
        if self._env is not None:
            self._env.close()
            self._env = None


class ReferenceEnvs:
    """The reference envs of a vector: one for all, or one for each (:attr:`GymnasiumCounterpart.one_env_each`).

    Args: as those of :class:`ReferenceEnv`.
    """

    def __init__(
        self,
        counterpart: GymnasiumCounterpart | None,
        env_kwargs: dict[str, Any],
        max_episode_steps: int | None,
        render_mode: str | None,
    ) -> None:
        self._arguments = (counterpart, env_kwargs, max_episode_steps, render_mode)
        self._one_each = counterpart is not None and counterpart.one_env_each
        self._references: dict[int, ReferenceEnv] = {}

    def of(self, env: int) -> ReferenceEnv:
        """That of env ``env``."""
        key = env if self._one_each else 0
        if key not in self._references:
            self._references[key] = ReferenceEnv(*self._arguments)
        return self._references[key]

    def close(self) -> None:
        """Close all of them."""
        for reference in self._references.values():
            reference.close()
