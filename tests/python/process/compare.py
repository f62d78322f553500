"""Equality to the last bit, of whatever vectors return."""

from __future__ import annotations

import numpy as np


def assert_same(actual, expected, where="result"):
    """Same types, dtypes, shapes, keys and bytes, all the way down."""
    if isinstance(expected, np.ndarray):
        assert isinstance(actual, np.ndarray), where
        assert actual.dtype == expected.dtype, f"{where}: {actual.dtype} is not {expected.dtype}"
        assert actual.shape == expected.shape, f"{where}: {actual.shape} is not {expected.shape}"
        if expected.dtype == object:
            for i, (one, other) in enumerate(zip(actual.flat, expected.flat, strict=True)):
                assert_same(one, other, f"{where}[{i}]")
        else:
            assert actual.tobytes() == expected.tobytes(), f"{where}: {actual} is not {expected}"
    elif isinstance(expected, dict):
        assert isinstance(actual, dict), where
        assert list(actual) == list(expected), f"{where}: {list(actual)} is not {list(expected)}"
        for key in expected:
            assert_same(actual[key], expected[key], f"{where}[{key!r}]")
    elif isinstance(expected, (tuple, list)):
        assert type(actual) is type(expected), f"{where}: {type(actual)} is not {type(expected)}"
        assert len(actual) == len(expected), where
        for i, (one, other) in enumerate(zip(actual, expected, strict=True)):
            assert_same(one, other, f"{where}[{i}]")
    else:
        assert type(actual) is type(expected), f"{where}: {type(actual)} is not {type(expected)}"
        assert actual == expected or (actual != actual and expected != expected), f"{where}: {actual} != {expected}"


def assert_same_rollout(actual, expected, steps, *, seed=3, options=None, actions=None):
    """Reset and step both with the same actions, holding on to every result until the end."""
    disabled = expected.metadata["autoreset_mode"].value == "Disabled"
    own = lambda: None if options is None else dict(options)  # noqa: E731
    pairs = [(actual.reset(seed=seed, options=own()), expected.reset(seed=seed, options=own()))]
    expected.action_space.seed(seed)
    for t in range(steps):
        action = expected.action_space.sample() if actions is None else actions(t)
        pairs.append((actual.step(action), expected.step(action)))
        done = pairs[-1][1][2] | pairs[-1][1][3]
        if disabled and done.any():
            pairs.append(tuple(envs.reset(options={"reset_mask": done.copy()}) for envs in (actual, expected)))
    for t, (one, other) in enumerate(pairs):
        assert_same(one, other, f"call {t}")
    return pairs
