"""The MuJoCo library that the ``mujoco`` package loaded, and its functions' addresses."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import mujoco

__all__ = ["Functions", "function_addresses"]


@dataclass(frozen=True)
class Functions:
    """Addresses, in the order of the handles (cpp/envs/mujoco/simulator.cpp); 0 where MuJoCo has none."""

    mj_step: int
    mj_forward: int
    mj_resetData: int
    mj_rnePostConstraint: int
    mj_getState: int
    mj_setState: int
    mju_user_error: int
    mju_user_warning: int
    mju_writeLog: int

    def as_tuple(self) -> tuple[int, ...]:
        """The addresses, in order."""
        return astuple(self)


_FUNCTIONS = ("mj_step", "mj_forward", "mj_resetData", "mj_rnePostConstraint", "mj_getState", "mj_setState")
_VARIABLES = ("mju_user_error", "mju_user_warning")


@cache
def function_addresses() -> Functions:
    """The functions of the very library that the bindings call.

    Raises:
        ImportError: this version of MuJoCo lacks one of them; the message names it.
    """
    library = ctypes.CDLL(_library_path())
    addresses = {}
    for name in _FUNCTIONS:
        addresses[name] = _address(ctypes.cast(_symbol(library, name), ctypes.c_void_p).value)
    for name in _VARIABLES:
        try:
            addresses[name] = ctypes.addressof(ctypes.c_void_p.in_dll(library, name))
        except ValueError:
            raise _missing(name) from None
    try:
        addresses["mju_writeLog"] = _address(ctypes.cast(library.mju_writeLog, ctypes.c_void_p).value)
    except AttributeError:
        addresses["mju_writeLog"] = 0
    return Functions(**addresses)


def _library_path() -> str:
    """A file whose symbols are MuJoCo's: elsewhere than on Windows, an extension module that links against it."""
    if sys.platform == "win32":
        return str(next(Path(mujoco.__file__).parent.glob("mujoco*.dll")))
    from mujoco import _functions

    return str(_functions.__file__)


def _symbol(library: ctypes.CDLL, name: str) -> Any:
    try:
        return getattr(library, name)
    except AttributeError:
        raise _missing(name) from None


def _address(value: int | None) -> int:
    assert value, "a symbol without an address"
    return value


def _missing(name: str) -> ImportError:
    return ImportError(
        f"mujoco {mujoco.__version__} has no {name}, which fastvec's native envs need: "
        "install a version that fastvec[mujoco] names, or use backend='process'"
    )
