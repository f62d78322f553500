"""Returns and lengths of the training episodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastvec.train.env.encode import Array


class EpisodeCounter:
    """Returns and lengths of finished episodes, from the environments' own rewards."""

    KEPT = 100

    def __init__(self, num_envs: int) -> None:
        self.running_return = np.zeros(num_envs, dtype=np.float64)
        self.running_length = np.zeros(num_envs, dtype=np.int64)
        self.finished = 0
        self.recent: list[tuple[float, int]] = []

    def reset(self) -> None:
        """Forget the episodes under way."""
        self.running_return[:] = 0.0
        self.running_length[:] = 0

    def add(self, rewards: Array, done: Array, reset_rows: Array | None) -> None:
        """Take in a rollout, ``[T, N]`` each.

        Args:
            rewards: float64, as the environments gave them.
            done: bool, terminated or truncated.
            reset_rows: bool ``[N]``, where the first row is no step of an episode but its reset; each row behind an
                episode's end is another. None where there are no such rows.
        """
        first, begun = 0, reset_rows
        newest: list[tuple[float, int]] = []
        for t in np.flatnonzero(np.any(done, axis=1)).tolist():
            self._go_on(rewards[first : t + 1], begun)
            env_ids = np.flatnonzero(done[t])
            self.finished += len(env_ids)
            kept = env_ids[-self.KEPT :]
            newest += zip(self.running_return[kept].tolist(), self.running_length[kept].tolist(), strict=True)
            self.running_return[env_ids] = 0.0
            self.running_length[env_ids] = 0
            first, begun = t + 1, None if begun is None else done[t]
        self._go_on(rewards[first:], begun)
        self.recent = (self.recent + newest)[-self.KEPT :]

    def _go_on(self, rewards: Array, begun: Array | None) -> None:
        """Take in rows in which no episode ends but in the last one; ``begun``: where the first one is a reset row."""
        if len(rewards) == 0:
            return
        self.running_length += len(rewards)
        if begun is not None:
            self.running_length -= begun
        if len(rewards) == 1:
            self.running_return += rewards[0]
        else:  # one after another, as Gymnasium sums them up; `sum` would in pairs
            self.running_return[:] = np.add.accumulate(np.vstack([self.running_return, rewards]), axis=0)[-1]

    @property
    def totals(self) -> tuple[int, int, float, float]:
        """Episodes since the run began; then number, summed returns and summed lengths of the recent ones."""
        return self.finished, len(self.recent), sum(r for r, _ in self.recent), sum(n for _, n in self.recent)

    @property
    def mean_return(self) -> float:
        """Mean return of the last 100 episodes, NaN before the first has finished."""
        return float(np.mean([r for r, _ in self.recent])) if self.recent else float("nan")

    @property
    def mean_length(self) -> float:
        """Mean length of the last 100 episodes, NaN before the first has finished."""
        return float(np.mean([n for _, n in self.recent])) if self.recent else float("nan")

    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain values and arrays."""
        return {
            "running_return": self.running_return.copy(),
            "running_length": self.running_length.copy(),
            "finished": self.finished,
            "recent": list(self.recent),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.running_return = np.array(state["running_return"])
        self.running_length = np.array(state["running_length"])
        self.finished = state["finished"]
        self.recent = [(float(r), int(n)) for r, n in state["recent"]]
