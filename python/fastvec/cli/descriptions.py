"""What is to be known of an env before it is used, for ``fastvec list``."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from fastvec.ale.backend import is_ale_spec, register_ale
from fastvec.cli import signatures
from fastvec.cli.signatures import Argument
from fastvec.lookup import find_env
from fastvec.make import make_vec
from fastvec.native import registry

__all__ = ["Details", "Listing", "all_listings", "describe"]

_TITLES = {"classic_control": "Classic control", "toy_text": "Toy text", "mujoco": "MuJoCo", "box2d": "Box2D"}
_FIRST = [*_TITLES.values()]


@dataclass(frozen=True)
class Listing:
    """An id that ``make_vec`` knows.

    Attributes:
        family: the title that it is shown under.
        backend: ``"native"``, ``"ale"`` or ``"process"``.
        arguments: keyword arguments of the env.
        options: names and meanings of the reset options; of native envs only.
        needs: what has to be installed first, or None.
    """

    id: str
    family: str
    backend: str
    arguments: Sequence[Argument]
    options: Sequence[tuple[str, str]] = ()
    needs: str | None = None


@dataclass(frozen=True)
class Details:
    """An env in full.

    Attributes:
        time_limit: steps per episode, or None.
        parameters: ``(name, value, meaning)`` of the numbers that ``set_attr`` sets for each env.
        infos: ``(key, what it holds)``.
        infos_are_declared: False where they are only those that a reset and a step showed.
        render_modes: those that the env names.
    """

    listing: Listing
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    time_limit: int | None
    reward_threshold: float | None
    parameters: Sequence[tuple[str, Any, str]]
    infos: Sequence[tuple[str, str]]
    infos_are_declared: bool
    render_modes: Sequence[str]


def all_listings(*, with_process: bool) -> list[Listing]:
    """Every id, by family.

    Args:
        with_process: those too that get Python worker processes.
    """
    if importlib.util.find_spec("ale_py") is not None:
        register_ale()
    found = [_native_listing(env_id) for env_id in registry.list_envs()]
    for spec in list(gymnasium.registry.values()):
        if registry.find(spec.id) is not None or spec.entry_point is None:
            continue
        if is_ale_spec(spec) or with_process:
            found.append(_registered_listing(spec))
    return sorted(found, key=_order)


def _order(listing: Listing) -> tuple[Any, ...]:
    rank = _FIRST.index(listing.family) if listing.family in _FIRST else len(_FIRST)
    return ["native", "ale", "process"].index(listing.backend), rank, listing.family, listing.id


def _native_listing(env_id: str) -> Listing:
    native = registry.find(env_id)
    assert native is not None
    counterpart = native.counterpart
    if counterpart is not None:
        family = _family(gymnasium.spec(counterpart.gymnasium_id))
    else:
        namespace, slash, _ = native.id.partition("/")
        family = namespace if slash else native.core.plugin_name
    arguments = signatures.native_arguments(native)
    return Listing(native.id, family, "native", arguments, native.core.options, native.missing_extra())


def _registered_listing(spec: EnvSpec) -> Listing:
    if is_ale_spec(spec):
        return Listing(spec.id, "Atari", "ale", signatures.ale_arguments(spec))
    return Listing(spec.id, _family(spec), "process", signatures.registered_arguments(spec))


def _family(spec: EnvSpec) -> str:
    if spec.namespace is not None:
        return spec.namespace
    entry_point = spec.entry_point
    module = entry_point.split(":")[0] if isinstance(entry_point, str) else getattr(entry_point, "__module__", "")
    parts = module.split(".")
    if parts[:2] == ["gymnasium", "envs"] and len(parts) > 2:
        return _TITLES.get(parts[2], parts[2])
    return parts[0]


def describe(env_id: str, env_kwargs: dict[str, Any]) -> Listing | Details:
    """An env in full; its listing alone where a package is missing without which it cannot be made.

    Raises:
        fastvec.errors.UnknownEnvError: there is no such id.
        TypeError, ValueError, fastvec.EnvError...: what making the env raises.
    """
    found = find_env(env_id)
    if isinstance(found, registry.NativeEnvType):
        listing = _native_listing(found.id)
        return listing if listing.needs else _native_details(listing, env_kwargs)
    listing = _registered_listing(found)
    if listing.backend == "ale":
        return _ale_details(listing, env_kwargs)
    return _python_details(replace(listing, arguments=signatures.gymnasium_arguments(found)), found, env_kwargs)


def _native_details(listing: Listing, env_kwargs: dict[str, Any]) -> Details:
    native: Any = registry.find(listing.id)
    envs: Any = make_vec(listing.id, 1, num_threads=1, backend="native", **env_kwargs)
    try:
        kinds: dict[str, list[str]] = {}
        for key, dtype, shape in envs.info_fields:
            kinds.setdefault(key, []).append(f"{dtype} {shape}" if shape else str(dtype))
        spec = gymnasium.spec(native.registered_id)
        return Details(
            listing,
            envs.single_observation_space,
            envs.single_action_space,
            envs.max_episode_steps,
            spec.reward_threshold,
            _parameters(envs, native, listing.arguments),
            [(key, " or ".join(kind)) for key, kind in kinds.items()],
            True,
            envs.metadata.get("render_modes", []),
        )
    finally:
        envs.close()


def _parameters(envs: Any, native: registry.NativeEnvType, arguments: Sequence[Argument]) -> list[tuple[str, Any, str]]:
    counterpart = native.counterpart
    docs = {argument.name: argument.doc for argument in arguments}
    for name, doc in native.core.parameters:
        docs[name] = doc or docs.get(name, "")
        if counterpart is not None and name in counterpart.words:
            docs[name] = f"one of {', '.join(map(repr, counterpart.words[name]))}"
    if counterpart is not None:
        envs.reset(seed=0)  # Gymnasium's class is asked, and takes no state but that of an episode
    return [(name, envs.get_attr(name)[0], docs[name]) for name, _ in native.core.parameters]


def _ale_details(listing: Listing, env_kwargs: dict[str, Any]) -> Details:
    envs: Any = make_vec(listing.id, 1, num_threads=1, **env_kwargs)
    try:
        _, infos = envs.reset(seed=0)
        *_, later = envs.step(np.zeros(1, dtype=np.int64))
        return Details(
            listing,
            envs.single_observation_space,
            envs.single_action_space,
            None,
            None,
            [],
            _seen({**infos, **later}),
            False,
            [],
        )
    finally:
        envs.close()


def _python_details(listing: Listing, spec: EnvSpec, env_kwargs: dict[str, Any]) -> Details:
    env = gymnasium.make(spec, **env_kwargs)
    try:
        _, infos = env.reset(seed=0)
        env.action_space.seed(0)
        *_, later = env.step(env.action_space.sample())
        return Details(
            listing,
            env.observation_space,
            env.action_space,
            spec.max_episode_steps,
            spec.reward_threshold,
            [],
            _seen({**infos, **later}),
            False,
            env.metadata.get("render_modes", []),
        )
    finally:
        env.close()


def _seen(infos: dict[str, Any]) -> list[tuple[str, str]]:
    shown = {key: value for key, value in infos.items() if not (key.startswith("_") and key[1:] in infos)}
    return [(key, _kind(value)) for key, value in shown.items()]


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}" if value.shape else str(value.dtype)
    return type(value).__name__
