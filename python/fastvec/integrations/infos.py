"""From a vector's infos (a dict of arrays with masks) to one dict per env."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["row_of", "split_infos"]


def split_infos(infos: dict[str, Any], rows: dict[int, dict[str, Any]]) -> None:
    """Put each env's entries of ``infos`` into its dict in ``rows``; envs that are not in ``rows`` are left out.

    The work is in proportion to the entries that there are: an env that a mask ``_key`` leaves out costs nothing.
    Numbers become Python's own; arrays are views of ``infos``; nested dicts become nested dicts.
    """
    for key, values in infos.items():
        if key.startswith("_") and key[1:] in infos:
            continue  # the mask of another key
        mask = infos.get(f"_{key}")
        ids: Iterable[int] = rows if mask is None else [i for i in np.flatnonzero(mask).tolist() if i in rows]
        if isinstance(values, dict):
            nested: dict[int, dict[str, Any]] = {i: {} for i in ids}
            split_infos(values, nested)
            for i, entries in nested.items():
                rows[i][key] = entries
        elif isinstance(values, np.ndarray) and values.ndim:
            items = values.tolist() if values.ndim == 1 else values
            for i in ids:
                rows[i][key] = items[i]
        else:
            for i in ids:
                rows[i][key] = values


def row_of(observations: Any, row: int) -> Any:
    """Row ``row`` of a batch of observations of any structure, or of ``info["final_obs"]``."""
    if isinstance(observations, dict):
        return {key: row_of(value, row) for key, value in observations.items()}
    if isinstance(observations, tuple):
        return tuple(row_of(value, row) for value in observations)
    return observations[row]
