"""Finding an env by its id, without making it."""

from __future__ import annotations

import gymnasium
from gymnasium.envs.registration import EnvSpec

from fastvec.ale.make import is_ale_id, register_ale
from fastvec.native import registry
from fastvec.process.make import find_spec

__all__ = ["find_env", "spec_of"]


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
        return find_spec(env_id)
    except gymnasium.error.Error as error:
        known = [name for name in gymnasium.registry if not name.startswith("fastvec/")]
        raise registry.unknown_env(env_id, known) from error
