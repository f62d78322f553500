"""What a run has learned, for those who only want to use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastvec.train.algorithms import DEFAULT_ALGORITHM, find_algorithm
from fastvec.train.checkpoint import read_checkpoint


def load_trained(path: Path, *, device: str) -> Any:
    """The trainer of a checkpoint, with a single environment in place of training's.

    Args:
        path: the checkpoint, or a run directory.
        device: where the network runs, whatever it was trained on.

    Returns:
        A trainer of the class that wrote the checkpoint; close it.

    Raises:
        FileNotFoundError, ValueError: as ``PPO.load``.
    """
    algorithm = find_algorithm(read_checkpoint(path).get("algorithm", DEFAULT_ALGORITHM))
    return algorithm.trainer_class().load(path, device=device, **algorithm.acting)
