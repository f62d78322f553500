"""What a trainer trains on: an id, or vectors that a user made, and how more environments like those are made."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import gymnasium as gym
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from fastvec.make import make_vec
from fastvec.train.config import TrainerConfig
from fastvec.train.distributed import ALONE, World
from fastvec.vector.autoreset import autoreset_mode_of
from fastvec.vector.cores import usable_cores
from fastvec.vector.options import OptionNotTakenError, VectorOptions

C = TypeVar("C", bound=TrainerConfig)


@dataclass(frozen=True)
class EnvSource:
    """What a trainer was given to train on.

    Attributes:
        env_id: the id of the environments; None where they have none.
        env_kwargs: with which others like them are made from the id; None where that cannot be.
        vectors: those that a user made; empty where the trainer makes them from the id.
    """

    env_id: str | None
    env_kwargs: dict[str, Any] | None
    vectors: tuple[VectorEnv, ...] = ()

    @classmethod
    def of(cls, env: str | VectorEnv | Sequence[VectorEnv], env_kwargs: Mapping[str, Any] | None) -> EnvSource:
        """The source of an id, a vector, or several of those.

        Raises:
            TypeError, ValueError: as :func:`groups_of`.
        """
        if isinstance(env, str):
            return cls(env, dict(env_kwargs or {}))
        vectors = groups_of(env)
        kwargs = kwargs_of(vectors[0]) if env_kwargs is None else dict(env_kwargs)
        return cls(id_of(vectors[0]), kwargs, tuple(vectors))

    def configure(self, config: C, overrides: Mapping[str, Any]) -> C:
        """``config`` with single settings in place of its own, and as many environments as the vectors have.

        Raises:
            ValueError, TypeError: a setting that cannot be, or another number of environments.
        """
        if self.vectors:
            num_envs = sum(vector.num_envs for vector in self.vectors)
            overrides = {"num_envs": num_envs, **overrides}
            if overrides["num_envs"] != num_envs:
                raise ValueError(f"num_envs is {overrides['num_envs']}, but env has {num_envs} environments")
        return dataclasses.replace(config, **overrides)

    def make_groups(self, config: TrainerConfig, count: int, world: World = ALONE) -> list[VectorEnv]:
        """The environments of training: the user's vectors, or ``count`` new ones that share ``config.num_envs``."""
        if self.vectors:
            return list(self.vectors)
        assert self.env_id is not None
        size = config.num_envs // count
        kwargs = self.env_kwargs or {}
        return [make_envs(self.env_id, config, num_envs=size, world=world, **kwargs) for _ in range(count)]

    def make_more(self, config: TrainerConfig, num_envs: int, **kwargs: Any) -> VectorEnv:
        """Others like them.

        Args:
            config: how they are stepped.
            num_envs: how many.
            **kwargs: further keyword arguments of the environments.

        Raises:
            ValueError: they have no id, or wrappers: nobody but their maker can make others.
        """
        if self.env_id is None or self.env_kwargs is None:
            reason = "have no id" if self.env_id is None else "are wrapped"
            raise ValueError(f"these environments {reason}, so there is no making others like them; pass envs=...")
        return make_envs(self.env_id, config, num_envs=num_envs, **{**self.env_kwargs, **kwargs})


def make_envs(
    env_id: str, config: TrainerConfig, *, num_envs: int | None = None, world: World = ALONE, **env_kwargs: Any
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
    threads = config.num_threads
    if threads is None and world.local_size > 1:
        threads = max(1, usable_cores() // world.local_size)
    options: dict[str, Any] = {"num_envs": num_envs, "autoreset_mode": config.autoreset_mode, "backend": config.backend}
    try:
        return make_vec(env_id, num_threads=threads, **options, **env_kwargs)
    except OptionNotTakenError:  # Python envs are stepped by processes
        return make_vec(env_id, num_workers=threads, **options, **env_kwargs)


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
