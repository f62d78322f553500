"""Making environments, and stepping them in a way that hides the three autoreset modes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from fastvec.train.config import PPOConfig
from fastvec.train.distributed import ALONE, World
from fastvec.train.env.encode import Array, ObservationEncoder, take_rows
from fastvec.train.env.masks import newest_mask
from fastvec.vector.autoreset import Autoreset, autoreset_mode_of
from fastvec.vector.cores import usable_cores
from fastvec.vector.options import VectorOptions


def make_envs(
    env_id: str, config: PPOConfig, *, num_envs: int | None = None, world: World = ALONE, **env_kwargs: Any
) -> VectorEnv:
    """The vector that ``config`` asks for: fastvec's, or Gymnasium's with ``backend="gymnasium"``.

    The ranks on one host share its cores, where ``config.num_threads`` does not say otherwise.
    """
    num_envs = config.num_envs if num_envs is None else num_envs
    if config.backend == "gymnasium":
        return gym.make_vec(
            env_id,
            num_envs=num_envs,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": AutoresetMode(config.autoreset_mode)},
            **env_kwargs,
        )
    import fastvec

    threads = config.num_threads
    if threads is None and world.local_size > 1:
        threads = max(1, usable_cores() // world.local_size)
    return fastvec.make_vec(
        env_id,
        num_envs=num_envs,
        num_threads=threads,
        autoreset_mode=config.autoreset_mode,
        backend=config.backend,
        **env_kwargs,
    )


def groups_of(envs: Any) -> list[VectorEnv]:
    """``envs``, a vector or a sequence of vectors, as a list of vectors that a trainer can step in turn.

    Raises:
        TypeError: it is neither. ValueError: there are none, or their spaces or autoreset modes differ.
    """
    groups = [envs] if isinstance(envs, VectorEnv) else list(envs) if isinstance(envs, Sequence) else []
    wrong = next((group for group in groups if not isinstance(group, VectorEnv)), None)
    if not isinstance(envs, VectorEnv | Sequence) or wrong is not None:
        raise TypeError(
            "expected the id of an environment or a gymnasium.vector.VectorEnv, got "
            f"{type(envs if wrong is None else wrong).__name__}; fastvec.make_vec makes a vector of callables"
        )
    if not groups:
        raise ValueError("expected at least one vector of environments, got none")
    first = groups[0]
    for group in groups[1:]:
        for name in ("single_observation_space", "single_action_space"):
            if getattr(group, name) != getattr(first, name):
                raise ValueError(f"the vectors differ in {name}: {getattr(first, name)} and {getattr(group, name)}")
        modes = [autoreset_mode_of(vector).value for vector in (first, group)]
        if modes[0] != modes[1]:
            raise ValueError(f"the vectors differ in their autoreset mode: {modes[0]} and {modes[1]}")
    return groups


OF_THE_VECTOR = frozenset(VectorOptions.names()) - {"max_episode_steps"} | {
    *("native_id", "vectorization_mode", "vector_kwargs", "env_wrappers"),
}
"""Keyword arguments in a vector's spec that say how it works, not what its environments are."""


def kwargs_of(envs: VectorEnv) -> dict[str, Any] | None:
    """The keyword arguments that make environments like those of ``envs`` from ``envs.spec.id``.

    Returns:
        None where none do: it has no spec, or wrappers that may change what is seen, done or earned.
    """
    inner = envs
    while isinstance(inner, VectorWrapper):
        if not isinstance(inner, RecordEpisodeStatistics):
            return None
        inner = inner.env
    spec = envs.spec
    if spec is None or spec.additional_wrappers or any(spec.kwargs.get(name) for name in ("wrappers", "env_wrappers")):
        return None
    if not isinstance(spec.kwargs.get("native_id", ""), str):  # no id of the registry
        return None
    kwargs = {name: value for name, value in spec.kwargs.items() if name not in OF_THE_VECTOR}
    registered = gym.registry.get(spec.id)
    if registered is None or spec.max_episode_steps != registered.max_episode_steps:
        kwargs.setdefault("max_episode_steps", spec.max_episode_steps)
    return kwargs


def id_of(envs: VectorEnv) -> str | None:
    """The id that makes environments like those of ``envs``, with the module that registers it where that is known."""
    if envs.spec is None:
        return None
    made_from = envs.spec.kwargs.get("native_id")
    return made_from if isinstance(made_from, str) and ":" in made_from else envs.spec.id


def modules_of(env_id: str | None) -> list[str]:
    """Modules of which one has probably registered this id: where its environment is defined, the package first."""
    spec = None if env_id is None else gym.registry.get(env_id.rpartition(":")[2])
    if spec is None or spec.entry_point is None:
        return []
    entry_point: Any = spec.entry_point
    if not isinstance(entry_point, str):
        entry_point = getattr(entry_point, "func", entry_point).__module__  # of a functools.partial
    module = entry_point.partition(":")[0]
    return [name for name in dict.fromkeys((module.partition(".")[0], module)) if name != "__main__"]


