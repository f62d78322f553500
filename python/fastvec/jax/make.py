"""``fastvec.jax.make``."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from gymnasium.vector import AutoresetMode

from fastvec import _core
from fastvec.jax.env import PureEnv
from fastvec.native import registry
from fastvec.native.env_type import NativeEnvType
from fastvec.native.kwargs import ordered_kwargs
from fastvec.native.xla.rows import Rows
from fastvec.vector.cores import usable_cores
from fastvec.vector.options import MAX_THREADS, VectorOptions

__all__ = ["make"]

_MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]


def make(
    env_id: str,
    num_envs: int = 1,
    *,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    max_episode_steps: int | None = None,
    **env_kwargs: Any,
) -> PureEnv:
    """A batch of native envs as pure functions, for JAX.

    Args:
        env_id: a native id whose envs' state is plain: classic control, toy text, and those of plugins whose class is
            trivially copyable. What others there are is stepped by ``fastvec.make_vec(env_id).xla()``.
        num_envs: number of envs.
        autoreset_mode: ``gymnasium.vector.AutoresetMode`` or its name: NextStep, SameStep, Disabled.
        max_episode_steps: the time limit; None for the registered one, -1 for none.
        **env_kwargs: the env's own keyword arguments.

    Raises:
        fastvec.errors.UnknownEnvError: no such native id.
        ValueError: an env whose state is not plain, or an argument out of range.
    """
    options = VectorOptions(
        num_envs=num_envs,
        autoreset_mode=autoreset_mode,  # type: ignore[arg-type]  # a name becomes a mode
        max_episode_steps=max_episode_steps,
    )
    named = registry.find(env_id)
    if named is None:
        raise registry.unknown_env(env_id)
    native = _stepped_by(named, env_kwargs)
    if named.resources is not None or not _core.has_plain_state(native.core):
        raise ValueError(
            f"{named.id}: expected an env whose state is plain (a trivially copyable class, built with fastvec's "
            f"headers of ABI 1.3 or later), got one that keeps more; "
            f"fastvec.make_vec({named.id!r}, ...).xla() steps it in jit"
        )
    prepared = named.counterpart.prepare_kwargs(env_kwargs) if named.counterpart else env_kwargs
    values = ordered_kwargs(native.id, native.kwargs, prepared)
    limit = -1 if options.max_episode_steps is None else max(options.max_episode_steps, 0)  # -1: the env's own
    mode = options.autoreset_mode
    given = {name: value for (name, *_), value in zip(native.kwargs, values, strict=True)}
    # Compiled functions, which XLA may keep on disk, have the key in them: equal envs have equal keys in any process.
    text = json.dumps([native.id, native.library, _core.__version__, given, limit, mode.value], sort_keys=True)
    key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)
    core = _core.PureEnv(
        key, native.core, values, max_episode_steps=limit, autoreset_mode=_MODES.index(mode), num_threads=_threads()
    )
    time_limit = core.max_episode_steps or None
    shown = ", ".join([f"{name}={value!r}" for name, value in given.items()] + [f"max_episode_steps={time_limit}"])
    return PureEnv(
        Rows.of(core, named.id, is_same_step=mode is AutoresetMode.SAME_STEP),
        num_envs=options.num_envs,
        key=key,
        kind=f"{named.id}({shown}, autoreset_mode={mode.value})",
        state_size=core.state_size,
        autoreset_mode=mode,
        max_episode_steps=time_limit,
    )


def _stepped_by(named: NativeEnvType, env_kwargs: dict[str, Any]) -> NativeEnvType:
    """The type that steps the envs, where it depends on the arguments."""
    if named.counterpart is None or named.counterpart.stepped_by is None:
        return named
    return registry.get(named.counterpart.stepped_by(env_kwargs))


def _threads() -> int:
    return min(usable_cores(), MAX_THREADS)
