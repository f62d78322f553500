"""``fastvec.make_vec``."""

from __future__ import annotations

import copy as copying
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from fastvec import registry
from fastvec.ale.make import is_ale_id, is_ale_spec, make_ale, register_ale
from fastvec.cores import usable_cores
from fastvec.errors import UnknownEnvError
from fastvec.native_vector_env import NativeVectorEnv
from fastvec.process.make import env_callables, find_spec, make_process
from fastvec.registration import gymnasium_id, spec_in_gymnasium, vector_spec
from fastvec.vector_env import VectorEnv

__all__ = ["make_vec"]

MAX_THREADS = 1024


def make_vec(
    env_id: str | EnvSpec | Callable[[], gymnasium.Env] | Sequence[Callable[[], gymnasium.Env]],
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
    num_workers: int | None = None,
    context: str | None = None,
    observation_mode: Any = "same",
    restart_workers: bool = False,
    threads_per_worker: int | None = 1,
    wrappers: Sequence[Callable[[gymnasium.Env], gymnasium.Env]] | None = None,
    **env_kwargs: Any,
) -> VectorEnv:
    """Make a vector of ``num_envs`` envs.

    Args:
        env_id: ``"CartPole-v1"`` and the like (see :func:`fastvec.list_envs`), with or without ``fastvec/`` in
            front; any id of Gymnasium's registry; the ``spec`` of a vector that this function made; or a callable
            that makes an env, or a list of them, as ``gymnasium.vector.AsyncVectorEnv`` takes it.
        num_envs: number of envs; a list of callables says it itself.
        num_threads: upper limit of threads that step, the calling one among them; None for one per core (as
            :func:`fastvec.cores.usable_cores` counts them, which knows the limits of containers). Fewer are used
            while a batch is too small to gain from more, as measured while it runs.
        autoreset_mode: ``gymnasium.vector.AutoresetMode`` or its name: NextStep, SameStep, Disabled.
        copy: True: arrays that are returned are never overwritten while you hold them (and yet not copied). False:
            each call overwrites the arrays of the one before.
        batch_size: envs per ``recv``; None for all.
        backend: ``"native"`` (C++), ``"process"`` (Python envs in worker processes), ``"ale"`` (ale-py's own C++ vector
            env, for ``"ALE/Pong-v5"`` and the like), or None: the fastest there is for the id. ``num_threads`` and
            ``pin_threads`` are not for the process backend.
        pin_threads: bind each worker thread to a core (Linux).
        max_episode_steps: the time limit; None for the registered one, -1 for none.
        render_mode: as in ``gymnasium.make``.
        num_workers, context, observation_mode, restart_workers, threads_per_worker: for the process backend alone,
            see :class:`fastvec.process.ProcessVectorEnv`; None workers for one per core.
        wrappers: process backend: what is applied to each env, in order.
        **env_kwargs: the env's own keyword arguments, as in ``gymnasium.make``.

    Raises:
        fastvec.errors.UnknownEnvError: no such id; the message names those that are near.
        gymnasium.error.DependencyNotInstalled: an Atari game without ale-py.
        ValueError, TypeError: an argument is out of range or of the wrong type; the message says what was expected.
    """
    if isinstance(env_id, EnvSpec):
        return _make_from_spec(env_id, num_envs, locals())
    source = _find_source(env_id, backend)
    num_envs = _whole("num_envs", num_envs, 1, (1 << 31) - 1)
    if isinstance(source, list):
        source = env_callables(env_id, num_envs)
        num_envs = len(source)
    cores = usable_cores()
    size = None if batch_size is None else _whole("batch_size", batch_size, 1, num_envs)
    limit = max_episode_steps
    if limit is not None and limit != -1:
        limit = _whole("max_episode_steps", limit, 1, (1 << 31) - 1)
    mode = _autoreset_mode(autoreset_mode)

    if isinstance(source, list) or (isinstance(source, EnvSpec) and not _takes_ale(source, backend)):
        _refuse("process", "native", num_threads=(num_threads, None), pin_threads=(pin_threads, False))
        return make_process(
            source,
            num_envs,
            cores=cores,
            num_workers=None if num_workers is None else _whole("num_workers", num_workers, 1, MAX_THREADS),
            context=context,
            autoreset_mode=mode,
            copy=bool(copy),
            batch_size=size,
            observation_mode=observation_mode,
            restart_workers=bool(restart_workers),
            threads_per_worker=None
            if threads_per_worker is None
            else _whole("threads_per_worker", threads_per_worker, 1, MAX_THREADS),
            wrappers=wrappers,
            max_episode_steps=limit,
            render_mode=render_mode,
            env_kwargs=env_kwargs,
        )

    _refuse(
        "ale" if isinstance(source, EnvSpec) else "native",
        "process",
        num_workers=(num_workers, None),
        context=(context, None),
        observation_mode=(observation_mode, "same"),
        restart_workers=(restart_workers, False),
        threads_per_worker=(threads_per_worker, 1),
        wrappers=(wrappers, None),
    )
    if isinstance(source, EnvSpec):
        return make_ale(
            source,
            num_envs,
            cores=cores,
            num_threads=None if num_threads is None else _whole("num_threads", num_threads, 1, MAX_THREADS),
            pin_threads=bool(pin_threads),
            autoreset_mode=mode,
            copy=bool(copy),
            batch_size=size,
            max_episode_steps=limit,
            render_mode=render_mode,
            env_kwargs=env_kwargs,
        )
    native = source
    threads = min(cores, num_envs, MAX_THREADS) if num_threads is None else num_threads
    threads = _whole("num_threads", threads, 1, MAX_THREADS)
    envs = NativeVectorEnv(
        native,
        num_envs,
        num_threads=threads,
        autoreset_mode=mode,
        copy=bool(copy),
        batch_size=num_envs if size is None else size,
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
    envs.spec = vector_spec(spec_in_gymnasium(native.id), native.id, num_envs, {**env_kwargs, **given}, limit)
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
        "backend",
        "num_workers",
        "context",
        "observation_mode",
        "restart_workers",
        "threads_per_worker",
        "wrappers",
    )
    defaults = make_vec.__kwdefaults__ or {}
    kwargs |= {name: arguments[name] for name in named if arguments[name] != defaults[name]}
    return make_vec(native_id, recorded if num_envs == 1 else num_envs, **{**kwargs, **arguments["env_kwargs"]})


