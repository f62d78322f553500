"""One vector of three envs per backend, shared by the tests of a module: starting an emulator or a worker is slow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.backends import BACKENDS, make_backend


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend's name; skips the games where there is no ale-py."""
    if request.param == "ale":
        pytest.importorskip("ale_py")
    return str(request.param)


@pytest.fixture(scope="module")
def pair(backend: str) -> Iterator[tuple[Any, Any]]:
    """Two vectors of the same envs."""
    made = make_backend(backend), make_backend(backend)
    yield made
    for envs in made:
        envs.close()


@pytest.fixture
def envs(pair: tuple[Any, Any]) -> Any:
    """A vector that was reset with seed 1."""
    pair[0].reset(seed=1)
    return pair[0]


@pytest.fixture
def twin(pair: tuple[Any, Any], envs: Any) -> Any:
    """Another one, reset with the same seed."""
    pair[1].reset(seed=1)
    return pair[1]
