"""Tests of the native MuJoCo envs. They run in a folder of their own: MuJoCo writes a log where it is."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip all of them where there is no MuJoCo, except those that are about its absence."""
    try:
        import imageio  # noqa: F401
        import mujoco  # noqa: F401
    except ImportError:
        for item in items:
            if Path(__file__).parent in item.path.parents and "missing" not in item.name:
                item.add_marker(pytest.mark.skip(reason="needs fastvec[mujoco]"))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a test runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
