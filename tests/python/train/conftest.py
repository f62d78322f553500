"""Fixtures of the trainer's tests: a fixed seed, and each of the three autoreset modes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from gymnasium.vector import AutoresetMode

# Small networks gain nothing from a second thread, and lose much where another program wants its core.
torch.set_num_threads(1)


@pytest.fixture(params=[mode.value for mode in AutoresetMode])
def autoreset_mode(request: pytest.FixtureRequest) -> str:
    """Each of the three autoreset modes."""
    return str(request.param)


@pytest.fixture(scope="session", autouse=True)
def cache_of_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests compile is kept for their session, and not among the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTVEC_CACHE_DIR", str(tmp_path_factory.mktemp("programs")))
        yield


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Tests that draw random tensors draw the same ones each time."""
    torch.manual_seed(0)
