"""Burrow, a grid game for fastvec. Importing this package makes them known to fastvec and to Gymnasium."""

from pathlib import Path

LIBRARY = Path(__file__).parent / "burrow.so"  # what the entry point in pyproject.toml names

import fastvec  # noqa: E402, F401 - loads LIBRARY, which therefore comes first
