"""Actions that are whole numbers without having an integer dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["whole_numbers"]


def whole_numbers(actions: Any, kinds: str) -> np.ndarray | None:
    """These actions as int64, if each is what an env of Gymnasium takes for an integer: None otherwise.

    Python's ints and bools are, and NumPy's integers, also in an array of objects. NumPy's bools are in no Discrete
    space; they reach envs that ask no space all the same.

    Args:
        actions: a sequence or array of bools or objects.
        kinds: of NumPy's dtypes that the env takes: ``"b"`` for bools, ``"u"`` for unsigned integers; empty: not bools.
    """
    if isinstance(actions, np.ndarray) and actions.dtype == np.bool_:
        return actions.astype(np.int64) if "b" in kinds else None
    taken: tuple[type, ...] = (int, np.signedinteger)
    if "u" in kinds or not kinds:
        taken += (np.unsignedinteger,)
    if "b" in kinds:
        taken += (np.bool_,)
    objects = np.array(actions, dtype=object)
    if not all(isinstance(one, taken) for one in objects.ravel().tolist()):
        return None
    try:
        return objects.astype(np.int64)
    except OverflowError:
        return None
