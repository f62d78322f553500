"""The ALE backend, as ``fastvec.make_vec`` sees it: Atari games, whose ids are of the form ``"ALE/Pong-v5"``."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from fastvec.ale.vector_env import AleVectorEnv
from fastvec.vector.backend import RegisteredEnv
from fastvec.vector.options import VectorOptions
from fastvec.vector.spec import vector_spec

__all__ = [
    "ARGUMENTS_OF_MAKE_VEC",
    "ENVS_ARE_GYMNASIUMS",
    "NAME",
    "accepts",
    "is_ale_id",
    "is_ale_spec",
    "make",
    "register_ale",
]

NAME = "ale"
ENVS_ARE_GYMNASIUMS = False  # gymnasium.make makes ale-py's single envs, which have other rules

_NAMESPACE = "ALE/"
_VECTOR_ENTRY_POINT = "ale_py.vector_env:AtariVectorEnv"
#: What ale-py's vector env takes and :func:`fastvec.make_vec` has by the same names.
ARGUMENTS_OF_MAKE_VEC = frozenset({"num_envs", "batch_size", "num_threads", "autoreset_mode"})
_LEAST = {"img_height": 1, "img_width": 1, "stack_num": 1, "frameskip": 1, "noop_max": 0}


def is_ale_id(env_id: str) -> bool:
    """Whether an id (``"module:ALE/Name-v5"`` too) belongs to ale-py."""
    return env_id.rpartition(":")[2].startswith(_NAMESPACE)


def is_ale_spec(spec: EnvSpec) -> bool:
    """Whether ale-py has a vector env for this id."""
    return spec.vector_entry_point == _VECTOR_ENTRY_POINT


def register_ale() -> None:
    """Import ale-py, which registers its ids with Gymnasium.

    Raises:
        gymnasium.error.DependencyNotInstalled: it is not there.
    """
    try:
        importlib.import_module("ale_py")
    except ImportError as error:
        raise gymnasium.error.DependencyNotInstalled(
            f"Atari games need ale-py ({error}): pip install fastvec[atari]"
        ) from error


def accepts(source: object) -> bool:
    """Whether a source is an entry of Gymnasium's registry that ale-py has a vector env for."""
    return isinstance(source, RegisteredEnv) and is_ale_spec(source.spec)


def make(source: RegisteredEnv, options: VectorOptions, env_kwargs: dict[str, Any], cores: int) -> AleVectorEnv:
    """A vector of games; arguments as :meth:`fastvec.vector.backend.Backend.make` says.

    Raises:
        TypeError, ValueError: what ale-py's vector env does not have.
    """
    spec = source.spec
    instead = "backend='process' gives Gymnasium's own env, which has it"
    if options.autoreset_mode is AutoresetMode.DISABLED:
        raise ValueError(
            f"{spec.id}: expected autoreset_mode NextStep or SameStep for ale-py's vector env, got Disabled; {instead}"
        )
    if options.render_mode is not None:
        raise ValueError(
            f"{spec.id}: expected no render_mode for ale-py's vector env, which draws nothing, "
            f"got {options.render_mode!r}; {instead}"
        )
    if options.max_episode_steps is not None:
        raise TypeError(
            f"{spec.id}: expected no max_episode_steps for ale-py's vector env, got {options.max_episode_steps}; "
            f"max_num_frames_per_episode limits an episode"
        )
    made_with = {**spec.kwargs, **env_kwargs}
    _check_kwargs(spec.id, made_with)
    if options.pin_threads:
        made_with.setdefault("thread_affinity_offset", 0)
    envs = AleVectorEnv(
        options.num_envs,
        num_threads=min(cores, options.num_envs) if options.num_threads is None else options.num_threads,
        batch_size=options.num_envs if options.batch_size is None else options.batch_size,
        autoreset_mode=options.autoreset_mode,
        ale_kwargs=made_with,
    )
    envs.spec = vector_spec(spec.id, spec, options, env_kwargs)
    return envs


def _check_kwargs(env_id: str, kwargs: dict[str, Any]) -> None:
    from ale_py.vector_env import AtariVectorEnv

    known = [name for name in inspect.signature(AtariVectorEnv).parameters if name not in ARGUMENTS_OF_MAKE_VEC]
    for name, value in kwargs.items():
        if name not in known:
            raise TypeError(
                f"{env_id}: ale-py's vector env takes no {name!r} (it takes: {', '.join(known)}); "
                f"backend='process' gives Gymnasium's own env, with its arguments"
            )
        if name in _LEAST:
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{env_id}: expected {name} to be an integer, got {value!r} ({type(value).__name__})")
            if value < _LEAST[name]:
                raise ValueError(f"{env_id}: expected {name} to be at least {_LEAST[name]}, got {value}")
