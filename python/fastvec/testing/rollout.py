"""Playing vectors with fixed actions, and comparing what they returned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import concatenate, create_empty_array

__all__ = ["ActionBank", "Difference", "Frame", "first_difference", "leaves", "play", "take_rows"]

Frame = dict[str, np.ndarray]  # everything that one call returned: name -> one row per env

_BANK_SIZE = 997  # a prime, so that envs and steps walk through the bank in different orders


class ActionBank:
    """Random actions, of which env ``i`` takes the same ones at its step ``t`` in every vector.

    Args:
        space: the single action space.
        seed: of the actions.
    """

    def __init__(self, space: spaces.Space[Any], seed: int) -> None:
        space.seed(seed)
        samples = [space.sample() for _ in range(_BANK_SIZE)]
        empty: Any = create_empty_array(space, n=_BANK_SIZE)
        self.space = space
        self._rows = concatenate(space, samples, empty)

    def batch(self, steps: int | np.ndarray, env_ids: np.ndarray) -> Any:
        """The actions of these envs at these steps (one for all, or one each)."""
        return take_rows(self._rows, (np.asarray(steps) * 31 + np.asarray(env_ids) * 131) % _BANK_SIZE)


def take_rows(batch: Any, rows: Any) -> Any:
    """These rows of a batch of any structure."""
    if isinstance(batch, dict):
        return {key: take_rows(part, rows) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(take_rows(part, rows) for part in batch)
    return np.ascontiguousarray(batch[rows])


def leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """``(name, array)`` of each array in a batch of any structure."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, f"{name}[{key!r}]")
    elif isinstance(value, tuple):
        for index, part in enumerate(value):
            yield from leaves(part, f"{name}[{index}]")
    else:
        yield name, value


def frame(observations: Any, infos: dict[str, Any], *rest: np.ndarray) -> Frame:
    """One frame from what ``reset`` or ``step`` returned."""
    result = {name: np.array(array) for name, array in leaves(observations, "observation")}
    result |= dict(zip(("reward", "terminated", "truncated"), rest, strict=False))
    for key, value in infos.items():
        if not key.startswith("_") and f"_{key}" in infos and not key.startswith("final_"):
            mask = infos[f"_{key}"]
            result |= {f"info {name}": np.array(array) for name, array in leaves(value, repr(key))}
            result |= {f"mask {name}": np.array(mask) for name, _ in leaves(value, repr(key))}
    return result


def play(
    envs: Any,
    bank: ActionBank,
    steps: int,
    *,
    seed: int | None = None,
    first_step: int = 0,
    env_ids: np.ndarray | None = None,
) -> list[Frame]:
    """Reset with ``seed`` (None: no reset) and step ``steps`` times; a frame per call."""
    ids = np.arange(envs.num_envs) if env_ids is None else env_ids
    frames = []
    if seed is not None:
        observations, infos = envs.reset(seed=seed)
        frames.append(frame(observations, infos))
    for t in range(first_step, first_step + steps):
        observations, rewards, terminated, truncated, infos = envs.step(bank.batch(t, ids))
        frames.append(frame(observations, infos, rewards, terminated, truncated))
    return frames


@dataclass(frozen=True)
class Difference:
    """The first place where two plays differ."""

    step: int
    env: int
    name: str
    one: Any
    other: Any

    def __str__(self) -> str:
        when = "after reset" if self.step == 0 else f"at step {self.step}"
        return f"{self.name} of env {self.env} {when}: {_short(self.one)} and {_short(self.other)}"


def first_difference(
    one: Sequence[Frame], other: Sequence[Frame], rows: Any = slice(None), other_rows: Any = slice(None), *, at: int = 0
) -> Difference | None:
    """Where the given rows of two plays first differ in a single bit, or None.

    Args:
        at: the step number of the first frame (0: a reset).
    """
    for step, (a, b) in enumerate(zip(one, other, strict=True), start=at):
        for name in {**a, **b}:
            if name.startswith("mask "):
                continue
            if name.startswith("info "):
                difference = _info_difference(step, name, a, b, rows, other_rows)
            else:
                difference = _row_difference(step, name, a[name][rows], b[name][other_rows], rows)
            if difference is not None:
                return difference
    return None


def _row_difference(step: int, name: str, a: np.ndarray, b: np.ndarray, rows: Any) -> Difference | None:
    if _is_plainly_same(a, b):
        return None
    for k, (x, y) in enumerate(zip(a, b, strict=True)):
        if x.tobytes() != y.tobytes():
            return Difference(step, _env_of(rows, k), name, x, y)
    return None


def _is_plainly_same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _info_difference(step: int, name: str, a: Frame, b: Frame, rows: Any, other_rows: Any) -> Difference | None:
    """Infos are compared where they are set; a field that nobody set in a call is absent from its frame."""
    mask = name.replace("info ", "mask ", 1)
    like = a.get(mask, b.get(mask))
    assert like is not None
    set_a = a[mask][rows] if mask in a else np.zeros_like(b[mask][other_rows])
    set_b = b[mask][other_rows] if mask in b else np.zeros_like(a[mask][rows])
    if name in a and name in b and _is_plainly_same(set_a, set_b):
        all_a, all_b = a[name][rows], b[name][other_rows]
        if all_a.dtype.kind != "O" and _is_plainly_same(all_a, all_b):
            return None
    for k in np.flatnonzero(set_a | set_b):
        x: Any = a[name][rows][k] if set_a[k] else None
        y: Any = b[name][other_rows][k] if set_b[k] else None
        if set_a[k] != set_b[k] or not _same_value(x, y):
            return Difference(step, _env_of(rows, int(k)), name, x, y)
    return None


def _same_value(x: Any, y: Any) -> bool:
    """Equal, NaN equal to NaN. Where the first env of a batch decides the dtype, one value may have been rounded."""
    if isinstance(x, (tuple, list)) and isinstance(y, (tuple, list)):
        return len(x) == len(y) and all(_same_value(a, b) for a, b in zip(x, y, strict=True))
    if isinstance(x, dict) and isinstance(y, dict):
        return x.keys() == y.keys() and all(_same_value(value, y[key]) for key, value in x.items())
    if not (isinstance(x, (np.ndarray, np.generic)) and isinstance(y, (np.ndarray, np.generic))):
        return bool(np.all(x == y)) or (x != x and y != y)
    if x.dtype != y.dtype:
        return bool((x.astype(y.dtype) == y).all() or (y.astype(x.dtype) == x).all())
    return x.tobytes() == y.tobytes()


def _env_of(rows: Any, k: int) -> int:
    return k if isinstance(rows, slice) else int(np.asarray(rows)[k])


def _short(value: Any) -> str:
    if value is None:
        return "absent"
    array = np.asarray(value)
    return str(array.tolist()) if array.size <= 8 else f"an array of shape {array.shape} with the sum {array.sum()}"