def _find_source(env_id: Any, backend: str | None) -> registry.NativeEnv | EnvSpec | list[Any]:
    """What the envs are made from: a native type, a Gymnasium spec, or (an empty list stands for) callables."""
    if backend not in (None, "native", "process", "ale"):
        raise ValueError(f"expected backend to be None, 'native', 'process' or 'ale', got {backend!r}")
    if not isinstance(env_id, str):
        if not callable(env_id) and not isinstance(env_id, Sequence):
            raise TypeError(
                "expected env_id to be a str, an EnvSpec, a callable or a list of callables, "
                f"got {type(env_id).__name__}"
            )
        if backend not in (None, "process"):
            raise ValueError(f"expected backend to be None or 'process' for callables, got {backend!r}")
        return []
    native = registry.find(env_id)
    if native is not None and backend in (None, "native"):
        return native
    if is_ale_id(env_id):
        register_ale()
    try:
        spec = find_spec(env_id)
    except gymnasium.error.Error as error:
        if native is not None:  # no env of Gymnasium's own: the native one, made one by one
            return find_spec(gymnasium_id(native.id))
        known = [name for name in gymnasium.registry if not name.startswith("fastvec/")]
        raise registry.unknown_env(env_id, known) from error
    if backend == "native":
        raise UnknownEnvError(f"there is no native env with the id {env_id!r}; backend='process' takes Gymnasium's")
    return spec


def _takes_ale(spec: EnvSpec, backend: str | None) -> bool:
    """Whether ale-py's vector env is to step this id."""
    if backend == "ale" and not is_ale_spec(spec):
        raise ValueError(f"{spec.id}: ale-py has no vector env for it; expected backend to be None or 'process'")
    return backend != "process" and is_ale_spec(spec)


def _refuse(chosen: str, other: str, **arguments: tuple[Any, Any]) -> None:
    """Raise TypeError if an argument of the other backend differs from its default."""
    for name, (value, default) in arguments.items():
        if isinstance(value, tuple) or value != default:
            raise TypeError(f"expected no {name} for the {chosen} backend, got {value!r}; it is for backend={other!r}")


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
