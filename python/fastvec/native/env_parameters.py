"""Attributes of native envs that ``set_attr`` sets for each env: physical constants, and the user's own."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastvec import _core
from fastvec.native.counterpart import GymnasiumCounterpart

__all__ = ["Parameters"]


class Parameters:
    """What was set, under the names and with the values that the user gave.

    A native parameter (a number of the env's C++ Config) takes effect in the engine; everything else that is kept
    here is the user's own and has none.

    Args:
        env_type: whose parameters; their names are Gymnasium's where it has the env.
        core: the vector.
        counterpart: tells which parameters are words in Gymnasium.
    """

    def __init__(
        self, env_type: _core.EnvType, core: _core.VectorCore, counterpart: GymnasiumCounterpart | None
    ) -> None:
        self._core = core
        self._index = {name: index for index, (name, _) in enumerate(env_type.parameters)}
        self._words = counterpart.words if counterpart else {}
        self._values: dict[str, list[Any]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._index

    def is_set(self, name: str) -> bool:
        """Whether ``set`` was ever called for it."""
        return name in self._values

    def set(self, name: str, values: Sequence[Any]) -> None:
        """Set it for each env.

        Raises:
            ValueError: not numbers (or the words that this one takes), or numbers that the env refuses.
        """
        if name in self._index:
            self._core.set_parameter(self._index[name], np.array([self._number(name, value) for value in values]))
        self._values[name] = list(values)

    def get(self, name: str) -> list[Any]:
        """The value of each env: as it was set, or else the native number."""
        if name in self._values:
            return list(self._values[name])
        return [self._word(name, value) for value in self._core.parameter(self._index[name]).tolist()]

    def of_env(self, env: int) -> dict[str, Any]:
        """All that was set, for one env."""
        return {name: values[env] for name, values in self._values.items()}

    def forget(self) -> None:
        """Take the native numbers for what they are now, after a state was loaded."""
        for name in self._index:
            self._values.pop(name, None)
            if self._core.parameters_were_set:
                self._values[name] = self.get(name)

    def _number(self, name: str, value: Any) -> float:
        words = self._words.get(name)
        if words is not None:
            if value not in words:
                raise ValueError(f"{name}: expected one of {list(words)}, got {value!r}")
            return float(words.index(value))
        if not isinstance(value, (numbers.Real, np.bool_)):
            raise ValueError(f"{name}: expected a number, got {value!r} of type {type(value).__name__}")
        return float(value)

    def _word(self, name: str, value: float) -> Any:
        words = self._words.get(name)
        return value if words is None else words[int(value)]
