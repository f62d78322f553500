"""``fastvec.make_vec``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, VectorizeMode
from gymnasium.vector import AutoresetMode

from fastvec.ale import backend as ale
from fastvec.lookup import Source, registered_env, sources_of
from fastvec.native import backend as native
from fastvec.native import registry
from fastvec.native.env_type import NativeEnvType
from fastvec.process import backend as process
from fastvec.vector.backend import Backend, RegisteredEnv
from fastvec.vector.cores import usable_cores
from fastvec.vector.gymnasium_arguments import checked_mode, options_of
from fastvec.vector.options import DEFAULTS, VectorOptions, only_given
from fastvec.vector.spec import Recorded, read_spec
from fastvec.vector.vector_env import VectorEnv

__all__ = ["make_vec"]

EnvFn = Callable[[], gymnasium.Env]

BACKENDS: tuple[Backend, ...] = (native, ale, process)  # the fastest first


def make_vec(
    env_id: str | EnvSpec | EnvFn | Sequence[EnvFn] | None = None,
    num_envs: int = DEFAULTS.num_envs,
    vectorization_mode: VectorizeMode | str | None = None,
    vector_kwargs: Mapping[str, Any] | None = None,
    wrappers: Sequence[Callable[[gymnasium.Env], gymnasium.Env]] | None = DEFAULTS.wrappers,
    *,
    num_threads: int | None = DEFAULTS.num_threads,
    autoreset_mode: AutoresetMode | str = DEFAULTS.autoreset_mode,
    copy: bool = DEFAULTS.copy,
    batch_size: int | None = DEFAULTS.batch_size,
    backend: str | None = DEFAULTS.backend,
    pin_threads: bool = DEFAULTS.pin_threads,
    max_episode_steps: int | None = DEFAULTS.max_episode_steps,
    render_mode: str | None = DEFAULTS.render_mode,
    num_workers: int | None = DEFAULTS.num_workers,
    context: str | None = DEFAULTS.context,
    observation_mode: Any = DEFAULTS.observation_mode,
    restart_workers: bool = DEFAULTS.restart_workers,
    threads_per_worker: int | None = DEFAULTS.threads_per_worker,
    **env_kwargs: Any,
) -> VectorEnv:
    """Make a vector of ``num_envs`` envs.

    Args:
        env_id: ``"CartPole-v1"`` and the like (see :func:`fastvec.list_envs`), with or without ``fastvec/`` in
            front; any id of Gymnasium's registry; a spec; or a callable that makes an env, or a list of them, as
            ``gymnasium.vector.AsyncVectorEnv`` takes it. The ``spec`` of a vector makes an equal one: what is passed
            beside it wins over what it says, also where that is the default. Gymnasium's name, ``id=``, does as well.
        num_envs: number of envs; a list of callables says it itself.
        vectorization_mode: as in ``gymnasium.make_vec``. The numbers are ``SyncVectorEnv``'s in every mode, and
            ``backend`` chooses how they are made; but for Atari games ``"sync"`` and ``"async"`` mean Gymnasium's
            single envs, which are other envs than ale-py's vector ones.
        vector_kwargs: as in ``gymnasium.make_vec``: ``autoreset_mode``, ``copy``, ``context`` and
            ``observation_mode``, for scripts that pass them so.
        wrappers: what is applied to each env, in order. That takes envs in Python: a native id is then made by the
            process backend, and a warning says so. Not beside callables.
        num_threads: upper limit of threads that step, the calling one among them; None for one per core (as
            :func:`fastvec.vector.cores.usable_cores` counts them, which knows the limits of containers). Fewer are used
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
        num_workers: for the process backend, as all that follow; see :class:`fastvec.process.ProcessVectorEnv`. None:
            one env more is made and stepped for 0.05 s, in a process of its own that ends before the vector's envs are
            made; there are as many workers then as pay for themselves, and none (0: the envs step in the calling
            process) where none do.
        context: how worker processes are started.
        observation_mode: which observation space envs of different spaces have.
        restart_workers: replace workers that are lost.
        threads_per_worker: threads of the libraries that the envs use, in each worker.
        **env_kwargs: the env's own keyword arguments, as in ``gymnasium.make``.

    Raises:
        fastvec.errors.UnknownEnvError: no such id; the message names those that are near.
        gymnasium.error.DependencyNotInstalled: an Atari game without ale-py.
        ValueError, TypeError: an argument is out of range or of the wrong type; the message says what was expected.
    """
    given = only_given(locals())
    envs, asked, mode = _read_arguments(_env_id(env_id, env_kwargs), given, vector_kwargs, vectorization_mode)
    wanted = {**asked, **given}
    chosen, source = _choose_backend(envs.source, wanted.get("backend"), mode)
    if isinstance(source, NativeEnvType) and (why := native.why_python(source, wanted, asked)) is not None:
        warnings.warn(f"{source.id}: {why}", UserWarning, stacklevel=2)
        chosen, source = process, registered_env(source.id, source, name=str(envs.source))
    options = VectorOptions.for_backend(chosen.NAME, asked, given)
    return chosen.make(source, options, {**envs.env_kwargs, **env_kwargs}, usable_cores())


def _read_arguments(
    env_id: Any, given: dict[str, Any], vector_kwargs: Any, vectorization_mode: Any
) -> tuple[Recorded, dict[str, Any], VectorizeMode | None]:
    """What the arguments say, with those that a spec or ``vector_kwargs`` say for them.

    Args:
        env_id: an id, a spec, or callables.
        given: the options that were passed by their own names; the number of callables is added where it says it.
        vector_kwargs: as :func:`make_vec` takes them.
        vectorization_mode: likewise.

    Returns:
        The envs (their source, and the keyword arguments that a spec has); options that are asked for, and passed on
        where the backend has them; Gymnasium's mode.
    """
    asked = options_of(vector_kwargs)
    for name in asked:
        if name in given:
            raise TypeError(f"expected {name} once, got {given[name]!r} and vector_kwargs[{name!r}]={asked[name]!r}")
    mode = checked_mode(vectorization_mode)
    if mode is VectorizeMode.VECTOR_ENTRY_POINT and (vector_kwargs or given.get("wrappers")):
        raise gymnasium.error.Error(
            "expected no vector_kwargs and no wrappers with vectorization_mode='vector_entry_point', as Gymnasium does"
        )
    if isinstance(env_id, EnvSpec):
        recorded = read_spec(env_id)
        return recorded, {**recorded.options, **asked}, mode or recorded.mode
    if isinstance(env_id, Sequence) and not isinstance(env_id, str) and env_id:
        given.setdefault("num_envs", len(env_id))
    return Recorded(env_id, {}, {}, None), asked, mode


def _env_id(env_id: Any, env_kwargs: dict[str, Any]) -> Any:
    """``env_id``, or what is passed by the name that it has in ``gymnasium.make_vec``."""
    if env_id is None:
        if "id" not in env_kwargs:
            raise TypeError("expected env_id: an id, a spec, a callable that makes an env, or a list of them")
        return env_kwargs.pop("id")
    return env_id


def _choose_backend(env_id: Any, name: str | None, mode: VectorizeMode | None) -> tuple[Backend, Source]:
    """The backend, and what it makes the envs from: the first in ``BACKENDS`` that accepts the first of the sources.

    Args:
        env_id: what the caller makes envs from.
        name: the one backend that is asked for, or None.
        mode: Gymnasium's; where it says single envs, they are Gymnasium's.
    """
    if name not in (None, *(backend.NAME for backend in BACKENDS)):
        raise ValueError(f"expected backend to be None, 'native', 'process' or 'ale', got {name!r}")
    one_by_one = mode in (VectorizeMode.SYNC, VectorizeMode.ASYNC)
    for source in sources_of(env_id):
        for backend in BACKENDS:
            is_asked = name == backend.NAME or (name is None and (backend.ENVS_ARE_GYMNASIUMS or not one_by_one))
            if is_asked and backend.accepts(source):
                if mode is VectorizeMode.VECTOR_ENTRY_POINT and backend is process and isinstance(env_id, str):
                    raise _no_entry_point(source)
                return backend, source
    raise _refusal(env_id, source, name)


def _no_entry_point(source: Any) -> gymnasium.error.Error:
    spec = source.spec
    return gymnasium.error.Error(
        f"{spec.id}: expected vectorization_mode to be None, 'sync' or 'async', got 'vector_entry_point': fastvec "
        f"steps its envs one by one, and gymnasium.make_vec calls its vector entry point, {spec.vector_entry_point}"
    )


def _refusal(env_id: Any, source: Source, name: str | None) -> Exception:
    """The error for a backend that was asked for and does not accept the source."""
    if isinstance(source, RegisteredEnv):
        if name == native.NAME:
            return registry.no_native_env(env_id)
        return ValueError(
            f"{source.spec.id}: ale-py has no vector env for it; expected backend to be None or 'process'"
        )
    what = "a spec of its own or with wrappers" if isinstance(source, EnvSpec) else "callables"
    return ValueError(f"expected backend to be None or 'process' for {what}, got {name!r}")
