"""What JAX returned for a batch, against what Gymnasium's vectors return."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

__all__ = ["JAX_ERRORS", "assert_equal_info", "assert_equal_step", "random_actions"]

# What a computation that fails ends with: the second where JAX runs it at once, on the caller's thread.
JAX_ERRORS = (jax.errors.JaxRuntimeError, ValueError)


def random_actions(space: Any, steps: int, num_envs: int, seed: int = 0) -> np.ndarray:
    """Uniformly random actions of shape ``(steps, num_envs, ...)``."""
    rng = np.random.default_rng(seed)
    if hasattr(space, "n"):
        return rng.integers(space.n, size=(steps, num_envs))
    return rng.uniform(1.2 * space.low, 1.2 * space.high, (steps, num_envs, *space.shape)).astype(space.dtype)


def assert_equal_step(actual: Any, expected: Any, where: str) -> None:
    """``actual``: (observation, reward, terminated, truncated, info), as NumPy arrays with a row for each env."""
    names = ("observation", "reward", "terminated", "truncated")
    for name, one, other in zip(names, actual[:4], expected[:4], strict=True):
        _assert_equal(one, other, f"{where}: {name}")
    assert_equal_info(actual[4], expected[4], where)


def assert_equal_info(actual: dict[str, Any], expected: dict[str, Any], where: str) -> None:
    """The same keys, but for those that no env has: Gymnasium leaves them out, JAX has them with an empty mask."""
    assert set(expected) <= set(actual), where
    for key, values in actual.items():
        if key.startswith("_"):
            mask = expected.get(key, np.zeros(len(values), np.bool_))
            assert np.array_equal(values, mask), f"{where}: {key}"
        elif key not in expected:
            assert not actual[f"_{key}"].any(), f"{where}: {key}"
        elif key == "final_obs":
            for row in np.flatnonzero(expected["_final_obs"]):
                _assert_equal(_row(values, row), np.asarray(expected[key][row]), f"{where}: {key}[{row}]")
        elif key == "final_info":
            assert_equal_info(values, expected[key], f"{where}: {key}")
        else:  # of a key that comes with several dtypes, Gymnasium has the first env's and JAX the widest
            assert np.can_cast(expected[key].dtype, values.dtype), f"{where}: {key}"
            _assert_equal(values.astype(expected[key].dtype), expected[key], f"{where}: {key}")


def _row(values: Any, row: int) -> Any:
    return tuple(part[row] for part in values) if isinstance(values, tuple) else values[row]


def _assert_equal(actual: Any, expected: Any, where: str) -> None:
    if isinstance(expected, tuple) or isinstance(actual, tuple):
        for at, (one, other) in enumerate(zip(actual, expected, strict=True)):
            _assert_equal(one, np.asarray(other), f"{where}[{at}]")
        return
    assert actual.dtype == expected.dtype, f"{where}: {actual.dtype}, expected {expected.dtype}"
    assert actual.shape == expected.shape, f"{where}: {actual.shape}, expected {expected.shape}"
    assert actual.tobytes() == expected.tobytes(), f"{where}: {actual!r}, expected {expected!r}"
