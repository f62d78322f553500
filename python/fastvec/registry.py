"""The native env types: built in, from installed plugins, and loaded by path."""

from __future__ import annotations

import difflib
import importlib.metadata
import re
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastvec import _core
from fastvec.errors import UnknownEnvError

__all__ = ["NativeEnv", "find", "left_out", "list_envs", "load_plugin", "near_ids"]

ENTRY_POINT_GROUP = "fastvec.plugins"
_ID_FORM = re.compile(r"(?:(?P<namespace>[\w:-]+)/)?[\w:.-]+?-v\d+")  # Gymnasium's, with a version
_LIBRARY_SUFFIXES = {"linux": ".so", "darwin": ".so", "win32": ".dll"}


@dataclass(frozen=True)
class NativeEnv:
    """A native env type.

    Attributes:
        id: such as ``"CartPole-v1"``, or ``"namespace/Name-v0"`` for most that do not come with fastvec.
        core: the handle that ``fastvec._core`` takes.
        library: path of the env library.
    """

    id: str
    core: Any
    library: str

    @property
    def kwargs(self) -> list[tuple[str, str, Any, str]]:
        """``(name, type, default, doc)`` of each keyword argument."""
        return self.core.kwargs

    @property
    def option_names(self) -> list[str]:
        """The names that ``reset(options=...)`` understands."""
        return [name for name, _ in self.core.options]


_envs: dict[str, NativeEnv] = {}
_loaded: dict[str, list[str]] = {}
_left_out: dict[str, str] = {}  # id: why it is not offered here
_plugin_errors: dict[str, str] = {}  # entry point: why it was not loaded
_entry_points_read = False


def load_plugin(path: str | Path) -> list[str]:
    """Load an env library and make its ids known to fastvec and Gymnasium.

    Args:
        path: the shared library that ``fastvec_add_plugin`` built.

    Returns:
        The ids it adds. Loading a library again changes nothing.

    Raises:
        ImportError: the file cannot be loaded, is no env library, or needs another ABI version.
        ValueError: one of its ids is malformed, or taken by another library; both are named.
    """
    from fastvec.registration import missing_counterpart, owner_in_gymnasium, register_with_gymnasium

    library = str(Path(path).resolve())
    if library in _loaded:
        return list(_loaded[library])
    types = _core.load_plugin(library)
    for core in types:
        form = _ID_FORM.fullmatch(core.id)
        if form is None or form["namespace"] == "fastvec":
            raise ValueError(
                f"{library}: expected env ids of the form 'Name-v0' or 'namespace/Name-v0' (other than 'fastvec/'), "
                f"got {core.id!r}"
            )
        taken = _envs.get(core.id)
        other = taken.library if taken is not None else owner_in_gymnasium(core.id)
        if other is not None:
            raise ValueError(f"env id {core.id!r} is claimed by two libraries: {other} and {library}")
    missing = {core.id: why for core in types if (why := missing_counterpart(core.id)) is not None}
    _left_out.update(missing)
    offered = [core for core in types if core.id not in missing]
    for core in offered:
        _envs[core.id] = NativeEnv(core.id, core, library)
    _loaded[library] = [core.id for core in offered]
    register_with_gymnasium(_loaded[library])
    return list(_loaded[library])


def load_builtin() -> None:
    """Load the libraries that come with fastvec."""
    from fastvec.mujoco import register_resources

    register_resources()
    suffix = _LIBRARY_SUFFIXES.get(sys.platform, ".so")
    folder = Path(_core.__file__).parent / "plugins"
    for library in sorted(folder.glob(f"fastvec_*{suffix}")):
        load_plugin(library)


def load_entry_points() -> None:
    """Load the libraries of installed packages: entry points of the group ``fastvec.plugins``.

    An entry point names an object: a path, a list of paths, or a function that returns either. One that cannot be
    loaded is reported by a warning, and again by the error for an id that is not found: it takes neither fastvec
    nor the other plugins with it.
    """
    global _entry_points_read
    if _entry_points_read:
        return
    _entry_points_read = True
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            found = entry_point.load()
            paths = found() if callable(found) else found
            for path in [paths] if isinstance(paths, (str, Path)) else paths:
                load_plugin(path)
        except Exception as error:
            message = f"the fastvec plugin {entry_point.name!r} ({entry_point.value}) cannot be loaded: {error}"
            _plugin_errors[entry_point.name] = message
            warnings.warn(message, RuntimeWarning, stacklevel=2)


def find(env_id: str) -> NativeEnv | None:
    """The native env type with this id (with or without the prefix ``fastvec/``), or None."""
    return _envs.get(_native_name(env_id))


def _native_name(env_id: str) -> str:
    return env_id.removeprefix("fastvec:").removeprefix("fastvec/")


def list_envs() -> list[str]:
    """The ids of all native envs, sorted."""
    return sorted(_envs)


def left_out() -> dict[str, str]:
    """Native ids that are not offered beside the installed Gymnasium, and why."""
    return dict(_left_out)


def near_ids(env_id: str, others: Iterable[str] = ()) -> list[str]:
    """Known ids that look like ``env_id``, best first."""
    known = sorted({*_envs, *others})
    by_lower = {name.lower(): name for name in known}
    return [by_lower[name] for name in difflib.get_close_matches(env_id.lower(), by_lower, n=3, cutoff=0.5)]


def unknown_env(env_id: str, others: Iterable[str] = ()) -> UnknownEnvError:
    """The error for an id that nobody knows, with the ids that are near, or why it is left out here."""
    why = _left_out.get(_native_name(env_id))
    if why is not None:
        return UnknownEnvError(f"there is no env with the id {env_id!r}: {why}")
    near = near_ids(env_id, others)
    hint = f"; did you mean {', '.join(near)}?" if near else "; fastvec.list_envs() lists the native ones"
    broken = "".join(f"\n{message}" for message in _plugin_errors.values())
    return UnknownEnvError(f"there is no env with the id {env_id!r}{hint}{broken}")
