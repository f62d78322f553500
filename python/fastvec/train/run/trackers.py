"""Where a run's numbers are drawn: TensorBoard, and Weights & Biases for those who ask for it."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol


class Tracker(Protocol):
    """Takes numbers by name, with the step that they belong to."""

    def log(self, values: dict[str, float], step: int) -> None:
        """Take ``values``; those that are not finite are left out."""

    def flush(self) -> None:
        """Make sure that all is written. OSError where it cannot be; the next call tries again."""

    def close(self) -> None:
        """Write what is left."""


class TensorBoard:
    """Event files in the run directory.

    A run that goes on from ``first_step`` takes back what earlier files say about later steps.

    Args:
        run_dir: where the files are written.
        first_step: the environment step that the run goes on from; 0 for a new one.
    """

    def __init__(self, run_dir: Path, first_step: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._open = partial(SummaryWriter, str(run_dir))
        self._writer: Any = self._open(purge_step=first_step + 1 if first_step else None)
        self._unwritten: list[tuple[str, float, int]] = []

    def log(self, values: dict[str, float], step: int) -> None:
        """Write ``values`` as scalars; those that are not finite are left out.

        Raises:
            OSError: the disk takes nothing. The values are kept: :meth:`flush` tries again.
        """
        fresh = [(name, value, step) for name, value in values.items() if math.isfinite(value)]
        self._unwritten += fresh
        if self._writer is not None:
            self._add(fresh)

    def flush(self) -> None:
        """Make sure that all is in a file, in a new one where writing the old one failed.

        Raises:
            OSError: the disk takes nothing; the next call tries again.
        """
        if self._writer is None:
            self._writer = self._open()
            self._add(self._unwritten)
        try:
            self._writer.flush()
        except OSError:
            self._give_up()
            raise
        self._unwritten = []

    def close(self) -> None:
        """Write what is left.

        Raises:
            OSError: as :meth:`flush`.
        """
        self.flush()
        self._writer.close()

    def _add(self, scalars: list[tuple[str, float, int]]) -> None:
        try:
            for scalar in scalars:
                self._writer.add_scalar(*scalar)
        except OSError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Let go of a writer whose thread has ended: it never writes again."""
        self._writer = None


class WeightsAndBiases:
    """A run of the given project, named after the run directory; resuming the directory resumes the run.

    Args:
        project: its name.
        run_dir: whose name becomes the run's, and where W&B keeps its files.
        env_id: shown beside the settings.
        config: the run's settings by name.

    Raises:
        ConnectionError: it cannot be reached, or does not know you.
    """

    def __init__(self, project: str, run_dir: Path, env_id: str, config: dict[str, Any]) -> None:
        wandb = import_wandb()
        try:
            self._run = wandb.init(
                project=project,
                id=run_dir.name,
                name=run_dir.name,
                resume="allow",
                dir=str(run_dir),
                config={"env_id": env_id, **config},
            )
        except wandb.Error as error:
            raise ConnectionError(f"Weights & Biases: {error} (without a network: WANDB_MODE=offline)") from error

    def log(self, values: dict[str, float], step: int) -> None:
        """Send ``values``; those that are not finite are left out."""
        self._run.log({name: value for name, value in values.items() if math.isfinite(value)}, step=step)

    def flush(self) -> None:
        """Do nothing: W&B's own process sees to it."""

    def close(self) -> None:
        """Send what is left, and end the run."""
        self._run.finish()


def import_wandb() -> ModuleType:
    """The package wandb.

    Raises:
        ValueError: it is not installed; the message says how to get it.
    """
    try:
        import wandb
    except ImportError as error:
        raise ValueError(f"logging to Weights & Biases needs the package wandb ({error}): pip install wandb") from error
    return wandb