def import_until_registered(env_id: str, modules: Sequence[str]) -> None:
    """Import ``modules`` one by one until Gymnasium knows ``env_id``; what cannot be imported here is left out."""
    for name in modules:
        if env_id.rpartition(":")[2] in gym.registry:
            return
        with suppress(ImportError):
            importlib.import_module(name)


class BootstrapObservations(NamedTuple):
    """Encoded last observations of the episodes that were truncated in one step.

    Attributes:
        env_ids: int64 ``[K]``.
        observations: ``[K, *encoder.shape]``.
    """

    env_ids: Array
    observations: Array


class Stepper:
    """One vector environment, with observations encoded and autoreset modes made alike.

    After :meth:`reset` and every :meth:`step` the encoded observation that the next action is for is in the
    ``out`` that was passed. Where the mode replaces the last observation of an episode (SameStep, Disabled),
    ``step`` returns it. With NextStep it is the next observation itself, and the step after it is a reset
    row: its action was ignored.
    """

    def __init__(self, envs: VectorEnv) -> None:
        self.envs = envs
        self.num_envs = envs.num_envs
        self.autoreset = Autoreset(autoreset_mode_of(envs))
        self.has_reset_rows = self.autoreset.has_reset_rows
        self.encoder = ObservationEncoder(envs.single_observation_space)
        self.action_mask: Array | None = None
        self.writes_in_place = writes_in_place(envs, self.encoder)

    def reset(self, seed: int | None, out: Array) -> None:
        """Start all episodes anew; ``out`` takes the first observations."""
        observations, info = self.envs.reset(seed=seed)
        self.encoder.encode(observations, out)
        self.action_mask = None
        self._take_action_mask(info)

    def step(
        self, actions: Array, out: Array, rewards: Array, terminated: Array, truncated: Array
    ) -> BootstrapObservations | None:
        """Step all environments.

        Args:
            actions: ``[N, ...]``, as the environments take them.
            out: takes the encoded observations that the next actions are for, ``[N, *encoder.shape]``.
            rewards: takes them, float64 ``[N]``.
            terminated: takes them, bool ``[N]``.
            truncated: takes them, bool ``[N]``.

        Returns:
            The last observations of the episodes that were truncated, where ``out`` does not hold them.

        Raises:
            ValueError: a mask that allows no action, or the first one after a reset without.
        """
        written = self.writes_in_place
        if written:
            shaped = out.reshape(self.num_envs, *(self.envs.single_observation_space.shape or ()))
            result = self.envs.step(actions, out=(shaped, rewards, terminated, truncated))  # type: ignore[call-arg]
            observations, reward, term, trunc, info = result
        else:
            observations, reward, term, trunc, info = self.envs.step(actions)
            rewards[...] = reward
            terminated[...] = term
            truncated[...] = trunc
        masked = self.action_mask is not None
        final = None
        if not self.has_reset_rows and (term.any() or trunc.any()):
            env_ids = np.flatnonzero(trunc & ~term)
            if len(env_ids):
                last = self.autoreset.last_observations(observations, info)
                final = BootstrapObservations(env_ids, self._encode_final(last, env_ids))
            if self.autoreset.needs_reset:
                self._take_action_mask(info, term | trunc)  # of those that go on; of the others, below
                observations, info = self.envs.reset(options={"reset_mask": term | trunc})
                written = False
        if not written:
            self.encoder.encode(observations, out)
        self._take_action_mask(info, term | trunc if self.has_reset_rows else None)
        if not masked and self.action_mask is not None:
            raise ValueError(
                f"{self.envs} gives info['action_mask'] after a step, but gave none after reset: the first actions "
                "of episodes would not be masked"
            )
        return final

    def _encode_final(self, final_obs: Any, env_ids: Array) -> Array:
        if isinstance(final_obs, np.ndarray) and final_obs.dtype == object:
            return self.encoder.encode_list([final_obs[i] for i in env_ids])
        return self.encoder.encode_batch(take_rows(final_obs, env_ids), len(env_ids))

    def _take_action_mask(self, info: dict[str, Any], ended: Array | None = None) -> None:
        """Keep the newest ``info["action_mask"]``.

        Raises:
            ValueError: it allows nothing, and the episode has not ended.
        """
        space = self.envs.single_action_space
        self.action_mask = newest_mask(self.action_mask, info, space, self.num_envs, ended=ended)


def writes_in_place(envs: VectorEnv, encoder: ObservationEncoder) -> bool:
    """Whether ``envs.step(actions, out=...)`` can fill the trainer's own buffers.

    fastvec's environments can, where observations need no encoding.
    """
    fastvec = sys.modules.get("fastvec")
    if fastvec is None or not isinstance(envs, fastvec.VectorEnv):
        return False
    space = envs.single_observation_space
    return encoder.is_image or (isinstance(space, gym.spaces.Box) and space.dtype == np.float32)
