"""Equality to the last bit, of whatever vectors return."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["assert_same"]


def assert_same(actual: Any, expected: Any, where: str = "result") -> None:
    """Equal in type, and for arrays in dtype, shape and bytes; element by element, and in order, for dicts and tuples.

    NaN equals NaN, and 0.0 does not equal -0.0.
    """
    assert type(actual) is type(expected), f"{where}: {type(actual)} is not {type(expected)}"
    if isinstance(expected, dict):
        assert list(actual) == list(expected), f"{where}: keys {list(actual)}, expected {list(expected)}"
        for key in expected:
            assert_same(actual[key], expected[key], f"{where}[{key!r}]")
    elif isinstance(expected, (tuple, list)):
        assert len(actual) == len(expected), f"{where}: {len(actual)} elements, expected {len(expected)}"
        for i, (one, other) in enumerate(zip(actual, expected, strict=True)):
            assert_same(one, other, f"{where}[{i}]")
    elif isinstance(expected, np.ndarray):
        assert actual.dtype == expected.dtype, f"{where}: dtype {actual.dtype}, expected {expected.dtype}"
        assert actual.shape == expected.shape, f"{where}: shape {actual.shape}, expected {expected.shape}"
        if expected.dtype == object:
            for i, (one, other) in enumerate(zip(actual.flat, expected.flat, strict=True)):
                assert_same(one, other, f"{where}[{i}]")
        elif actual.tobytes() != expected.tobytes():
            left, right = np.atleast_1d(actual, expected)
            rows = [i for i in range(len(right)) if left[i].tobytes() != right[i].tobytes()]
            first = f"row {rows[0]} is {left[rows[0]]!r}, expected {right[rows[0]]!r}"
            raise AssertionError(f"{where}: {len(rows)} of {len(right)} rows differ; {first}")
    elif isinstance(expected, (float, np.floating)):
        assert repr(actual) == repr(expected), f"{where}: {actual!r}, expected {expected!r}"
    else:
        assert actual == expected, f"{where}: {actual!r}, expected {expected!r}"
