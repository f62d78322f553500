"""The Box2D library inside the ``box2d`` package: its functions' addresses, and the proof that it is the known one."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fastvec.envs.box2d.proof import STEPS, import_box2d, play

__all__ = ["BOX2D_VERSION", "DISTRIBUTIONS", "addresses", "is_installed", "why_not"]

#: The release of the ``box2d`` package whose library the native envs work with.
BOX2D_VERSION = "2.3.10"
#: Packages that bring the module ``Box2D``.
DISTRIBUTIONS = ("box2d", "box2d-py", "box2d-kengz", "gymnasium-box2d")

# In the order in which cpp/envs/box2d/library.cpp reads them. The names are those of the Itanium C++ ABI.
_FUNCTIONS = (
    "_ZN7b2WorldC1ERK6b2Vec2",
    "_ZN7b2WorldD1Ev",
    "_ZN7b2World4StepEfii",
    "_ZN7b2World10CreateBodyEPK9b2BodyDef",
    "_ZN7b2World11DestroyBodyEP6b2Body",
    "_ZN7b2World11CreateJointEPK10b2JointDef",
    "_ZN7b2World18SetContactListenerEP17b2ContactListener",
    "_ZNK7b2World7RayCastEP17b2RayCastCallbackRK6b2Vec2S4_",
    "_ZN6b2Body13CreateFixtureEPK12b2FixtureDef",
    "_ZN14b2PolygonShape3SetEPK6b2Vec2i",
    "_ZN14b2PolygonShape8SetAsBoxEff",
    "_ZN15b2RevoluteJoint13SetMotorSpeedEf",
    "_ZN15b2RevoluteJoint17SetMaxMotorTorqueEf",
    "_ZNK15b2RevoluteJoint13GetJointAngleEv",
    "_ZNK15b2RevoluteJoint13GetJointSpeedEv",
)
_VIRTUAL_TABLES = ("_ZTV14b2PolygonShape", "_ZTV11b2EdgeShape")
_TABLE_HEADER = 2 * ctypes.sizeof(ctypes.c_void_p)  # before the first function: an offset and the type's description


def is_installed() -> bool:
    """Whether some package has the module ``Box2D``."""
    return importlib.util.find_spec("Box2D") is not None


@cache
def addresses() -> tuple[int, ...]:
    """The functions and virtual tables of the very library that the package's bindings call.

    Raises:
        ImportError: there is no such library, or it does not show one of them; the message names it.
    """
    library = ctypes.CDLL(str(_library_path()))
    found = []
    for name in _FUNCTIONS:
        found.append(_address(ctypes.cast(_symbol(library, name), ctypes.c_void_p).value))
    for name in _VIRTUAL_TABLES:
        _symbol(library, name)
        found.append(ctypes.addressof(ctypes.c_char.in_dll(library, name)) + _TABLE_HEADER)
    return tuple(found)


def _library_path() -> Path:
    folder = Path(import_box2d().__file__).parent
    for path in folder.glob("_Box2D*"):
        if path.suffix in (".so", ".pyd"):
            return path
    raise ImportError(f"the Box2D package in {folder} has no library _Box2D")


def _symbol(library: ctypes.CDLL, name: str) -> Any:
    try:
        return getattr(library, name)
    except AttributeError:
        raise ImportError(f"the installed Box2D does not show {name}") from None


def _address(value: int | None) -> int:
    assert value is not None
    return value


@cache
def why_not(env_library: str) -> str | None:
    """Why the native envs of ``env_library`` (a path) cannot be made with the installed Box2D, or None.

    The library is proved once per process: a scene that C++ steps by our declarations has to give the bytes that the
    package's own bindings give.
    """
    version = _installed_version()
    if version != f"box2d {BOX2D_VERSION}":
        return f"the native envs work with box2d {BOX2D_VERSION}, and what is installed is {version}"
    try:
        known = addresses()
        expected = play()
    except Exception as error:  # a damaged package raises anything
        return f"the installed Box2D cannot be used: {error}"
    found = _native_scene(env_library, known, expected.size)
    if isinstance(found, str):
        return found
    if found.tobytes() != expected.tobytes():
        return "the installed Box2D does not behave as the one that the native envs know: a test scene differs"
    return None


def _installed_version() -> str:
    for name in DISTRIBUTIONS:
        try:
            return f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return "a Box2D of an unknown package"


def _native_scene(env_library: str, known: Sequence[int], size: int) -> np.ndarray | str:
    scene = ctypes.CDLL(env_library).fastvec_box2d_scene
    scene.restype = ctypes.c_int64
    scene.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64]
    handles = np.array(known, np.int64)
    numbers = np.zeros(size, np.float32)
    count = scene(handles.ctypes.data, handles.size, STEPS, numbers.ctypes.data, numbers.size)
    if count == -1:
        return "the installed Box2D has worlds of another size than the one that the native envs know"
    if count == -2:
        return "the installed Box2D keeps another history in its worlds than the one that the native envs know"
    if count != size:
        return f"the installed Box2D failed in a test scene: expected {size} numbers, got {count}"
    return numbers
