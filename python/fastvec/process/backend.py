"""The process backend, as ``fastvec.make_vec`` sees it."""

from __future__ import annotations

import copy as copying
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec

from fastvec.process.parent.choice import best_num_workers, measure_step
from fastvec.process.vector_env import ProcessVectorEnv
from fastvec.vector.backend import RegisteredEnv
from fastvec.vector.gymnasium_arguments import ASYNC_VECTOR_ENVS_OWN
from fastvec.vector.options import VectorOptions
from fastvec.vector.spec import vector_spec

__all__ = ["ENVS_ARE_GYMNASIUMS", "NAME", "accepts", "make"]

NAME = "process"
ENVS_ARE_GYMNASIUMS = True

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


def _env_callables(env_fns: Any, num_envs: int) -> list[EnvFn]:
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


def accepts(source: object) -> bool:
    """Whether a source is Gymnasium's spec, in its registry or not, a callable, or a sequence of callables."""
    return isinstance(source, RegisteredEnv | EnvSpec | Sequence) or callable(source)


def make(
    source: RegisteredEnv | EnvSpec | EnvFn | Sequence[EnvFn],
    options: VectorOptions,
    env_kwargs: dict[str, Any],
    cores: int,
) -> ProcessVectorEnv:
    """A vector of envs in Python; arguments as :meth:`fastvec.vector.backend.Backend.make` says."""
    spec = source.spec if isinstance(source, RegisteredEnv) else source
    make_kwargs = dict(env_kwargs)
    if options.max_episode_steps is not None:
        make_kwargs["max_episode_steps"] = options.max_episode_steps
    if options.render_mode is not None:
        make_kwargs["render_mode"] = options.render_mode
    if isinstance(spec, EnvSpec):
        env_fns: list[EnvFn] = [EnvMaker(spec, make_kwargs, options.wrappers)] * options.num_envs
    else:
        for given in (*make_kwargs, *(["wrappers"] if options.wrappers else [])):
            if given in ASYNC_VECTOR_ENVS_OWN:
                raise TypeError(f"expected {given} in vector_kwargs, as gymnasium.make_vec takes it, got it on its own")
            raise TypeError(f"expected no {given} beside callables: pass it inside them")
        env_fns = _env_callables(spec, options.num_envs)
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
    if isinstance(spec, EnvSpec):
        again = source.name if isinstance(source, RegisteredEnv) else spec
        envs.spec = vector_spec(again, spec, replace(options, backend=NAME), env_kwargs)
    return envs
