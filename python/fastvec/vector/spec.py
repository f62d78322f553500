"""A vector's ``spec``: written when it is made, read when it is made again."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, VectorizeMode

from fastvec.vector.gymnasium_arguments import options_of
from fastvec.vector.options import VectorOptions

__all__ = ["RECORDED_WRAPPERS", "VECTOR_ENTRY_POINT", "Recorded", "read_spec", "vector_spec"]

VECTOR_ENTRY_POINT = "fastvec.gymnasium_registration:make_vector"
RECORDED_WRAPPERS = (
    "env_wrappers"  # by their own name Gymnasium's make_vec would take them for its argument, and refuse them
)


def vector_spec(source: EnvSpec | str, registered: EnvSpec, options: VectorOptions, kwargs: dict[str, Any]) -> EnvSpec:
    """The spec of a vector: that of its env, with what is needed to make the vector again.

    Both ``gymnasium.make_vec(spec)`` and ``fastvec.make_vec(spec)`` make an equal vector from it.

    Args:
        source: what ``fastvec.make_vec`` makes such envs from: an id, or a spec that is in no registry.
        registered: the env's own spec; left as it is.
        options: what the vector was made with.
        kwargs: the env's keyword arguments.
    """
    recorded = {**options.changed(), "native_id": source, "vectorization_mode": "vector_entry_point"}
    made = copy.deepcopy(registered)
    made.max_episode_steps = recorded.pop("max_episode_steps", made.max_episode_steps)
    if "autoreset_mode" in recorded:
        recorded["autoreset_mode"] = options.autoreset_mode.value
    if "wrappers" in recorded:
        recorded[RECORDED_WRAPPERS] = recorded.pop("wrappers")
    made.vector_entry_point = VECTOR_ENTRY_POINT
    made.additional_wrappers = ()  # those of `source` are in it
    made.kwargs = {**made.kwargs, **kwargs, **recorded}
    return made


@dataclass(frozen=True)
class Recorded:
    """What a spec says.

    Attributes:
        source: the envs: an id, or their own spec where the registry has another one by this id, or none.
        options: those of the vector's options that are recorded, by name.
        env_kwargs: the env's keyword arguments.
        mode: how Gymnasium made the vector; None where fastvec made it, or where it is no vector.
    """

    source: str | EnvSpec
    options: dict[str, Any]
    env_kwargs: dict[str, Any]
    mode: VectorizeMode | None


def read_spec(spec: EnvSpec) -> Recorded:
    """What the spec of a vector, fastvec's or Gymnasium's, or of a single env asks for."""
    kwargs = copy.deepcopy(spec.kwargs)
    mode = kwargs.pop("vectorization_mode", None)
    source = kwargs.pop("native_id", None)
    is_ours = source is not None
    if is_ours:
        options = _take(kwargs, VectorOptions.names())
        if RECORDED_WRAPPERS in kwargs:
            options["wrappers"] = kwargs.pop(RECORDED_WRAPPERS)
    elif mode is not None:
        options = _take(kwargs, ("num_envs", "wrappers", "render_mode", "max_episode_steps"))
        options |= options_of(kwargs.pop("vector_kwargs", None))
    else:
        options = _take(kwargs, ("render_mode",))
    registered = gymnasium.registry.get(spec.id)
    if source is None:
        is_known = registered is not None and registered.entry_point == spec.entry_point
        source = spec.id if is_known and not spec.additional_wrappers else _own_spec(spec, registered)
    limit, known = spec.max_episode_steps, source if isinstance(source, EnvSpec) else registered
    if limit is None and known is not None and known.max_episode_steps is not None:
        limit = -1  # it was taken away
    if limit is not None:
        options.setdefault("max_episode_steps", limit)
    return Recorded(source, options, kwargs, None if is_ours or mode is None else VectorizeMode(mode))


def _own_spec(spec: EnvSpec, registered: EnvSpec | None) -> EnvSpec:
    """The spec of one env alone, without arguments."""
    own = copy.deepcopy(spec)
    own.kwargs = {}
    if own.vector_entry_point == VECTOR_ENTRY_POINT:
        own.vector_entry_point = None if registered is None else registered.vector_entry_point
    return own


def _take(kwargs: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: kwargs.pop(name) for name in names if name in kwargs}
