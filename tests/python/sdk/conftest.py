"""Env libraries for the tests, compiled once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import fastvec
from support.compiling import compile_library, compile_object, compiler, run

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

Compile = Callable[..., Path]


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of fixtures/everything.cpp, loaded."""
    folder = tmp_path_factory.mktemp("everything")
    library = compile_library(HERE / "fixtures" / "everything.cpp", folder / "everything.so")
    fastvec.load_plugin(library)
    return library


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of tests/cpp/broken, built with CMake and find_package(fastvec), loaded."""
    if shutil.which("cmake") is None:
        pytest.skip("there is no cmake")
    compiler()
    folder = tmp_path_factory.mktemp("broken")
    run("cmake", "-S", ROOT / "tests" / "cpp" / "broken", "-B", folder, f"-Dfastvec_DIR={fastvec.get_cmake_dir()}")
    run("cmake", "--build", folder)
    fastvec.load_plugin(folder / "broken.so")
    return folder / "broken.so"


@pytest.fixture(scope="session")
def tiny_object(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fixtures/tiny.cpp without its id, compiled once."""
    return compile_object(HERE / "fixtures" / "tiny.cpp", tmp_path_factory.mktemp("tiny") / "tiny.o")


@pytest.fixture
def tiny(tiny_object: Path, tmp_path: Path) -> Compile:
    """Libraries with one small env: ``tiny(env_id, name="x")`` is the path of ``x.so``, compiled but for the id."""

    def link(env_id: str, name: str = "library", *, minor: int = 3) -> Path:
        source = tmp_path / f"{name}.cpp"
        source.write_text(f'extern const char* const tiny_id = "{env_id}";\nextern const int tiny_minor = {minor};\n')
        return compile_library(source, tmp_path / f"{name}.so", objects=(tiny_object,))

    return link


@pytest.fixture
def compile_text(tmp_path: Path) -> Compile:
    """Compiles C++ source text to a library: ``compile_text(text, name="x")``."""

    def compile_it(text: str, name: str = "library", **arguments: object) -> Path:
        source = tmp_path / f"{name}.cpp"
        source.write_text(text)
        return compile_library(source, tmp_path / f"{name}.so", **arguments)  # type: ignore[arg-type]

    return compile_it
