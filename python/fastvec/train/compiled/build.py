"""From a function to a shared library: our code generator or PyTorch's inductor writes C++, a compiler builds it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from fastvec.train.compiled.cache import ArtifactCache
from fastvec.train.compiled.codegen.emit import program
from fastvec.train.compiled.recording import Recording
from fastvec.train.compiled.runtime import STAND_INS, discard, runtime

OPTIMISATION = "O1"
"""Compilers' effort. Kernels are written with vector types, so more gains little: on CartPole's gradient step, 9 s at
-O1 and 13 s at -O3 for code that is 5 to 10% faster."""

OPTIONS: dict[str, Any] = {
    # 2 / (1 + exp(-2x)) - 1, off by 1e-7 at most: a third of a small network's time was spent on an exacter tanh.
    "cpp.use_decompose_tanh": True,
    # The C++ alone, without the object files: those are built here, several at once.
    "aot_inductor.package": True,
    "aot_inductor.package_cpp_only": True,
    # Headers are not built beforehand: nothing here would use them (7 s for each program).
    "aot_inductor.precompile_headers": False,
    # What a processor says of itself is believed; trying it out takes a build for each set of instructions.
    "cpp.vec_isa_ok": True,
}

LIBRARY = "program.so"

NOT_WANTED = ("O3", "g1", "Wall", "pedantic", "fno-omit-frame-pointer")
"""Flags of inductor's that are for its developers, or are replaced by others."""


CODEGEN_FLAGS = (
    *("-O2", "-ftree-vectorize", "-march=native", "-fopenmp-simd"),
    *("-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-w"),
)
"""For programs by our own generator. They keep NaN and infinities, and the order of operations but in sums."""


class BuildError(RuntimeError):
    """There is no compiler, or it failed."""


def key_of(recording: Recording) -> str:
    """What tells programs of inductor's apart: the operations, how their inputs lie, and all that makes them code."""
    return digest(
        recording.text,
        f"torch {torch.__version__} {torch.version.git_version} threads {torch.get_num_threads()}",
        f"{sorted(OPTIONS.items())} {OPTIMISATION}",
    )


def generated_key_of(recording: Recording) -> str:
    """The same for those of our own generator, of which its text is a part."""
    return digest(recording.text, generator(), " ".join(CODEGEN_FLAGS))


def digest(*parts: str) -> str:
    """A key, of this machine and its compiler too."""
    return hashlib.sha256("\n\0".join([*parts, processor(), compiler_version()]).encode()).hexdigest()[:40]


@lru_cache
def generator() -> str:
    """The text of all that turns graphs into C++."""
    files = sorted(x for x in (Path(__file__).parent / "codegen").iterdir() if x.suffix in (".py", ".h"))
    return "".join(x.read_text() for x in files)


class Build:
    """A shared library that is being built, by a process of its own.

    Args:
        write: writes source files into a folder and returns commands that make ``program.so`` there. If one fails, the
            next is tried.
        key: under which ``cache`` keeps it.
        cache: where it is kept.

    Raises:
        BuildError: there is no compiler, or ``write`` raised that.
    """

    def __init__(self, write: Callable[[Path, str], list[list[str]]], key: str, cache: ArtifactCache) -> None:
        compiler = find_compiler()
        if compiler is None:
            raise BuildError("there is no C++ compiler (g++, clang++, or the one that $CXX names)")
        self.key, self.cache = key, cache
        folder = Path(tempfile.mkdtemp(prefix="fastvec-compile-"))
        self._library = folder / LIBRARY
        self._log = folder / "log"
        try:
            self._commands = write(folder, compiler)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._start()

    def _start(self) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._commands.pop(0),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self._log.parent,
            )
        self._discard = weakref.finalize(self, discard, self._process, self._log.parent)

    def finish(self) -> Path:
        """Wait for it; the library's path, in the cache where that can be written, else valid until :meth:`close`.

        Raises:
            BuildError: the compiler failed.
        """
        while self._process.wait():
            if not self._commands:
                raise BuildError("the C++ compiler failed:\n" + self._log.read_text(errors="replace")[-2000:])
            self._discard.detach()
            self._start()  # a PyTorch for which the short way does not do
        try:
            return self.cache.put(self.key, self._library)
        except OSError:  # a full disk, a directory that is not the user's: nothing is kept then
            return self._library

    def close(self) -> None:
        """Remove all that is not in the cache. A compiler at work is stopped."""
        self._discard()


