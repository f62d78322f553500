"""Envs and comparisons that the tests of the process backend share."""

from __future__ import annotations

import contextlib
import warnings

import pytest

# Box2D warns while it is imported, and crashes where warnings are errors.
with contextlib.suppress(ImportError), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import Box2D  # noqa: F401


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
