"""What comes after an episode's end: the one reading of Gymnasium's three autoreset modes.

========== ============================== =========================================== ===============================
mode       the observation of a step that the episode's last observation              the next step of that row
           ends an episode
========== ============================== =========================================== ===============================
NextStep   the episode's last one         in the observations                         a reset: its action is ignored
SameStep   the next episode's first one   in ``info["final_obs"]``                    a transition
Disabled   the episode's last one         in the observations, until the masked reset a transition, after that reset
========== ============================== =========================================== ===============================
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

__all__ = ["Autoreset", "EpisodeRows", "autoreset_mode_of"]

_FINAL_KEYS = ("final_obs", "final_info")


def autoreset_mode_of(envs: gymnasium.vector.VectorEnv) -> AutoresetMode:
    """The autoreset mode that ``envs`` declares in its metadata.

    Args:
        envs: any vector.

    Returns:
        The mode, also where the metadata has only its name.

    Raises:
        ValueError: it declares none.
    """
    mode = (envs.metadata or {}).get("autoreset_mode")
    if mode is None:
        raise ValueError(
            f"{type(envs).__name__} does not say how it resets: metadata['autoreset_mode'] is missing. "
            "Set it to a gymnasium.vector.AutoresetMode."
        )
    return mode if isinstance(mode, AutoresetMode) else AutoresetMode(mode)


class Autoreset:
    """How a vector of one mode tells what comes after an episode's end. It holds no state.

    Args:
        mode: the vector's mode.

    Attributes:
        mode: the vector's mode.
        has_reset_rows: the step after an episode's end is a reset, no transition (NextStep).
        replaces_last: a step that ends an episode returns the next one's first observation (SameStep).
        needs_reset: whoever steps the vector has to reset the envs whose episodes ended (Disabled).
    """

    __slots__ = ("has_reset_rows", "mode", "needs_reset", "replaces_last")

    def __init__(self, mode: AutoresetMode) -> None:
        self.mode = mode
        self.has_reset_rows = mode is AutoresetMode.NEXT_STEP
        self.replaces_last = mode is AutoresetMode.SAME_STEP
        self.needs_reset = mode is AutoresetMode.DISABLED

    def last_observations(self, observations: Any, infos: dict[str, Any]) -> Any:
        """Where the last observations of the episodes are that ended in a step.

        Args:
            observations: what the step returned.
            infos: likewise.

        Returns:
            A batch whose rows of those episodes hold them: ``observations``, or ``infos["final_obs"]``, which may be
            an array of objects. Its other rows mean nothing. It is no copy.
        """
        return infos["final_obs"] if self.replaces_last else observations

    def last_infos(self, infos: dict[str, Any]) -> dict[str, Any]:
        """The infos of the steps that ended an episode, among what the step returned."""
        return infos.get("final_info", {}) if self.replaces_last else infos

    def other_infos(self, infos: dict[str, Any]) -> dict[str, Any]:
        """The step's infos without those of the last steps of episodes that were replaced, if any were."""
        if not self.replaces_last:
            return infos
        return {key: value for key, value in infos.items() if key.removeprefix("_") not in _FINAL_KEYS}


class EpisodeRows:
    """Follows a vector step by step: which rows are resets, and where episodes begin.

    Args:
        autoreset: the vector's mode.
        num_envs: number of envs, N; all of them were just reset.

    Attributes:
        awaits_reset: bool ``[N]``, the rows of the next step that will be resets, whose actions are ignored.
        begins: bool ``[N]``, the rows whose newest observation (after the caller's own reset where the mode needs one)
            is an episode's first.
    """

    def __init__(self, autoreset: Autoreset, num_envs: int) -> None:
        self._autoreset = autoreset
        self.awaits_reset = np.zeros(num_envs, dtype=bool)
        self.begins = np.ones(num_envs, dtype=bool)

    def step(self, ended: np.ndarray) -> np.ndarray:
        """Take note of a step.

        Args:
            ended: bool ``[N]``, ``terminated | truncated`` of the step; kept, so not to be written to.

        Returns:
            bool ``[N]``: the rows that are transitions. The others are resets, whose reward is 0.
        """
        valid = ~self.awaits_reset
        if self._autoreset.has_reset_rows:
            self.begins, self.awaits_reset = self.awaits_reset, ended
        else:
            self.begins = ended
        return valid