def write_generated(recording: Recording, folder: Path, compiler: str) -> list[list[str]]:
    """Let our own generator write a program.

    Raises:
        Unsupported: it has no code for something in it.
    """
    source = folder / "program.cpp"
    source.write_text(program(recording.graph))
    return [[compiler, *CODEGEN_FLAGS, str(source), "-o", str(folder / LIBRARY)]]


def write_by_inductor(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    recording: Recording,
    folder: Path,
    compiler: str,
) -> list[list[str]]:
    """Let inductor write a program.

    Raises:
        BuildError: it cannot.
    """
    own_part = runtime(compiler, OPTIMISATION)
    try:
        from fastvec.train.compiled import source  # 3 s, which only they have to wait who build something so

        options = {**OPTIONS, "cpp.cxx": (compiler,)}
        files = source.write(function, arguments, recording.captured, folder / "source", options)
    except Exception as error:  # whatever a user's own network does that no graph can hold
        raise BuildError(str(error)) from error
    flags = json.loads(next(x for x in files if x.name.endswith("_linker_flags.json")).read_text())
    sources = [x for x in files if x.suffix in (".cpp", ".o")]
    library = folder / LIBRARY
    commands = [command(compiler, flags, sources, library)]
    programs = [x for x in sources if x.suffix == ".cpp"]
    lean = own_part.without(programs[0]) if len(programs) == 1 else None
    if lean is not None:
        others = [x for x in sources if x not in programs]
        words = command(compiler, flags, [lean, *others, own_part.object], library, headers=[STAND_INS])
        commands.insert(0, words)
    return commands


def command(
    compiler: str, flags: dict[str, Any], sources: Sequence[Path], library: Path, *, headers: Sequence[Path] = ()
) -> list[str]:
    """The one call of the compiler that makes ``library`` from inductor's files, with flags as inductor has them.

    Headers in ``headers`` come before all others of their name.
    """
    words = [compiler, f"-{OPTIMISATION}", "-shared"]
    words += [f"-D{x.strip()}" for x in flags["definitions"] if "PRECOMPILE" not in x]
    words += [f"-{x}" for x in flags["cflags"] if x not in NOT_WANTED]
    words += [f"-I{x}" for x in [*headers, *flags["include_dirs"]]]
    words += [word for x in flags["passthrough_args"] for word in x.split()]
    words += [*map(str, sources), "-o", str(library), "-w"]
    words += [f"-{x}" for x in flags["ldflags"]]
    words += [f"-L{x}" for x in flags["libraries_dirs"]]
    return words + [f"-l{x}" for x in flags["libraries"]] + ["-Wl,-z,noexecstack"]


@lru_cache
def find_compiler() -> str | None:
    """The path of the C++ compiler; None where there is none."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "c++"]
    return next((path for path in map(shutil.which, names) if path), None)


@lru_cache
def compiler_version() -> str:
    """What the compiler says of itself; "" where there is none."""
    compiler = find_compiler()
    if compiler is None:
        return ""
    return compiler + subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout


@lru_cache
def processor() -> str:
    """What this machine's instructions are: code is built for exactly these."""
    flags = ""
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        lines = cpuinfo.read_text(errors="replace").splitlines()
        flags = " ".join(dict.fromkeys(x for x in lines if x.lower().startswith(("flags", "features", "model name"))))
    return f"{platform.system()} {platform.machine()} {torch.backends.cpu.get_cpu_capability()} {flags}"
