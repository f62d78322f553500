"""Environments for fastvec. Importing this package makes them known to fastvec and to Gymnasium."""

from pathlib import Path

# What the entry point in pyproject.toml names. The package has one folder, or, installed with `pip install -e`, one with
# its sources and one with what was built.
_PLACES = [Path(folder) / "my_envs.so" for folder in __path__]
LIBRARY = next((place for place in _PLACES if place.exists()), _PLACES[0])

import fastvec  # noqa: E402, F401 - loads LIBRARY, which therefore comes first
