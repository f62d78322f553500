"""Copies of what envs return, made before anything can change it.

An env may hand out the array, dict or list that it goes on working with, and several envs of a worker may hand out the
same one. What they returned is written and pickled only when the whole batch has been stepped, so it is copied at once.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium.spaces import GraphInstance

__all__ = ["copied", "copied_info"]

# Types, not their subclasses, whose values never change. A structured scalar (np.void) can be assigned to.
_IMMUTABLE = frozenset(
    {type(None), bool, int, float, complex, str, bytes}
    | {kind for kind in np.sctypeDict.values() if not issubclass(kind, (np.void, np.object_))}
)


def copied(value: Any) -> Any:
    """``value`` as it is now: equal, of the same type, and sharing nothing that could change.

    What cannot be copied (a module, a lock) is returned as it is.
    """
    kind = type(value)
    if kind in _IMMUTABLE:
        return value
    if kind is np.ndarray and not value.dtype.hasobject:
        return value.copy("K")
    if kind is dict:
        return {key: one if type(one) in _IMMUTABLE else copied(one) for key, one in value.items()}
    if kind is tuple or kind is GraphInstance:
        parts = [one if type(one) in _IMMUTABLE else copied(one) for one in value]
        return tuple(parts) if kind is tuple else GraphInstance(*parts)
    if kind is list and _IMMUTABLE.issuperset(map(type, value)):
        return value.copy()
    try:
        return deepcopy(value)
    except Exception:  # deepcopy raises whatever the value's own methods do
        return value


def copied_info(info: Any) -> dict[str, Any]:
    """The items of an info dictionary, copied.

    Raises:
        AttributeError: ``info`` is no mapping, in the words of SyncVectorEnv.
    """
    return {key: one if type(one) in _IMMUTABLE else copied(one) for key, one in info.items()}
