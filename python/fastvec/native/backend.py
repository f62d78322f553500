"""The native backend, as ``fastvec.make_vec`` sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium

from fastvec.native.env_type import NativeEnvType
from fastvec.native.vector_env import NativeVectorEnv
from fastvec.vector.options import MAX_THREADS, VectorOptions, asks_for_own_spaces
from fastvec.vector.spec import vector_spec

__all__ = ["ENVS_ARE_GYMNASIUMS", "NAME", "accepts", "make", "why_python"]

NAME = "native"
ENVS_ARE_GYMNASIUMS = True


def accepts(source: object) -> bool:
    """Whether a source is a native env type."""
    return isinstance(source, NativeEnvType)


def why_python(native: NativeEnvType, wanted: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """Why the envs of a native type are to be made in Python and step in worker processes; None where they are not.

    Args:
        native: the env type.
        wanted: all options that are not as by default, by name.
        asked: those of them that a spec or ``vector_kwargs`` names.

    Raises:
        gymnasium.error.DependencyNotInstalled: what is installed does not serve the native env, which was asked for.
    """
    why = native.why_not()
    if why is not None:
        if wanted.get("backend") == NAME:
            raise gymnasium.error.DependencyNotInstalled(f"{native.id}: {why}; backend='process' takes any")
        return f"{why}; its envs step in worker processes instead"
    if wanted.get("backend") is not None:
        return None
    if wanted.get("wrappers"):
        why = "wrappers are for single envs in Python"
    elif asks_for_own_spaces(asked):
        why = f"observation_mode={asked['observation_mode']!r} is for envs in Python"
    elif str(wanted.get("render_mode")).endswith("_list"):
        why = f"render_mode={wanted['render_mode']!r} collects the pictures of single envs in Python"
    else:
        return None
    return (
        f"{why}, so its envs are made in Python and step in worker processes: pass backend='process' if that is meant; "
        f"what is wrapped around the whole vector, with gymnasium.wrappers.vector, leaves them in C++"
    )


def make(native: NativeEnvType, options: VectorOptions, env_kwargs: dict[str, Any], cores: int) -> NativeVectorEnv:
    """A vector of a native env type; arguments as :meth:`fastvec.vector.backend.Backend.make` says."""
    threads = min(cores, options.num_envs, MAX_THREADS) if options.num_threads is None else options.num_threads
    envs = NativeVectorEnv(
        native,
        options.num_envs,
        num_threads=threads,
        autoreset_mode=options.autoreset_mode,
        copy=options.copy,
        batch_size=options.num_envs if options.batch_size is None else options.batch_size,
        pin_threads=options.pin_threads,
        max_episode_steps=0 if options.max_episode_steps == -1 else options.max_episode_steps,
        render_mode=options.render_mode,
        env_kwargs=env_kwargs,
    )
    envs.spec = vector_spec(native.id, gymnasium.spec(native.gymnasium_id), options, env_kwargs)
    return envs
