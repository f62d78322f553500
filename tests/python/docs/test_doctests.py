"""What the docstrings show is what happens."""

from __future__ import annotations

import pytest

from support.snippets import assert_doctests_hold, modules_with_doctests


@pytest.mark.parametrize("module", [name for name in modules_with_doctests() if name != "fastvec.jax"])  # tests/jax
def test_doctests_hold(module: str):
    assert_doctests_hold(module)
