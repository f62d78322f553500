"""Which envs of a vector may be stepped."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from fastvec.errors import ResetNeededError

__all__ = ["Episodes"]


class Episodes:
    """Whether each env was ever reset, and, with autoreset disabled, whether its episode has finished.

    Args:
        num_envs: number of envs.
        autoreset_mode: when finished envs are reset.
    """

    def __init__(self, num_envs: int, autoreset_mode: AutoresetMode) -> None:
        self._was_reset = np.zeros(num_envs, dtype=np.bool_)
        self._finished = np.zeros(num_envs, dtype=np.bool_)  # with autoreset disabled
        self._is_disabled = autoreset_mode is AutoresetMode.DISABLED
        self._all_reset = False

    def require_steppable(self) -> None:
        """Raise ResetNeededError unless all envs can be stepped."""
        if not self._all_reset:
            env = int(np.argmin(self._was_reset))
            raise ResetNeededError(f"step: expected every env to be reset first, got env {env} without; call reset()")
        if self._is_disabled and self._finished.any():
            env = int(np.argmax(self._finished))
            raise ResetNeededError(
                "step: with autoreset disabled, expected finished envs to be reset with "
                f"reset(options={{'reset_mask': mask}}), got env {env} finished and not reset"
            )

    def require_sendable(self, envs: np.ndarray) -> None:
        """Raise ResetNeededError unless these envs can be stepped."""
        if not self._was_reset[envs].all():
            env = envs[np.argmin(self._was_reset[envs])]
            raise ResetNeededError(f"send: expected envs that were reset, got env {env} without; call async_reset()")
        if self._finished[envs].any():
            env = envs[np.argmax(self._finished[envs])]
            raise ResetNeededError(
                f"send: with autoreset disabled, expected unfinished envs, got env {env}; reset it with "
                "async_reset(options={'reset_mask': mask})"
            )

    def note_reset(self, envs: Any) -> None:
        """Note that envs (whatever indexes an array of them) are being reset."""
        self._finished[envs] = False
        self._was_reset[envs] = True

    def note_all_reset(self) -> None:
        """Note that no reset is under way any more: if all envs were reset, they can be stepped together."""
        self._all_reset = self._all_reset or bool(self._was_reset.all())

    def note_step(self, terminations: np.ndarray, truncations: np.ndarray) -> None:
        """Note how a step of all envs ended: bool, shape ``(num_envs,)``."""
        if self._is_disabled:
            np.logical_or(terminations, truncations, out=self._finished)

    def note_steps_of(self, envs: np.ndarray, terminations: np.ndarray, truncations: np.ndarray) -> None:
        """Note how steps of these envs ended: bool, shape ``(len(envs),)``."""
        if self._is_disabled:
            self._finished[envs] = terminations | truncations

    def note_failed_reset(self, envs: list[int]) -> None:
        """Note envs whose reset raised an error."""
        if self._is_disabled:
            self._finished[envs] = True

    def forget(self) -> None:
        """Note that all envs need a reset, since it is unknown how far they came."""
        self._finished[:] = False
        self._was_reset[:] = False
        self._all_reset = False

    def state_of(self, envs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(finished, was_reset)`` of these envs, to be saved."""
        return self._finished[envs], self._was_reset[envs]

    def load(self, envs: np.ndarray, finished: np.ndarray, was_reset: np.ndarray) -> None:
        """Take over what :meth:`state_of` gave."""
        self._finished[envs], self._was_reset[envs] = finished, was_reset
        self._all_reset = bool(self._was_reset.all())
