"""The benchmarks are scripts, not part of any package: their folder has to be looked into."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))
