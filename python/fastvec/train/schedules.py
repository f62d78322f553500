"""Numbers that change over a run."""

from __future__ import annotations

import math


def annealed(remaining: float, shape: str) -> float:
    """What is left of a number of which it is 1 at the start of the run and 0 at its end.

    Args:
        remaining: the part of the run's steps that lies ahead, from 1 to 0.
        shape: "linear" or "cosine" (half a wave: slow, fast, slow).
    """
    return remaining if shape == "linear" else 0.5 - 0.5 * math.cos(math.pi * remaining)


def warmed_up(global_step: int, warmup_steps: int) -> float:
    """The factor of the first ``warmup_steps`` environment steps, in which a number rises evenly to its full size.

    Args:
        global_step: environment steps after the iteration that it is for.
        warmup_steps: over how many it rises; 0 for none.
    """
    return min(1.0, global_step / warmup_steps) if warmup_steps else 1.0
