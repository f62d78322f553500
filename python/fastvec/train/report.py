"""What a trainer tells about its iterations, to displays, logs and callbacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Report:
    """One iteration: new experience, and the updates on it.

    Attributes:
        iteration: iterations done, this one included.
        global_step: environment steps done, over all environments of all processes.
        mean_return: mean return of the last 100 finished training episodes; NaN before the first has finished.
        mean_length: their mean length in environment steps; NaN likewise.
        episodes: episodes finished since the run began.
        metrics: losses and statistics of the updates by name; empty where there was no update.
        env_seconds: time in the environments' steps.
        inference_seconds: time for choosing actions.
        update_seconds: time for the updates.
        schedules: settings that change over the run, such as the learning rate, as this iteration had them.
        rollout: the newest experience, a :class:`~fastvec.train.rollout.buffer.RolloutBuffer` whose tensors the next
            iteration overwrites; None where the algorithm does not tell.
    """

    iteration: int
    global_step: int
    mean_return: float
    mean_length: float
    episodes: int
    metrics: dict[str, float]
    env_seconds: float
    inference_seconds: float
    update_seconds: float
    schedules: dict[str, float] = field(default_factory=dict)
    rollout: Any = field(default=None, repr=False, compare=False)


Callback = Callable[[Report], Any]
"""Called after an iteration. It may add numbers to ``report.metrics``, for the log; False ends training."""


class TrainingDiverged(RuntimeError):
    """A number became infinite or NaN.

    Attributes:
        quantity: the name of the number.
        env: the index of the environment that it belongs to, among those of this process; None where it is no single
            one's, or not known.
    """

    def __init__(self, quantity: str, global_step: int, env: int | None = None) -> None:
        where = "" if env is None else f" of environment {env}"
        super().__init__(f"{quantity}{where} is not finite after {global_step} steps")
        self.quantity = quantity
        self.env = env
