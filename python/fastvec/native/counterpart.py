"""What Gymnasium's Python env adds to its native counterpart.

A native env only steps and resets. Everything else that Gymnasium's own class offers (its pictures, its
attributes and methods) comes from that very class: one env of it is made, the native state is loaded into
it, and it is asked. Nothing of Gymnasium is written again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium

__all__ = ["GymnasiumCounterpart"]


@dataclass(frozen=True)
class GymnasiumCounterpart:
    """The ties between one native env and Gymnasium's class.

    Attributes:
        gymnasium_id: the id that ``gymnasium.make`` knows.
        prepare_kwargs: from Gymnasium's keyword arguments to the native ones; raises what Gymnasium raises.
        load_state: ``load_state(env, state)`` puts the native state of one env (the bytes that the C++ env
            saves) into ``env``, an unwrapped Gymnasium env.
        dump_state: the reverse: the native state bytes of what ``env`` holds now.
        words: for native parameters that are words in Gymnasium: the words of the numbers 0, 1...
        action_kinds: NumPy's kinds of dtypes (``"i"``, ``"u"``, ``"b"``, ``"f"``) with which that class and the native
            env compute the same; others are refused. Empty: the usual ones.
        stepped_by: the id of the native env type that steps an env with these keyword arguments, where they decide
            on it; None: the type of the env's own id.
        one_env_each: whether objects of a Gymnasium env that was asked go on being looked at (a simulator's bodies), so
            that each env of a vector needs a reference env of its own.
    """

    gymnasium_id: str
    prepare_kwargs: Callable[[dict[str, Any]], dict[str, Any]]
    load_state: Callable[[gymnasium.Env, bytes], None]
    dump_state: Callable[[gymnasium.Env], bytes]
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    action_kinds: str = ""
    stepped_by: Callable[[Mapping[str, Any]], str] | None = None
    one_env_each: bool = False
