"""``fastvec.make_vec``."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, VectorizeMode
from gymnasium.vector import AutoresetMode

from fastvec.ale.make import is_ale_id, is_ale_spec, make_ale
from fastvec.errors import UnknownEnvError
from fastvec.lookup import spec_of
from fastvec.native import registry
from fastvec.native.env_type import NativeEnvType
from fastvec.native.make import make_native
from fastvec.process.make import find_spec, make_process
from fastvec.vector.cores import usable_cores
from fastvec.vector.gymnasium_arguments import checked_mode, options_of
from fastvec.vector.options import DEFAULTS, VectorOptions, only_given
from fastvec.vector.spec import Recorded, read_spec
from fastvec.vector.vector_env import VectorEnv

__all__ = ["make_vec"]

EnvFn = Callable[[], gymnasium.Env]

_EQUAL_SPACES = ("same", "different")  # observation modes that are one, where all envs have the same spaces


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
        num_workers, context, observation_mode, restart_workers, threads_per_worker: for the process backend alone,
            see :class:`fastvec.process.ProcessVectorEnv`. ``num_workers=None``: one env more is made and stepped for
            0.05 s, in a process of its own that ends before the vector's envs are made; there are as many workers then
            as pay for themselves, and none (0: the envs step in the calling process) where none do.
        **env_kwargs: the env's own keyword arguments, as in ``gymnasium.make``.

    Raises:
        fastvec.errors.UnknownEnvError: no such id; the message names those that are near.
        gymnasium.error.DependencyNotInstalled: an Atari game without ale-py.
        ValueError, TypeError: an argument is out of range or of the wrong type; the message says what was expected.
    """
    given = only_given(locals())
    envs, asked, mode = _read_arguments(_env_id(env_id, env_kwargs), given, vector_kwargs, vectorization_mode)
    env_kwargs = {**envs.env_kwargs, **env_kwargs}
    wanted = {**asked, **given}
    source, backend = _choose_backend(envs.source, wanted.get("backend"), mode)
    if isinstance(source, NativeEnvType) and (why := _why_python(source, wanted, asked)) is not None:
        warnings.warn(f"{source.id}: {why}", UserWarning, stacklevel=2)
        source, backend = _find_in_gymnasium(source.id, source), "process"
    options = VectorOptions(**_that_count(asked, given, backend), **given)
    options.require_taken_by(backend)

    cores = usable_cores()
    if isinstance(source, NativeEnvType):
        return make_native(source, options, env_kwargs, cores)
    if backend == "ale":
        return make_ale(source, options, env_kwargs, cores)
    with_module = envs.source if isinstance(envs.source, str) and ":" in envs.source else None  # which registers the id
    return make_process(source, options, env_kwargs, cores, name=with_module)


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


def _choose_backend(env_id: Any, backend: str | None, mode: VectorizeMode | None) -> tuple[Any, str]:
    """What the envs are made from (a native type, a spec, or callables), and the name of the backend that does it."""
    if backend not in (None, "native", "process", "ale"):
        raise ValueError(f"expected backend to be None, 'native', 'process' or 'ale', got {backend!r}")
    if isinstance(env_id, EnvSpec):
        if backend not in (None, "process"):
            raise ValueError(
                f"expected backend to be None or 'process' for a spec of its own or with wrappers, got {backend!r}"
            )
        return env_id, "process"
    if not isinstance(env_id, str):
        if not callable(env_id) and not isinstance(env_id, Sequence):
            raise TypeError(
                "expected env_id to be a str, an EnvSpec, a callable or a list of callables, "
                f"got {type(env_id).__name__}"
            )
        if backend not in (None, "process"):
            raise ValueError(f"expected backend to be None or 'process' for callables, got {backend!r}")
        return env_id, "process"
    native = registry.find(env_id) or _find_in_module(env_id)
    if native is not None and backend in (None, "native"):
        return native, "native"
    spec = _find_in_gymnasium(env_id, native)
    if backend == "native":
        raise registry.no_native_env(env_id)
    if backend == "ale" and not is_ale_spec(spec):
        raise ValueError(f"{spec.id}: ale-py has no vector env for it; expected backend to be None or 'process'")
    one_by_one = mode in (VectorizeMode.SYNC, VectorizeMode.ASYNC)
    if is_ale_spec(spec) and (backend == "ale" or (backend is None and not one_by_one)):
        return spec, "ale"
    if mode is VectorizeMode.VECTOR_ENTRY_POINT:
        raise gymnasium.error.Error(
            f"{spec.id}: expected vectorization_mode to be None, 'sync' or 'async', got 'vector_entry_point': fastvec "
            f"steps its envs one by one, and gymnasium.make_vec calls its vector entry point, {spec.vector_entry_point}"
        )
    return spec, "process"


def _find_in_module(env_id: str) -> NativeEnvType | None:
    """The native env type that ``"module:id"`` names, once the module was imported."""
    module, _, name = env_id.rpartition(":")
    if not module or is_ale_id(env_id):  # whose module has an error of its own where it is missing
        return None
    importlib.import_module(module)
    return registry.find(name)


def _find_in_gymnasium(env_id: str, native: NativeEnvType | None) -> EnvSpec:
    """Gymnasium's spec of an id; where it has none, that of the native env made one by one."""
    try:
        return spec_of(env_id)
    except UnknownEnvError:
        if native is None:
            raise
        return find_spec(native.registered_id)


def _why_python(native: NativeEnvType, wanted: dict[str, Any], asked: dict[str, Any]) -> str | None:
    """Why the envs of a native type are to be made in Python and step in worker processes; None where they are not.

    Raises:
        gymnasium.error.DependencyNotInstalled: what is installed does not serve the native env, which was asked for.
    """
    why = native.why_not()
    if why is not None:
        if wanted.get("backend") == "native":
            raise gymnasium.error.DependencyNotInstalled(f"{native.id}: {why}; backend='process' takes any")
        return f"{why}; its envs step in worker processes instead"
    if wanted.get("backend") is not None:
        return None
    if wanted.get("wrappers"):
        why = "wrappers are for single envs in Python"
    elif (spaces := asked.get("observation_mode")) not in (None, *_EQUAL_SPACES):
        why = f"observation_mode={spaces!r} is for envs in Python"
    else:
        return None
    return (
        f"{why}, so its envs are made in Python and step in worker processes: pass backend='process' if that is meant; "
        f"what is wrapped around the whole vector, with gymnasium.wrappers.vector, leaves them in C++"
    )


def _that_count(asked: dict[str, Any], given: dict[str, Any], backend: str) -> dict[str, Any]:
    """Those of the options of a spec or of ``vector_kwargs`` that were not given anew, without those that only say how
    fast another backend steps."""
    taken = VectorOptions.are_taken_by(backend)
    changes_numbers = {
        "wrappers": bool(asked.get("wrappers")),
        "observation_mode": asked.get("observation_mode") not in (None, *_EQUAL_SPACES),
    }
    return {
        name: value
        for name, value in asked.items()
        if name not in given and (name in taken or changes_numbers.get(name, False))
    }
