"""What a trainer tells about its iterations, to displays, logs and callbacks."""

from __future__ import annotations

from dataclasses import dataclass, field


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


class TrainingDiverged(RuntimeError):
    """A number became infinite or NaN.

    Attributes:
        quantity: the name of the number.
    """

    def __init__(self, quantity: str, global_step: int) -> None:
        super().__init__(f"{quantity} is not finite after {global_step} steps")
        self.quantity = quantity
