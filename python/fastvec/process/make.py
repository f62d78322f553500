"""What ``fastvec.make_vec`` does for the process backend."""

from __future__ import annotations

import copy as copying
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec

from fastvec.process.parent.choice import best_num_workers, measure_step
from fastvec.process.vector_env import ProcessVectorEnv
from fastvec.vector.options import VectorOptions
from fastvec.vector.spec import vector_spec

__all__ = ["env_callables", "find_spec", "make_process"]

EnvFn = Callable[[], gymnasium.Env]


@dataclass(frozen=True)
class EnvMaker:
    """Makes one env of a Gymnasium spec, as ``gymnasium.make_vec`` does: a callable that can be pickled."""

    spec: EnvSpec
    kwargs: dict[str, Any]
    wrappers: tuple[Callable[[gymnasium.Env], gymnasium.Env], ...] = ()

    def __call__(self) -> gymnasium.Env:
        env = gymnasium.make(copying.deepcopy(self.spec), **self.kwargs)
        for wrapper in self.wrappers:
            env = wrapper(env)
        return env


def find_spec(env_id: str) -> EnvSpec:
    """The spec of a Gymnasium id, ``"module:id"`` among them.

    Raises:
        gymnasium.error.Error: there is none. ImportError: the module cannot be imported.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    return gymnasium.spec(name)


def env_callables(env_fns: Any, num_envs: int) -> list[EnvFn]:
    """A callable for all envs, or a sequence with one per env, as a list.

    Raises:
        TypeError: neither. ValueError: none, or not ``num_envs``.
    """
    if callable(env_fns):
        return [env_fns] * num_envs
    made = list(env_fns)
    for i, env_fn in enumerate(made):
        if not callable(env_fn):
            raise TypeError(f"expected callables that make an env, got {env_fn!r} at index {i}")
    if not made:
        raise ValueError("expected at least one callable, got an empty sequence")
    if num_envs != len(made):
        raise ValueError(f"expected num_envs to be the number of callables, {len(made)}, got {num_envs}")
    return made


def _num_workers(options: VectorOptions, env_fns: Sequence[EnvFn], cores: int) -> int:
    """As many as pay for themselves, or one per core where something else speaks for workers.

    What is asked of workers asks for them, and so does asynchronous use; an env that is drawn for somebody is not to
    be tried.
    """
    asks_for_workers = (
        options.context is not None
        or options.restart_workers
        or options.threads_per_worker != 1
        or options.batch_size not in (None, options.num_envs)
        or options.render_mode == "human"
    )
    if cores == 1 or asks_for_workers:
        return cores
    # The last one: callables that record or write files are the first ones by custom.
    cost = measure_step(env_fns[-1], options.context, options.threads_per_worker)
    return cores if cost is None else best_num_workers(cost, len(env_fns), cores)


def make_process(
    source: EnvSpec | EnvFn | Sequence[EnvFn],
    options: VectorOptions,
    env_kwargs: dict[str, Any],
    cores: int,
    *,
    name: str | None = None,
) -> ProcessVectorEnv:
    """A vector of envs of a spec, or of those that callables make.

    ``name`` is for the vector's own spec, where it says more than the id: ``"module:id"``.
    """
    make_kwargs = dict(env_kwargs)
    if options.max_episode_steps is not None:
        make_kwargs["max_episode_steps"] = options.max_episode_steps
    if options.render_mode is not None:
        make_kwargs["render_mode"] = options.render_mode
    if isinstance(source, EnvSpec):
        env_fns: list[EnvFn] = [EnvMaker(source, make_kwargs, options.wrappers)] * options.num_envs
    else:
        for given in (*make_kwargs, *(["wrappers"] if options.wrappers else [])):
            raise TypeError(f"expected no {given} beside callables: pass it inside them")
        env_fns = env_callables(source, options.num_envs)
    num_workers = _num_workers(options, env_fns, cores) if options.num_workers is None else options.num_workers
    envs = ProcessVectorEnv(
        env_fns,
        num_workers=min(num_workers, len(env_fns)),
        context=options.context,
        autoreset_mode=options.autoreset_mode,
        copy=options.copy,
        batch_size=options.batch_size,
        observation_mode=options.observation_mode,
        restart_workers=options.restart_workers,
        threads_per_worker=options.threads_per_worker,
    )
    if isinstance(source, EnvSpec):
        is_registered = source is gymnasium.registry.get(source.id)
        again = (name or source.id) if is_registered else source
        envs.spec = vector_spec(again, source, replace(options, backend="process"), env_kwargs)
    return envs
