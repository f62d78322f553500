"""NVIDIA's runtime compiler: a library that turns source into PTX on any machine, with or without a GPU."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Compiled", "compile_program", "is_installed", "version"]

INSTALL = 'pip install "fastvec[gpu-kernels]" (that is nvidia-cuda-nvrtc and nvidia-cuda-cccl)'


class Compiled(NamedTuple):
    """What one compilation gave.

    Attributes:
        ptx: None if there were errors.
        log: errors and warnings; empty if there were none.
    """

    ptx: str | None
    log: str


def is_installed() -> bool:
    """Are the compiler and libcu++ there?"""
    try:
        _library()
        _libcuxx()
    except ImportError:
        return False
    return True


def version() -> tuple[int, int]:
    """Of the compiler, which decides the oldest driver that loads its PTX."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check(_library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return major.value, minor.value


def compile_program(text: str, *, name: str, headers: Mapping[str, str], options: Sequence[str]) -> Compiled:
    """Compile one program.

    Args:
        text: its source.
        name: of the file, for messages.
        headers: further files by the names under which the program includes them.
        options: NVRTC's; the include path of libcu++ is added.

    Raises:
        ImportError: the compiler or libcu++ is not installed.
        RuntimeError: the compiler cannot be used, or refuses an option.
    """
    library = _library()
    arguments = [*options, f"--include-path={_libcuxx()}"]
    program = ctypes.c_void_p()
    _check(
        library.nvrtcCreateProgram(
            ctypes.byref(program),
            text.encode(),
            name.encode(),
            len(headers),
            _strings(list(headers.values())),
            _strings(list(headers)),
        )
    )
    try:
        status = library.nvrtcCompileProgram(program, len(arguments), _strings(arguments))
        log = _text(library.nvrtcGetProgramLogSize, library.nvrtcGetProgramLog, program).strip()
        if status == _COMPILATION:
            return Compiled(None, log)
        if status != 0:
            raise RuntimeError(f"{_message(status)}: {log}" if log else _message(status))
        return Compiled(_text(library.nvrtcGetPTXSize, library.nvrtcGetPTX, program), log)
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


_COMPILATION = 6  # NVRTC_ERROR_COMPILATION


def _strings(values: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * len(values))(*(value.encode() for value in values))


def _text(size_of: ctypes._FuncPointer, read: ctypes._FuncPointer, program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    _check(size_of(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(read(program, buffer))
    return buffer.value.decode(errors="replace")


def _message(status: int) -> str:
    describe = _library().nvrtcGetErrorString
    describe.restype = ctypes.c_char_p
    return f"NVRTC: {describe(status).decode()}"


def _check(status: int) -> None:
    if status != 0:
        raise RuntimeError(_message(status))


@functools.cache
def _library() -> ctypes.CDLL:
    """The compiler's library, from a wheel or a CUDA toolkit."""
    for folder in _folders("lib", "lib64", "lib/x86_64-linux-gnu"):
        for path in sorted(folder.glob("libnvrtc.so.*"), reverse=True):
            if "alt" in path.name:
                continue
            for builtins in folder.glob("libnvrtc-builtins.so.*"):  # found by its name once it is loaded
                ctypes.CDLL(str(builtins))
            return ctypes.CDLL(str(path))
    raise ImportError(f"NVRTC is not installed: {INSTALL}")


@functools.cache
def _libcuxx() -> Path:
    """The folder that has ``cuda/std``."""
    for folder in _folders("include/cccl", "include"):
        if (folder / "cuda" / "std" / "cmath").is_file():
            return folder
    raise ImportError(f"libcu++'s headers are not installed: {INSTALL}")


def _folders(*names: str) -> Iterator[Path]:
    """Where CUDA's parts may lie: in wheels' folders first, which fit each other."""
    for root in _roots():
        for name in names:
            if (root / name).is_dir():
                yield root / name


def _roots() -> Iterator[Path]:
    spec = importlib.util.find_spec("nvidia")
    for location in (spec.submodule_search_locations or []) if spec is not None else []:
        yield from sorted(Path(location).glob("cu[0-9]*"), reverse=True)
        yield from sorted(Path(location).glob("cuda_*"))
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if variable in os.environ:
            yield Path(os.environ[variable])
    yield Path("/usr/local/cuda")
    yield Path("/usr")
