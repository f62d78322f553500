"""An env that waits for a file, so that tests decide how long a step takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np

from support.native import wait_until

__all__ = ["BLOCK", "GO_ON", "RAISE", "Gated"]

GO_ON, RAISE, BLOCK = 0, 1, 6
"""Actions of Gated, and of Faulty-v0 (tests/cpp/fixtures/faulty.cpp), which is its native like."""


class Gated(gymnasium.Env):
    """Counts its steps. BLOCK waits until the file ``gate`` exists, and writes ``gate.entered`` first; RAISE raises."""

    observation_space = gymnasium.spaces.Box(-10, 1000, (2,))
    action_space = gymnasium.spaces.Discrete(10)
    metadata: ClassVar = {"render_modes": []}

    def __init__(self, gate: str) -> None:
        self.gate = gate
        self.count = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Begin to count anew."""
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:
        """Do what the action says; the observation is the number of steps, twice."""
        self.count += 1
        if action == BLOCK:
            Path(self.gate + ".entered").touch()
            wait_until(Path(self.gate).exists)
        if action == RAISE:
            raise ValueError("no")
        return np.full(2, self.count, np.float32), 1.0, False, False, {}
