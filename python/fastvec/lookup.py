"""Finding an env by its id, without making it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec

from fastvec.ale.backend import is_ale_id, register_ale
from fastvec.errors import UnknownEnvError
from fastvec.native import registry
from fastvec.native.env_type import NativeEnvType
from fastvec.vector.backend import RegisteredEnv

__all__ = ["Source", "find_env", "registered_env", "sources_of", "spec_of"]

EnvFn = Callable[[], gymnasium.Env]
Source = NativeEnvType | RegisteredEnv | EnvSpec | EnvFn | Sequence[EnvFn]


def find_env(env_id: str) -> registry.NativeEnvType | EnvSpec:
    """The native env of an id, or else the entry of Gymnasium's registry.

    Raises:
        fastvec.errors.UnknownEnvError: there is none; the message names ids that are near.
        gymnasium.error.DependencyNotInstalled: an Atari game without ale-py.
        ImportError: the module in ``"module:id"`` cannot be imported.
    """
    native = registry.find(env_id)
    if native is not None:
        return native
    spec = spec_of(env_id)
    return registry.find(spec.id) or spec  # native: of a module that had to be imported first


def spec_of(env_id: str) -> EnvSpec:
    """The entry of Gymnasium's registry; that of Atari games is filled first. Raises as :func:`find_env`."""
    if is_ale_id(env_id):
        register_ale()
    try:
        return _find_spec(env_id)
    except gymnasium.error.Error as error:
        known = [name for name in gymnasium.registry if not name.startswith("fastvec/")]
        raise registry.unknown_env(env_id, known) from error


def sources_of(env_id: Any) -> Iterator[Source]:
    """What there is to make envs from, the fastest first.

    Args:
        env_id: an id, a spec that is in no registry, a callable, or a sequence of callables.

    Yields:
        The native type of an id, then its entry in Gymnasium's registry; or what is no id, as it is.

    Raises:
        TypeError: something else. UnknownEnvError: no such id. ImportError: no such module.
    """
    if isinstance(env_id, str):
        native = registry.find(env_id) or _find_in_module(env_id)
        if native is not None:
            yield native
        yield registered_env(env_id, native)
    elif isinstance(env_id, EnvSpec | Sequence) or callable(env_id):
        yield env_id
    else:
        raise TypeError(
            f"expected env_id to be a str, an EnvSpec, a callable or a list of callables, got {type(env_id).__name__}"
        )


def registered_env(env_id: str, native: NativeEnvType | None = None, *, name: str | None = None) -> RegisteredEnv:
    """The entry of Gymnasium's registry; where it has none of this id, that of the native env made one by one.

    Args:
        env_id: the id.
        native: the native type, where there is one.
        name: the id as it was asked for, where that is another.
    """
    try:
        spec = spec_of(env_id)
    except UnknownEnvError:
        if native is None:
            raise
        spec = _find_spec(native.registered_id)
    name = env_id if name is None else name
    return RegisteredEnv(name if ":" in name else spec.id, spec)


def _find_spec(env_id: str) -> EnvSpec:
    """The entry of a Gymnasium id, ``"module:id"`` among them.

    Raises:
        gymnasium.error.Error: there is none. ImportError: the module cannot be imported.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    return gymnasium.spec(name)


def _find_in_module(env_id: str) -> NativeEnvType | None:
    """The native env type that ``"module:id"`` names, once the module was imported."""
    module, _, name = env_id.rpartition(":")
    if not module or is_ale_id(env_id):  # whose module has an error of its own where it is missing
        return None
    importlib.import_module(module)
    return registry.find(name)
