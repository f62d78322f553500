"""Running two vectors side by side."""

from __future__ import annotations

import pytest

from support.sameness import assert_same

__all__ = ["WORKERS", "assert_same", "assert_same_rollout"]

WORKERS = pytest.mark.parametrize("num_workers", [2, 0], ids=["workers", "inline"])
"""What is true with workers is true in the calling process."""


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
