"""Infos of many envs: made into columns by the worker, merged by the parent.

The result is that of ``gymnasium.vector.VectorEnv._add_info``, called for each env in order. Where all envs agree on
the type of each key, whole columns are moved; where they do not, that very function does it env by env.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np

__all__ = ["Encoder", "decode", "encode", "encode_here", "merge", "merge_rows"]

Encoder = Callable[[Sequence[tuple[int, dict[str, Any]]], int], "list[Any] | None"]

_FEW_ROWS = 2
_PLAIN_NUMBERS = (int, float, bool)
_FAST = {  # by type, the code for array.array and the kind of column
    float: ("d", ("number", np.dtype(np.float64).str, False)),
    np.float64: ("d", ("number", np.dtype(np.float64).str, True)),
    int: ("q", ("number", np.dtype(np.int64).str, False)),
    np.int64: ("q", ("number", np.dtype(np.int64).str, True)),
}
_SCALARS: list[type] = [kind for kind in np.sctypeDict.values() if issubclass(kind, np.number)]
_NUMBERS: dict[type, np.dtype[Any]] = {  # by type, what Gymnasium keeps its values in
    kind: np.dtype(kind) for kind in (*_PLAIN_NUMBERS, *_SCALARS) if not issubclass(kind, np.timedelta64)
}


class Column(NamedTuple):
    """The values of one key.

    ``kind``: a tuple that two columns must share to be merged: ``("number", dtype, is_numpy)``,
    ``("array", dtype, shape)``, ``("object",)`` or ``("dict",)``. ``rows``: whose they are; None for all rows of the
    worker. ``data``: bytes, a list, or a list of columns.
    """

    key: str
    kind: tuple[Any, ...]
    rows: list[int] | None
    data: Any


class _Uneven(Exception):
    """The envs disagree on what a key holds."""


def encode(infos: Sequence[tuple[int, dict[str, Any]]], count: int) -> list[Any] | None:
    """The infos of a worker's envs for the way to the parent.

    Args:
        infos: ``(row, info)`` in the order in which they are to be added.
        count: rows of the worker.

    Returns:
        plain tuples of columns, the infos as they are if they are uneven, or None if there are none.
    """
    if not infos:
        return None
    try:
        return ["columns", _columns(infos, count)]
    except Exception:  # an uneven or exotic info, which merge_rows treats as Gymnasium would
        return ["rows", list(infos)]


def encode_here(infos: Sequence[tuple[int, dict[str, Any]]], count: int) -> list[Any] | None:
    """As :func:`encode`, for a way that leads nowhere: where all envs say the same keys, merged at once."""
    if not infos:
        return None
    merged = _merge_even(infos, count)
    if merged is not None:
        return ["merged", merged]
    return encode(infos, count) if count > _FEW_ROWS else ["rows", infos]  # columns pay where there are many rows


def _merge_even(infos: Sequence[tuple[int, dict[str, Any]]], count: int) -> dict[str, Any] | None:
    """What :func:`merge` makes of the infos if each env has one, with the same keys and numbers behind them.

    That is what most simulators say at each step, and a step of theirs takes no longer than the longer way.

    Returns:
        None if there is anything else in them.
    """
    rows, dicts = zip(*infos, strict=True)
    keys = tuple(dicts[0])
    names = _names_if_plain(keys)
    if names is None or rows != _all_rows(count) or {*map(tuple, dicts)} != {keys}:
        return None
    merged: dict[str, Any] = {}
    masks = np.empty((len(keys), count), np.bool_)
    masks.fill(True)
    columns = zip(*[info.values() for info in dicts], strict=True)
    for (key, mask_key), values, mask in zip(names, columns, masks, strict=True):
        types = set(map(type, values))
        dtype = _NUMBERS.get(types.pop())
        if dtype is None or types:
            return None
        try:
            merged[key] = np.array(values, dtype)
        except OverflowError:
            return None
        merged[mask_key] = mask
    return merged


@functools.lru_cache(maxsize=128)
def _names_if_plain(keys: tuple[Any, ...]) -> list[tuple[str, str]] | None:
    """Each key and that of its mask; None if there is one with a meaning of its own."""
    if any(type(key) is not str or key == "final_obs" or key.startswith("_") for key in keys):
        return None
    return [(key, f"_{key}") for key in keys]


@functools.cache
def _all_rows(count: int) -> tuple[int, ...]:
    return tuple(range(count))


def _columns(infos: Sequence[tuple[int, dict[str, Any]]], count: int) -> list[tuple[Any, ...]]:
    table: dict[str, tuple[list[int], list[Any]]] = {}
    for row, info in infos:
        for key, value in info.items():
            column = table.get(key)
            if column is None:
                if type(key) is not str or key.startswith("_"):
                    raise _Uneven(key)
                table[key] = ([row], [value])
            else:
                column[0].append(row)
                column[1].append(value)
    columns = []
    for key, (rows, values) in table.items():
        kind, data = _column_data(key, rows, values, count)
        every = len(rows) == count and rows[0] == 0 and rows == list(range(count))
        columns.append((key, kind, None if every else rows, data))
    return columns


def _column_data(key: str, rows: list[int], values: list[Any], count: int) -> tuple[tuple[Any, ...], Any]:
    if key == "final_obs":
        return ("object",), values
    types = set(map(type, values))
    if len(types) > 1:
        raise _Uneven(key)
    (only,) = types
    if only in _FAST:
        code, kind = _FAST[only]
        return kind, array(code, values).tobytes()
    if issubclass(only, np.timedelta64):  # a number to Gymnasium, which makes an array without a unit
        raise _Uneven(key)
    if only in _PLAIN_NUMBERS or issubclass(only, np.number):
        data = np.array(values, dtype=only)
        return ("number", data.dtype.str, only not in _PLAIN_NUMBERS), data.tobytes()
    if only is np.ndarray:
        shape, dtype = values[0].shape, values[0].dtype
        if dtype.hasobject or dtype.names or not dtype.isnative:
            raise _Uneven(key)
        if any(value.shape != shape or value.dtype != dtype for value in values):
            raise _Uneven(key)
        return ("array", dtype.str, shape), np.stack(values).tobytes()
    if only is dict:
        return ("dict",), _columns(list(zip(rows, values, strict=True)), count)
    if issubclass(only, (dict, np.ndarray)):
        raise _Uneven(key)
    return ("object",), values


def merge(parts: Iterable[tuple[int, int, list[Any] | None]], num_envs: int) -> dict[str, Any]:
    """The info dictionary of a batch.

    Args:
        parts: ``(first env, number of envs, what encode returned)`` of each worker, in order.
        num_envs: length of the arrays.
    """
    present = [(first, count, part) for first, count, part in parts if part is not None]
    if not present:
        return {}
    if present[0][2][0] == "merged":  # by encode_here, for the only part
        return present[0][2][1]
    if all(part[0] == "columns" for _, _, part in present):
        try:
            return _merge_columns([(first, count, part[1]) for first, count, part in present], num_envs)
        except _Uneven:
            pass
    rows = [(first + row, info) for first, count, part in present for row, info in decode(part, count)]
    return merge_rows(rows, num_envs)


def _merge_columns(parts: list[tuple[int, int, list[tuple[Any, ...]]]], num_envs: int) -> dict[str, Any]:
    if len(parts) == 1 and parts[0][1] == num_envs:
        return _merge_whole(parts[0][2], num_envs)
    by_key: dict[str, list[tuple[int, int, list[int] | None, Any]]] = {}
    kinds: dict[str, tuple[Any, ...]] = {}
    for first, count, columns in parts:
        for key, kind, rows, data in columns:
            if kinds.setdefault(key, kind) != kind:
                raise _Uneven(key)
            by_key.setdefault(key, []).append((first, count, rows, data))
    infos: dict[str, Any] = {}
    for key, pieces in by_key.items():
        complete = len(pieces) == len(parts)
        rows = 0
        for _, count, chosen, _ in pieces:
            complete = complete and chosen is None
            rows += count
        complete = complete and rows == num_envs
        infos[key] = _merge_values(kinds[key], pieces, num_envs, complete)
        infos[f"_{key}"] = _mask(pieces, num_envs, complete)
    return infos


def _merge_whole(columns: list[tuple[Any, ...]], num_envs: int) -> dict[str, Any]:
    """The columns of one worker that has all envs."""
    infos: dict[str, Any] = {}
    for key, kind, rows, data in columns:
        piece = (0, num_envs, rows, data)
        if rows is None and kind[0] == "number":
            infos[key] = np.ndarray(num_envs, _dtype(kind[1]), bytearray(data))
        else:
            infos[key] = _merge_values(kind, [piece], num_envs, rows is None)
        infos[f"_{key}"] = _mask([piece], num_envs, rows is None)
    return infos


def _merge_values(kind: tuple[Any, ...], pieces: list[tuple[Any, ...]], num_envs: int, complete: bool) -> Any:
    if kind[0] == "dict":
        return _merge_columns([(first, count, data) for first, count, _, data in pieces], num_envs)
    if kind[0] == "object":
        objects = np.full(num_envs, fill_value=None, dtype=object)
        for first, count, rows, data in pieces:
            for row, value in zip(range(count) if rows is None else rows, data, strict=True):
                objects[first + row] = value
        return objects
    if complete:
        return _values(kind, bytearray().join(data for _, _, _, data in pieces), num_envs)
    array = np.zeros((num_envs, *kind[2]) if kind[0] == "array" else num_envs, dtype=_dtype(kind[1]))
    for first, count, rows, data in pieces:
        array[_index(first, count, rows)] = _values(kind, data, count if rows is None else len(rows))
    return array


@functools.cache
def _dtype(name: str) -> np.dtype:
    return np.dtype(name)


def _mask(pieces: list[tuple[Any, ...]], num_envs: int, complete: bool) -> np.ndarray:
    mask = np.empty(num_envs, dtype=np.bool_)
    mask.fill(complete)
    if complete:
        return mask
    for first, count, rows, _ in pieces:
        mask[_index(first, count, rows)] = True
    return mask


def _index(first: int, count: int, rows: list[int] | None) -> Any:
    return slice(first, first + count) if rows is None else [first + row for row in rows]


def _values(kind: tuple[Any, ...], data: bytes | bytearray, count: int) -> np.ndarray:
    return np.ndarray((count, *kind[2]) if kind[0] == "array" else count, _dtype(kind[1]), data)


def decode(part: list[Any], count: int) -> list[tuple[int, dict[str, Any]]]:
    """``(row, info)`` as they were before ``encode``, but for the order of keys of different rows."""
    form, content = part
    if form == "rows":
        return content
    infos: dict[int, dict[str, Any]] = {}
    for key, kind, rows, data in content:
        where = range(count) if rows is None else rows
        if kind[0] == "dict":
            # An empty dict has no columns, and is there all the same.
            inner: dict[int, dict[str, Any]] = {row: {} for row in where}
            inner.update(decode(["columns", data], count))
            values: Iterable[Any] = [inner[row] for row in where]
        elif kind[0] == "object":
            values = data
        elif kind[0] == "array":  # not its elements: those of 0-d arrays would be scalars
            columns = _values(kind, data, len(where))
            values = [columns[i, ...].copy() for i in range(len(where))]
        else:
            numbers = _values(kind, data, len(where))
            values = list(numbers) if kind[2] else numbers.tolist()
        for row, value in zip(where, values, strict=True):
            infos.setdefault(row, {})[key] = value
    return sorted(infos.items())


class _Adder(gymnasium.vector.VectorEnv):
    """Gymnasium's own way to add an info, for any number of rows."""

    closed = True

    def __init__(self, rows: int) -> None:
        self.num_envs = rows


def merge_rows(infos: Iterable[tuple[int, dict[str, Any]]], rows: int) -> dict[str, Any]:
    """The info dictionary of ``rows`` rows from single infos, added in order."""
    adder = _Adder(rows)
    merged: dict[str, Any] = {}
    for row, info in infos:
        merged = adder._add_info(merged, info, row)
    return merged
