"""The time limit of each env of a native vector: what ``gymnasium.wrappers.TimeLimit`` keeps for one."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["TimeLimits"]

_NO_LIMIT = np.iinfo(np.int32).max  # Engine::kNoLimit


class TimeLimits:
    """The attribute ``_max_episode_steps`` of the envs of one native core.

    Attributes:
        exist: whether there are any; envs that were made without a limit are in no ``TimeLimit`` that could have one.
    """

    NAME = "_max_episode_steps"

    def __init__(self, core: Any) -> None:
        self._core = core
        self._values: list[Any] | None = None  # as they were given
        self.exist: bool = core.max_episode_steps > 0

    def set(self, values: Sequence[Any]) -> None:
        """Set it for each env: an episode is truncated at the first step whose number is not below it.

        Raises:
            ValueError: a value is no number; nothing is changed.
        """
        self._core.set_time_limits(np.array([_steps(value) for value in values], np.int32))
        self._values = list(values)

    def get(self) -> list[Any]:
        """The limit of each env: as it was set, or else a number."""
        if self._values is None:
            if not self._core.time_limits_were_set:
                return [self._core.max_episode_steps] * len(self._core.time_limits())
            self._values = [math.inf if steps == _NO_LIMIT else steps for steps in self._core.time_limits().tolist()]
        return list(self._values)

    def forget(self) -> None:
        """Take the limits for what they are now, after a state was loaded."""
        self._values = None


def _steps(value: Any) -> int:
    """The first step that is not below ``value``: it truncates."""
    if not isinstance(value, (numbers.Real, np.bool_)):
        raise ValueError(f"{TimeLimits.NAME}: expected a number, got {value!r} of type {type(value).__name__}")
    number = float(value)
    return _NO_LIMIT if math.isnan(number) else max(1, math.ceil(min(number, _NO_LIMIT)))
