"""Vectors for the tests of what all backends share.

Most are shared by the tests of a module: starting an emulator or a worker is slow.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gymnasium.vector import AutoresetMode

import fastvec
from support.backends import BACKENDS, NUM_ENVS, WITH_SYNC_VECTOR_ENV, make_backend, make_on
from support.gated import Gated


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


@pytest.fixture(scope="module", params=WITH_SYNC_VECTOR_ENV)
def python_or_native(request: pytest.FixtureRequest) -> str:
    """The name of each backend whose oracle is SyncVectorEnv."""
    return str(request.param)


@pytest.fixture(scope="module")
def cartpoles(python_or_native: str) -> Iterator[Callable[..., fastvec.VectorEnv]]:
    """``cartpoles(mode)``: three CartPoles on that backend, the same vector for the same mode."""
    made: dict[AutoresetMode, fastvec.VectorEnv] = {}

    def get(mode: AutoresetMode = AutoresetMode.NEXT_STEP) -> fastvec.VectorEnv:
        if mode not in made:
            made[mode] = make_on(python_or_native, "CartPole-v1", NUM_ENVS, autoreset_mode=mode)
        return made[mode]

    yield get
    for envs in made.values():
        envs.close()


@pytest.fixture(params=["native", "workers"])
def make_gated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """``make_gated(num_envs, **kwargs)``: envs whose action BLOCK waits for the file ``envs.gate``, one for each thread
    or worker. Not inline, where nobody could open the gate meanwhile."""
    gate = tmp_path / "gate"
    made = []

    def make(num_envs: int = 2, **kwargs: Any) -> Any:
        if request.param == "native":
            # A millisecond per step: no env shares a thread's turn with the blocked one.
            own = {"num_threads": num_envs, "gate": str(gate), "step_milliseconds": 1.0}
            envs = fastvec.make_vec(request.getfixturevalue("faulty"), num_envs, **own, **kwargs)
        else:
            own = {"num_workers": num_envs, "context": "fork"}
            envs = fastvec.make_vec(lambda: Gated(str(gate)), num_envs, **own, **kwargs)
        envs.gate = gate
        made.append(envs)
        return envs

    yield make
    gate.touch()
    for envs in made:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a call that is still pending
            envs.close()


@pytest.fixture
def gated(make_gated: Callable[..., Any]) -> Any:
    """Two of them."""
    return make_gated()
