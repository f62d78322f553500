"""Fixtures of the native tests: the env libraries of tests/cpp/fixtures, compiled once per session, and the tally."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fastvec
from support.compiling import NUMBERS, compile_library
from support.differential import Tally
from support.extended import is_extended
from support.native import FIXTURES


@pytest.hookimpl(tryfirst=True)  # before what -m leaves out is left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what support/extended.py names."""
    here = Path(__file__).parent
    for item in items:
        path, name = item.path, getattr(item, "originalname", item.name)
        if path.is_relative_to(here) and is_extended(path.relative_to(here).as_posix(), name):
            item.add_marker("extended")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_an_interrupt() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt here and ends child processes, however pytest was started.

    A shell has its background jobs ignore SIGINT, and what ignores it passes that on to its children.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``build(source name, *flags)``: the path of a library, compiled once for the same source and flags."""
    folder = tmp_path_factory.mktemp("plugins")
    built: dict[tuple[str, ...], Path] = {}

    def make(name: str, *flags: str, suffix: str = "") -> Path:
        key = (name, suffix, *flags)
        if key not in built:
            target = folder / f"{name}{suffix}.so"
            built[key] = compile_library(FIXTURES / f"{name}.cpp", target, flags=(*NUMBERS, *flags))
        return built[key]

    return make


@pytest.fixture(scope="session")
def faulty_library(build: Callable[..., Path]) -> Path:
    """The library of Faulty-v0 and Failing-v0, not yet loaded here."""
    return build("faulty")


@pytest.fixture(scope="session")
def faulty(faulty_library: Path) -> str:
    """The id of an env that fails on demand: see tests/cpp/fixtures/faulty.cpp."""
    fastvec.load_plugin(faulty_library)
    return "Faulty-v0"


@pytest.fixture(scope="session")
def rich(build: Callable[..., Path]) -> str:
    """The id of an env with every kind of space: see tests/cpp/fixtures/rich.cpp."""
    fastvec.load_plugin(build("rich"))
    return "Rich-v0"


@pytest.fixture(scope="module")
def tally() -> Tally:
    """Counts a module's differential cases."""
    return Tally()


@pytest.fixture
def closing() -> Iterator[Callable[[Any], Any]]:
    """Collects vectors and closes them when the test ends."""
    made: list[Any] = []

    def keep(envs: Any) -> Any:
        made.append(envs)
        return envs

    yield keep
    for envs in made:
        envs.close()
