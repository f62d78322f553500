"""The native env types: built in, from installed plugins, and loaded by path."""

from __future__ import annotations

import difflib
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
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


@dataclass(frozen=True)
class _Loaded:
    """What is loaded from a path: which build of it, and the ids that it added."""

    build: tuple[int, ...] | None
    env_ids: tuple[str, ...]


_envs: dict[str, NativeEnv] = {}
_loaded: dict[str, _Loaded] = {}  # by path
_left_out: dict[str, str] = {}  # id: why it is not offered here
_plugin_errors: list[str] = []  # why plugins were not loaded
_entry_points_read = False


def load_plugin(path: str | Path) -> list[str]:
    """Load an env library and make its ids known to fastvec and Gymnasium.

    A library that was built again since it was loaded is loaded anew: its ids then make vectors with the new code,
    and those that it has no more are forgotten. Vectors that were made before go on with the old code, which stays in
    memory until the process ends. (Have it built into a new file, as linkers do: to write over a file that is loaded
    changes code that is running.)

    Args:
        path: the shared library that ``fastvec_add_plugin`` built.

    Returns:
        The ids it adds. Loading a library again that is the same changes nothing.

    Raises:
        ImportError: the file cannot be loaded, is no env library, or needs another ABI version.
        ValueError: one of its ids is malformed, or taken by another library; both are named.
        In both cases everything is as it was.
    """
    env_ids, refused = _load(path, partly=False)
    assert not refused
    return env_ids


def _load(path: str | Path, *, partly: bool) -> tuple[list[str], list[str]]:
    """What :func:`load_plugin` does; ``partly``: where some ids cannot be taken, take the others, and say why not all.

    Returns:
        The ids, and why others are not among them.
    """
    from fastvec.gymnasium_registration import forget_in_gymnasium, missing_counterpart, register_with_gymnasium

    library = str(Path(path).resolve())
    build = _build_of(library)
    before = _loaded.get(library)
    if before is not None and build in (None, before.build):
        return list(before.env_ids), []
    types = _core.load_plugin(library) if before is None else _load_beside(library)
    refused = {core.id: why for core in types if (why := _refusal(core.id, library)) is not None}
    if refused and not partly:
        raise ValueError(next(iter(refused.values())))
    for env_id in before.env_ids if before is not None else ():
        del _envs[env_id]
        forget_in_gymnasium(env_id)
    missing = {core.id: why for core in types if (why := missing_counterpart(core.id)) is not None}
    _left_out.update(missing | {env_id: why for env_id, why in refused.items() if env_id not in _envs})
    offered = [core for core in types if core.id not in refused and core.id not in missing]
    for core in offered:
        _envs[core.id] = NativeEnv(core.id, core, library)
        _left_out.pop(core.id, None)
    _loaded[library] = _Loaded(build, tuple(core.id for core in offered))
    register_with_gymnasium(_loaded[library].env_ids)
    return list(_loaded[library].env_ids), list(refused.values())


def _refusal(env_id: str, library: str) -> str | None:
    """Why this library cannot have this id, or None."""
    from fastvec.gymnasium_registration import owner_in_gymnasium

    form = _ID_FORM.fullmatch(env_id)
    if form is None or form["namespace"] == "fastvec":
        return (
            f"{library}: expected env ids of the form 'Name-v0' or 'namespace/Name-v0' (other than 'fastvec/'), "
            f"got {env_id!r}"
        )
    taken = _envs.get(env_id)
    if taken is not None and taken.library == library:
        return None
    other = taken.library if taken is not None else owner_in_gymnasium(env_id)
    return None if other is None else f"env id {env_id!r} is claimed by two libraries: {other} and {library}"


def _build_of(library: str) -> tuple[int, ...] | None:
    """Tells two builds of a library apart; None for a file that is not there."""
    try:
        status = os.stat(library)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _load_beside(library: str) -> list[Any]:
    """The env types of a library that is loaded already, from what its file holds now.

    The system's loader knows libraries by their paths and would give the old one again: so it gets a copy.
    """
    with tempfile.TemporaryDirectory(prefix="fastvec-") as folder:
        copy = shutil.copy(library, folder)
        try:
            return _core.load_plugin(copy)
        except ImportError as error:
            raise ImportError(str(error).replace(copy, library)) from None


def load_builtin() -> None:
    """Load the libraries that come with fastvec."""
    from fastvec.envs import box2d, mujoco

    box2d.register_resources()
    mujoco.register_resources()
    suffix = _LIBRARY_SUFFIXES.get(sys.platform, ".so")
    folder = Path(_core.__file__).parent / "plugins"
    for library in sorted(folder.glob(f"fastvec_*{suffix}")):
        for why in _load(library, partly=True)[1]:  # somebody has registered fastvec/... with Gymnasium
            _report(f"fastvec's own {library.name} cannot be loaded as a whole: {why}")


def load_entry_points() -> None:
    """Load the libraries of installed packages: entry points of the group ``fastvec.plugins``.

    An entry point names an object: a path, a list of paths, or a function that returns either. What cannot be loaded
    of it is reported by a warning, and again by the error for an id that is not found: it takes with it neither
    fastvec (not even where warnings are errors), nor other plugins, nor what else the package has.
    """
    global _entry_points_read
    if _entry_points_read:
        return
    _entry_points_read = True
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        name = f"the fastvec plugin {entry_point.name!r} ({entry_point.value})"
        try:
            found = entry_point.load()
            found = found() if callable(found) else found
            paths = [found] if isinstance(found, (str, Path)) else list(found)
        except (Exception, SystemExit) as error:
            _report(f"{name} cannot be loaded: {_described(error)}")
            continue
        for path in paths:
            try:
                _, refused = _load(path, partly=True)
            except Exception as error:
                _report(f"{name} cannot be loaded: {_described(error)}")
            else:
                for why in refused:
                    _report(f"{name} cannot be loaded as a whole: {why}")


def _described(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _report(message: str) -> None:
    _plugin_errors.append(message)
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    except RuntimeWarning:  # warnings are errors here; this one would make fastvec itself impossible to import
        print(f"RuntimeWarning: {message}", file=sys.stderr)


def find(env_id: str) -> NativeEnv | None:
    """The native env type with this id (with or without the prefix ``fastvec/``), or None."""
    return _envs.get(_native_name(env_id))


def get(env_id: str) -> NativeEnv:
    """The native env type with exactly this id. KeyError: there is none."""
    return _envs[env_id]


def _native_name(env_id: str) -> str:
    return env_id.removeprefix("fastvec:").removeprefix("fastvec/")


def list_envs() -> list[str]:
    """The ids of all native envs, sorted."""
    return sorted(_envs)


def left_out() -> dict[str, str]:
    """Native ids that are not offered, and why: Gymnasium lacks the env, or somebody else has the id."""
    return dict(_left_out)


def near_ids(env_id: str, others: Iterable[str] = ()) -> list[str]:
    """Known ids that look like ``env_id``, best first."""
    known = sorted({*_envs, *others})
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
