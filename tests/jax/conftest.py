"""JAX's tests run in a process of their own (`pytest tests/jax`): what forks beside JAX's threads is warned of."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest

import fastvec
from support.compiling import NUMBERS, compile_library
from support.native import FIXTURES


@pytest.fixture
def x64() -> Iterator[None]:
    """64-bit numbers, so that bytes can be compared."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session", autouse=True)
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Loads "Faulty-v0", whose action says what it does, and "Rich-v0", with every kind of space."""
    folder = tmp_path_factory.mktemp("plugins")
    for name in ("faulty", "rich"):
        fastvec.load_plugin(compile_library(FIXTURES / f"{name}.cpp", folder / f"{name}.so", flags=NUMBERS))
