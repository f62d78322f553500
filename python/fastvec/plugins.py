"""Loading env libraries: from the library into the registry of native types, and from there into Gymnasium's.

Libraries are those that come with fastvec, those of installed packages (by entry points), and those that
:func:`load_plugin` is given.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastvec import _core
from fastvec.envs import box2d, classic_control, mujoco, toy_text
from fastvec.envs.box2d import counterparts as box2d_counterparts
from fastvec.envs.mujoco import counterparts as mujoco_counterparts
from fastvec.gymnasium_registration import (
    forget_in_gymnasium,
    missing_counterpart,
    owner_in_gymnasium,
    register_with_gymnasium,
)
from fastvec.native import registry
from fastvec.native.env_type import NativeEnvType

__all__ = ["load_all", "load_plugin"]

ENTRY_POINT_GROUP = "fastvec.plugins"
_ID_FORM = re.compile(r"(?:(?P<namespace>[\w:-]+)/)?[\w:.-]+?-v\d+")  # Gymnasium's, with a version
_LIBRARY_SUFFIXES = {"linux": ".so", "darwin": ".so", "win32": ".dll"}


@dataclass(frozen=True)
class _Loaded:
    """What is loaded from a path: which build of it, and the ids that it added."""

    build: tuple[int, ...] | None
    env_ids: tuple[str, ...]


_loaded: dict[str, _Loaded] = {}  # by path
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
        ValueError: one of its ids is malformed, or taken by another library; both are named. In both cases everything
            is as it was.
    """
    env_ids, refused = _load(path, partly=False)
    assert not refused
    return env_ids


def _load(path: str | Path, *, partly: bool) -> tuple[list[str], list[str]]:
    """What :func:`load_plugin` does; ``partly``: where some ids cannot be taken, take the others, and say why not all.

    Returns:
        The ids, and why others are not among them.
    """
    library = str(Path(path).resolve())
    build = _build_of(library)
    before = _loaded.get(library)
    if before is not None and build in (None, before.build):
        return list(before.env_ids), []
    cores = _core.load_plugin(library) if before is None else _load_beside(library)
    types = [registry.described(core, library) for core in cores]
    refused = {native.id: why for native in types if (why := _refusal(native)) is not None}
    if refused and not partly:
        raise ValueError(next(iter(refused.values())))
    for env_id in before.env_ids if before is not None else ():
        forget_in_gymnasium(registry.remove(env_id))
    missing = {native.id: why for native in types if (why := missing_counterpart(native)) is not None}
    registry.leave_out(missing | {env_id: why for env_id, why in refused.items() if registry.find(env_id) is None})
    offered = [native for native in types if native.id not in refused and native.id not in missing]
    for native in offered:
        registry.add(native)
    _loaded[library] = _Loaded(build, tuple(native.id for native in offered))
    for native in offered:
        register_with_gymnasium(native)
    return list(_loaded[library].env_ids), list(refused.values())


def _refusal(native: NativeEnvType) -> str | None:
    """Why its library cannot have this id, or None."""
    env_id, library = native.id, native.library
    form = _ID_FORM.fullmatch(env_id)
    if form is None or form["namespace"] == "fastvec":
        return (
            f"{library}: expected env ids of the form 'Name-v0' or 'namespace/Name-v0' (other than 'fastvec/'), "
            f"got {env_id!r}"
        )
    taken = registry.find(env_id)
    if taken is not None and taken.library == library:
        return None
    other = taken.library if taken is not None else owner_in_gymnasium(native)
    return None if other is None else f"env id {env_id!r} is claimed by two libraries: {other} and {library}"


def _build_of(library: str) -> tuple[int, ...] | None:
    """Tells two builds of a library apart; None for a file that is not there."""
    try:
        status = Path(library).stat()
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


def load_all() -> None:
    """Load the libraries that come with fastvec, and those of installed packages."""
    for family in (classic_control, toy_text, mujoco_counterparts, box2d_counterparts):
        registry.declare_counterparts(family.COUNTERPARTS)
    box2d.register_resources()
    mujoco.register_resources()
    _load_builtin()
    _load_entry_points()


def _load_builtin() -> None:
    suffix = _LIBRARY_SUFFIXES.get(sys.platform, ".so")
    folder = Path(_core.__file__).parent / "plugins"
    for library in sorted(folder.glob(f"fastvec_*{suffix}")):
        for why in _load(library, partly=True)[1]:  # somebody has registered fastvec/... with Gymnasium
            _report(f"fastvec's own {library.name} cannot be loaded as a whole: {why}")


def _load_entry_points() -> None:
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
    registry.note_plugin_error(message)
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    except RuntimeWarning:  # warnings are errors here; this one would make fastvec itself impossible to import
        print(f"RuntimeWarning: {message}", file=sys.stderr)
