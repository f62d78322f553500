"""What ``fastvec.make_vec`` does for the native backend."""

from __future__ import annotations

from typing import Any

import gymnasium

from fastvec.native.env_type import NativeEnvType
from fastvec.native.vector_env import NativeVectorEnv
from fastvec.vector.options import MAX_THREADS, VectorOptions
from fastvec.vector.spec import vector_spec

__all__ = ["make_native"]


def make_native(
    native: NativeEnvType, options: VectorOptions, env_kwargs: dict[str, Any], cores: int
) -> NativeVectorEnv:
    """A vector of a native env type.

    Args:
        native: the env type.
        options: checked already; those of other backends are not looked at.
        env_kwargs: the env's keyword arguments, as Gymnasium's class takes them.
        cores: the most threads where the options name no number.
    """
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
