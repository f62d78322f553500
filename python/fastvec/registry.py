"""The native env types: built in, from installed plugins, and loaded by path."""

from __future__ import annotations

import difflib
import importlib.metadata
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastvec import _core
from fastvec.errors import UnknownEnvError

__all__ = ["NativeEnv", "find", "list_envs", "load_plugin", "near_ids"]

ENTRY_POINT_GROUP = "fastvec.plugins"
_LIBRARY_SUFFIXES = {"linux": ".so", "darwin": ".so", "win32": ".dll"}


@dataclass(frozen=True)
class NativeEnv:
    """A native env type.

    Attributes:
        id: such as ``"CartPole-v1"``.
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
_entry_points_read = False


def load_plugin(path: str | Path) -> list[str]:
    """Load an env library and make its ids known to fastvec and Gymnasium.

    Args:
        path: the shared library that ``fastvec_add_plugin`` built.

    Returns:
        The ids it adds. Loading a library again changes nothing.

    Raises:
        ImportError: the file cannot be loaded, is no env library, or needs another ABI version.
        ValueError: one of its ids is taken by another library; both are named.
    """
    library = str(Path(path).resolve())
    if library in _loaded:
        return list(_loaded[library])
    types = _core.load_plugin(library)
    for core in types:
        taken = _envs.get(core.id)
        if taken is not None:
            raise ValueError(f"env id {core.id!r} is claimed by two libraries: {taken.library} and {library}")
    for core in types:
        _envs[core.id] = NativeEnv(core.id, core, library)
    _loaded[library] = [core.id for core in types]
    from fastvec.registration import register_with_gymnasium

    register_with_gymnasium(_loaded[library])
    return list(_loaded[library])


def load_builtin() -> None:
    """Load the libraries that come with fastvec."""
    suffix = _LIBRARY_SUFFIXES.get(sys.platform, ".so")
    folder = Path(_core.__file__).parent / "plugins"
    for library in sorted(folder.glob(f"fastvec_*{suffix}")):
        load_plugin(library)


def load_entry_points() -> None:
    """Load the libraries of installed packages: entry points of the group ``fastvec.plugins``.

    An entry point names an object: a path, a list of paths, or a function that returns either.
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
            raise ImportError(
                f"the fastvec plugin {entry_point.name!r} ({entry_point.value}) cannot be loaded: {error}"
            ) from error


def find(env_id: str) -> NativeEnv | None:
    """The native env type with this id (with or without the prefix ``fastvec/``), or None."""
    name = env_id.removeprefix("fastvec:").removeprefix("fastvec/")
    return _envs.get(name)


def list_envs() -> list[str]:
    """The ids of all native envs, sorted."""
    return sorted(_envs)


def near_ids(env_id: str, others: Iterable[str] = ()) -> list[str]:
    """Known ids that look like ``env_id``, best first."""
    known = sorted({*_envs, *others})
    by_lower = {name.lower(): name for name in known}
    return [by_lower[name] for name in difflib.get_close_matches(env_id.lower(), by_lower, n=3, cutoff=0.5)]


def unknown_env(env_id: str, others: Iterable[str] = ()) -> UnknownEnvError:
    """The error for an id that nobody knows, with the ids that are near."""
    near = near_ids(env_id, others)
    hint = f"; did you mean {', '.join(near)}?" if near else "; fastvec.list_envs() lists the native ones"
    return UnknownEnvError(f"there is no env with the id {env_id!r}{hint}")
