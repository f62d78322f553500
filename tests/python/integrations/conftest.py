"""A fixture for tests that train small networks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

__all__ = ["one_torch_thread"]


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    """Small networks gain nothing from a second thread, and lose much where another program wants its core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
