"""Fixtures of the trainer's tests: a fixed seed, and each of the three autoreset modes."""

from __future__ import annotations

import pytest
import torch
from gymnasium.vector import AutoresetMode

# Small networks gain nothing from a second thread, and lose much where another program wants its core.
torch.set_num_threads(1)


@pytest.fixture(params=[mode.value for mode in AutoresetMode])
def autoreset_mode(request: pytest.FixtureRequest) -> str:
    """Each of the three autoreset modes."""
    return str(request.param)


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Tests that draw random tensors draw the same ones each time."""
    torch.manual_seed(0)
