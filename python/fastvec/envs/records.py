"""The bytes of a native env's state as named numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Record"]


class Record:
    """The memory layout of a C++ env class: its members in order, without gaps.

    Args:
        fields: ``(name, NumPy type)`` or ``(name, NumPy type, shape)`` of each member.
    """

    def __init__(self, *fields: Any) -> None:
        self._dtype = np.dtype(list(fields))

    def unpack(self, state: bytes) -> Any:
        """The members, as a structured scalar. Raises ValueError if ``state`` has another size."""
        if len(state) != self._dtype.itemsize:
            raise ValueError(f"expected a state of {self._dtype.itemsize} bytes, got {len(state)}")
        return np.frombuffer(state, self._dtype)[0]

    def pack(self, **values: Any) -> bytes:
        """The bytes of a state with these members; those that are not named are zero."""
        record = np.zeros((), self._dtype)
        for name, value in values.items():
            record[name] = value
        return record.tobytes()
