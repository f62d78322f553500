"""What differs between the versions of Gymnasium that fastvec works with: it does as the newest does."""

from __future__ import annotations

import gymnasium
import pytest

VERSION = tuple(map(int, gymnasium.__version__.split(".")[:2]))

since_gymnasium_1_4 = pytest.mark.skipif(
    VERSION < (1, 4), reason="an older Gymnasium refuses by assertions, or marks its own metadata"
)
"""For tests whose oracle is of Gymnasium 1.4: numbers are the same from 1.3 on, what is refused and how is not."""
