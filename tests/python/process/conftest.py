"""Envs and comparisons that the tests of the process backend share."""

from __future__ import annotations

import pytest


@pytest.fixture
def closing():
    """Collects vectors and closes them when the test ends."""
    made = []

    def keep(envs):
        made.append(envs)
        return envs

    yield keep
    for envs in made:
        envs.close()
