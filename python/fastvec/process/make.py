"""What ``fastvec.make_vec`` does for the process backend."""

from __future__ import annotations

import copy as copying
import importlib
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from fastvec.process.vector_env import ProcessVectorEnv
from fastvec.registration import vector_spec

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
        TypeError: neither. ValueError: none, or not ``num_envs`` (where that is not 1).
    """
    if callable(env_fns):
        return [env_fns] * num_envs
    made = list(env_fns)
    for i, env_fn in enumerate(made):
        if not callable(env_fn):
            raise TypeError(f"expected callables that make an env, got {env_fn!r} at index {i}")
    if not made:
        raise ValueError("expected at least one callable, got an empty sequence")
    if num_envs not in (1, len(made)):
        raise ValueError(f"expected num_envs to be the number of callables, {len(made)}, got {num_envs}")
    return made


def make_process(
    source: EnvSpec | Sequence[EnvFn],
    num_envs: int,
    *,
    cores: int,
    num_workers: int | None,
    context: str | None,
    autoreset_mode: AutoresetMode,
    copy: bool,
    batch_size: int | None,
    observation_mode: Any,
    restart_workers: bool,
    threads_per_worker: int | None,
    wrappers: Sequence[Callable[[gymnasium.Env], gymnasium.Env]] | None,
    max_episode_steps: int | None,
    render_mode: str | None,
    env_kwargs: dict[str, Any],
) -> ProcessVectorEnv:
    """A vector of ``num_envs`` envs of a spec, or of those that callables make; checked arguments."""
    if context is not None and context not in multiprocessing.get_all_start_methods():
        methods = ", ".join(repr(method) for method in multiprocessing.get_all_start_methods())
        raise ValueError(f"expected context to be None or one of {methods}, got {context!r}")
    make_kwargs = dict(env_kwargs)
    if max_episode_steps is not None:
        make_kwargs["max_episode_steps"] = max_episode_steps
    if render_mode is not None:
        make_kwargs["render_mode"] = render_mode
    if isinstance(source, EnvSpec):
        env_fns: Sequence[EnvFn] = [EnvMaker(source, make_kwargs, tuple(wrappers or ()))] * num_envs
    else:
        for name, value in (*make_kwargs.items(), ("wrappers", wrappers)):
            if value is not None:
                raise TypeError(f"expected no {name} beside callables: pass it inside them")
        env_fns = source
    envs = ProcessVectorEnv(
        env_fns,
        num_workers=min(cores if num_workers is None else num_workers, num_envs),
        context=context,
        autoreset_mode=autoreset_mode,
        copy=copy,
        batch_size=batch_size,
        observation_mode=observation_mode,
        restart_workers=restart_workers,
        threads_per_worker=threads_per_worker,
    )
    if isinstance(source, EnvSpec):
        given = {
            "num_workers": num_workers,
            "context": context,
            "autoreset_mode": None if autoreset_mode is AutoresetMode.NEXT_STEP else autoreset_mode.value,
            "copy": None if copy else False,
            "batch_size": batch_size,
            "observation_mode": None if observation_mode == "same" else observation_mode,
            "restart_workers": restart_workers or None,
            "threads_per_worker": None if threads_per_worker == 1 else threads_per_worker,
            "wrappers": wrappers,
            "render_mode": render_mode,
        }
        kwargs = {**env_kwargs, **{name: value for name, value in given.items() if value is not None}}
        envs.spec = vector_spec(source, source.id, num_envs, {**kwargs, "backend": "process"}, max_episode_steps)
    return envs
