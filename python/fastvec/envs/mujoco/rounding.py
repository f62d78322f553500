"""How this machine's NumPy rounds where its results depend on the BLAS and the CPU.

``np.linalg.norm`` of a short vector is the root of a BLAS dot product, and ``np.einsum`` has loops of its own. Both
add products to a sum; some builds round the product first, others round once (a fused multiply-add). Which it is here
is found out by comparing NumPy's results with both.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import numpy as np

__all__ = ["dot_is_fused", "einsum_is_fused"]

_TRIALS = 48
_MulAdd = Callable[[float, float, float], float]


def _rounded_twice(a: float, b: float, c: float) -> float:
    return a * b + c


def _rounded_once(a: float, b: float, c: float) -> float:
    return float(Fraction(a) * Fraction(b) + Fraction(c))


@cache
def dot_is_fused() -> bool:
    """Whether ``np.dot`` of 2 and 3 float64 numbers with themselves fuses multiplication and addition."""
    vectors = [np.random.default_rng(i).normal(size=2 + i % 2) for i in range(_TRIALS)]

    def matches(mul_add: _MulAdd) -> bool:
        for vector in vectors:
            total = 0.0
            for value in vector.tolist():
                total = mul_add(value, value, total)
            if total != float(vector.dot(vector)):
                return False
        return True

    return _choose("np.dot", matches)


@cache
def einsum_is_fused() -> bool:
    """Whether ``np.einsum("b,bj->j", masses, positions)`` fuses multiplication and addition."""
    rng = np.random.default_rng(0)
    cases = [(rng.uniform(0, 9, size), rng.normal(size=(size, 3))) for size in range(2, 2 + _TRIALS // 2)]

    def matches(mul_add: _MulAdd) -> bool:
        for masses, positions in cases:
            totals = [0.0, 0.0, 0.0]
            for mass, row in zip(masses.tolist(), positions.tolist(), strict=True):
                totals = [mul_add(mass, x, total) for x, total in zip(row, totals, strict=True)]
            if totals != np.einsum("b,bj->j", masses, positions).tolist():
                return False
        return True

    return _choose("np.einsum", matches)


def _choose(what: str, matches: Callable[[_MulAdd], bool]) -> bool:
    if matches(_rounded_once):
        return True
    if not matches(_rounded_twice):
        warnings.warn(
            f"this NumPy's {what} rounds in a way that fastvec does not know: results that depend on it can differ "
            "from Gymnasium's in the last bit",
            RuntimeWarning,
            stacklevel=4,
        )
    return False
