"""``fastvec.make_vec``."""

from __future__ import annotations

import copy as copying
import os
from typing import Any

from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from fastvec import registry
from fastvec.native_vector_env import NativeVectorEnv
from fastvec.registration import native_spec
from fastvec.vector_env import VectorEnv

__all__ = ["make_vec"]

MAX_THREADS = 1024


def make_vec(
    env_id: str | EnvSpec,
    num_envs: int = 1,
    *,
    num_threads: int | None = None,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    copy: bool = True,
    batch_size: int | None = None,
    backend: str | None = None,
    pin_threads: bool = False,
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
    **env_kwargs: Any,
) -> VectorEnv:
    """Make a vector of ``num_envs`` envs.

    Args:
        env_id: ``"CartPole-v1"`` and the like (see :func:`fastvec.list_envs`), with or without ``fastvec/`` in
            front, or the ``spec`` of a vector that this function made.
        num_envs: number of envs.
        num_threads: upper limit of threads that step, the calling one among them; None for one per core. Fewer
            are used while a batch is too small to gain from more, as measured while it runs.
        autoreset_mode: ``gymnasium.vector.AutoresetMode`` or its name: NextStep, SameStep, Disabled.
        copy: True: arrays that are returned are never overwritten while you hold them (and yet not copied). False:
            each call overwrites the arrays of the one before.
        batch_size: envs per ``recv``; None for all.
        backend: ``"native"`` or None, which takes the native env.
        pin_threads: bind each worker thread to a core (Linux).
        max_episode_steps: the time limit; None for the registered one, -1 for none.
        render_mode: as in ``gymnasium.make``.
        **env_kwargs: the env's own keyword arguments, as in ``gymnasium.make``.

    Raises:
        fastvec.errors.UnknownEnvError: no such id; the message names those that are near.
        ValueError, TypeError: an argument is out of range or of the wrong type; the message says what was expected.
    """
    if isinstance(env_id, EnvSpec):
        return _make_from_spec(env_id, num_envs, locals())
    if not isinstance(env_id, str):
        raise TypeError(f"expected env_id to be a str or an EnvSpec, got {type(env_id).__name__}")
    if backend not in (None, "native"):
        raise ValueError(f"expected backend to be None or 'native', got {backend!r}")
    native = registry.find(env_id)
    if native is None:
        raise registry.unknown_env(env_id)

    num_envs = _whole("num_envs", num_envs, 1, (1 << 31) - 1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = min(cores, num_envs, MAX_THREADS) if num_threads is None else num_threads
    threads = _whole("num_threads", threads, 1, MAX_THREADS)
    size = num_envs if batch_size is None else _whole("batch_size", batch_size, 1, num_envs)
    limit = max_episode_steps
    if limit is not None and limit != -1:
        limit = _whole("max_episode_steps", limit, 1, (1 << 31) - 1)

    envs = NativeVectorEnv(
        native,
        num_envs,
        num_threads=threads,
        autoreset_mode=_autoreset_mode(autoreset_mode),
        copy=bool(copy),
        batch_size=size,
        pin_threads=bool(pin_threads),
        max_episode_steps=0 if limit == -1 else limit,
        render_mode=render_mode,
        env_kwargs=env_kwargs,
    )
    vector_kwargs = {
        "num_threads": num_threads,
        "autoreset_mode": None if envs.autoreset_mode is AutoresetMode.NEXT_STEP else envs.autoreset_mode.value,
        "copy": None if copy else False,
        "batch_size": batch_size,
        "pin_threads": pin_threads or None,
        "render_mode": render_mode,
    }
    given = {name: value for name, value in vector_kwargs.items() if value is not None}
    envs.spec = native_spec(native.id, num_envs, {**env_kwargs, **given}, limit)
    return envs


def _make_from_spec(spec: EnvSpec, num_envs: int, arguments: dict[str, Any]) -> VectorEnv:
    """What ``envs.spec`` describes; arguments that differ from their defaults win."""
    kwargs = copying.deepcopy(spec.kwargs)
    kwargs.pop("vectorization_mode", None)
    native_id = kwargs.pop("native_id", spec.id)
    recorded = kwargs.pop("num_envs", 1)
    if spec.max_episode_steps is not None:
        kwargs.setdefault("max_episode_steps", spec.max_episode_steps)
    named = (
        "num_threads",
        "autoreset_mode",
        "copy",
        "batch_size",
        "pin_threads",
        "max_episode_steps",
        "render_mode",
    )
    defaults = make_vec.__kwdefaults__ or {}
    kwargs |= {name: arguments[name] for name in named if arguments[name] != defaults[name]}
    return make_vec(native_id, recorded if num_envs == 1 else num_envs, **{**kwargs, **arguments["env_kwargs"]})


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"expected {name} to be an integer, got {value!r} ({type(value).__name__})")
    if not low <= int(value) <= high:
        raise ValueError(f"expected {name} from {low} to {high}, got {value}")
    return int(value)


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    try:
        return mode if isinstance(mode, AutoresetMode) else AutoresetMode(mode)
    except ValueError:
        names = ", ".join(repr(known.value) for known in AutoresetMode)
        raise ValueError(f"expected autoreset_mode to be an AutoresetMode or one of {names}, got {mode!r}") from None
