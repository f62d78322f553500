"""The table of native env types, by id. It imports no family of envs: those declare themselves here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from fastvec import _core
from fastvec.errors import UnknownEnvError
from fastvec.native.counterpart import GymnasiumCounterpart
from fastvec.native.env_type import NativeEnvType
from fastvec.native.resources import Request, Resources, ResourcesEntry

__all__ = [
    "NativeEnvType",
    "add",
    "declare_counterparts",
    "described",
    "find",
    "get",
    "leave_out",
    "left_out",
    "list_envs",
    "near_ids",
    "no_native_env",
    "note_plugin_error",
    "register_resources",
    "remove",
    "unknown_env",
]

_types: dict[str, NativeEnvType] = {}
_left_out: dict[str, str] = {}  # id: why it is not offered here
_plugin_errors: list[str] = []  # why plugins were not loaded
# What is declared for ids, maybe before their library is loaded. It becomes part of their NativeEnvType.
_counterparts: dict[str, GymnasiumCounterpart] = {}
_resources: dict[str, ResourcesEntry] = {}


def declare_counterparts(counterparts: Mapping[str, GymnasiumCounterpart]) -> None:
    """Say which classes of Gymnasium have the numbers of these native ids, before their library is loaded."""
    _counterparts.update(counterparts)


def register_resources(
    env_id: str,
    factory: Callable[[Request], Resources],
    *,
    extra: str | None = None,
    is_installed: Callable[[], bool] = lambda: True,
    why_not: Callable[[str], str | None] | None = None,
    describe_kwargs: Callable[[], Mapping[str, Any]] | None = None,
    kwargs_docs: Mapping[str, str] | None = None,
) -> None:
    """Let ``factory(request)`` open the resources of every vector of this native id.

    Args:
        env_id: the native id; its library may be loaded before or after.
        factory: opens them.
        extra: what to ``pip install`` if ``is_installed()`` is False; ``fastvec list`` shows it.
        is_installed: whether the package that has them is there.
        why_not: asked before a vector is made, with the path of the env library: a sentence that says why what is
            installed does not serve the native env, or None. :func:`fastvec.make_vec` then lets Gymnasium's env step in
            worker processes, and warns with that sentence.
        describe_kwargs: names and defaults of the user's keyword arguments, where they are others than the native
            env declares; called only if ``is_installed()``.
        kwargs_docs: a line on each keyword argument (or more of them) that the native env does not document itself.
    """
    entry = ResourcesEntry(factory, extra, is_installed, why_not, describe_kwargs, dict(kwargs_docs or {}))
    _resources[env_id] = entry
    if env_id in _types:
        _types[env_id] = replace(_types[env_id], resources=entry)


def described(core: _core.EnvType, library: str) -> NativeEnvType:
    """The record of an env type of a library, with what was declared for its id. It is not in the table yet."""
    return NativeEnvType(core.id, core, library, _counterparts.get(core.id), _resources.get(core.id))


def add(native: NativeEnvType) -> None:
    """Put an env type into the table; its id is then offered."""
    _types[native.id] = native
    _left_out.pop(native.id, None)


def remove(env_id: str) -> NativeEnvType:
    """Take an env type out of the table. KeyError: it is not there."""
    return _types.pop(env_id)


def leave_out(reasons: Mapping[str, str]) -> None:
    """Note why ids are not offered: ``{id: reason}``."""
    _left_out.update(reasons)


def note_plugin_error(message: str) -> None:
    """Note why a plugin was not loaded; the error for an id that is not found says it again."""
    _plugin_errors.append(message)


def find(env_id: str) -> NativeEnvType | None:
    """The native env type with this id (with or without the prefix ``fastvec/``), or None."""
    return _types.get(_native_name(env_id))


def get(env_id: str) -> NativeEnvType:
    """The native env type with exactly this id. KeyError: there is none."""
    return _types[env_id]


def _native_name(env_id: str) -> str:
    return env_id.removeprefix("fastvec:").removeprefix("fastvec/")


def list_envs() -> list[str]:
    """The ids of all native envs, sorted."""
    return sorted(_types)


def left_out() -> dict[str, str]:
    """Native ids that are not offered, and why: Gymnasium lacks the env, or somebody else has the id."""
    return dict(_left_out)


def near_ids(env_id: str, others: Iterable[str] = ()) -> list[str]:
    """Known ids that look like ``env_id``, best first."""
    known = sorted({*_types, *others})
    by_lower = {name.lower(): name for name in known}
    return [by_lower[name] for name in difflib.get_close_matches(env_id.lower(), by_lower, n=3, cutoff=0.5)]


def no_native_env(env_id: str) -> UnknownEnvError:
    """The error for an id that Gymnasium has and fastvec has not."""
    why = _left_out.get(_native_name(env_id))
    reason = "" if why is None else f": {why}"
    return UnknownEnvError(
        f"there is no native env with the id {env_id!r}{reason}; backend='process' takes Gymnasium's"
    )


def unknown_env(env_id: str, others: Iterable[str] = ()) -> UnknownEnvError:
    """The error for an id that nobody knows, with the ids that are near, or why it is left out here."""
    why = _left_out.get(_native_name(env_id))
    if why is not None:
        return UnknownEnvError(f"there is no env with the id {env_id!r}: {why}")
    near = near_ids(env_id, others)
    hint = f"; did you mean {', '.join(near)}?" if near else "; fastvec.list_envs() lists the native ones"
    broken = "".join(f"\n{message}" for message in _plugin_errors)
    return UnknownEnvError(f"there is no env with the id {env_id!r}{hint}{broken}")
