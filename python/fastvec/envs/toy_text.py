"""The toy-text envs: keyword arguments, and native states to and from Gymnasium's classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.envs.toy_text import frozen_lake

from fastvec.envs.arguments import flag, is_int, number, preparer, refuse_unknown
from fastvec.envs.records import Record
from fastvec.native.counterpart import GymnasiumCounterpart

__all__ = ["COUNTERPARTS"]

_ANY_WHOLE = "iub"  # what looks up an outcome in a dict: the space is not asked

_GRID = Record(("s", "i4"), ("last_action", "i4"))
_TAXI = Record(("s", "i4"), ("fickle", "i2"), ("last_action", "i1"), ("orientation", "i1"))
_HAND = [("size", "u1"), ("total", "u1"), ("has_ace", "u1"), ("cards", "u1", 22)]
_BLACKJACK = Record(("dealer", _HAND), ("player", _HAND), ("suit", "u1"), ("face", "u1"))

_SUITS, _FACES = "CDHS", "JQK"


def _load_position(env: Any, s: int, last_action: int) -> None:
    env.s = np.int64(s)
    env.lastaction = None if last_action < 0 else np.int64(last_action)


def _dump_position(env: Any) -> dict[str, int]:
    states, actions = env.observation_space.n, env.action_space.n
    if not 0 <= env.s < states:
        raise ValueError(f"expected s from 0 to {states - 1}, got {env.s!r}")
    last = -1 if env.lastaction is None else int(env.lastaction)
    if not -1 <= last < actions:
        raise ValueError(f"expected lastaction from 0 to {actions - 1} or None, got {env.lastaction!r}")
    return {"s": int(env.s), "last_action": last}


def _load_grid(env: Any, state: bytes) -> None:
    record = _GRID.unpack(state)
    _load_position(env, record["s"], record["last_action"])


def _dump_grid(env: Any) -> bytes:
    return _GRID.pack(**_dump_position(env))


def _prepare_frozen_lake(env_id: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    known = ("desc", "map_name", "is_slippery", "success_rate", "reward_schedule")

    def prepare(kwargs: dict[str, Any]) -> dict[str, Any]:
        """The native arguments.

        Where desc and map_name are None, Gymnasium draws a map for each env. Here one map is drawn for the
        vector; it is put into ``kwargs["desc"]``, so that a Gymnasium env made from them is on the same map.
        """
        refuse_unknown(env_id, kwargs, known)
        desc, map_name = kwargs.get("desc"), kwargs.get("map_name", "")
        if desc is None and map_name is None:
            desc = kwargs["desc"] = frozen_lake.generate_random_map()
        if desc is None and map_name != "":
            desc = frozen_lake.MAPS[map_name]

        native: dict[str, Any] = {}
        if desc is not None:
            native["desc"] = _tiles(desc)
        if "is_slippery" in kwargs:
            native["is_slippery"] = flag(kwargs["is_slippery"])
        if "success_rate" in kwargs:
            native["success_rate"] = number(kwargs["success_rate"])
            native["success_rate_is_int"] = is_int(kwargs["success_rate"])
        if "reward_schedule" in kwargs:
            native["reward_schedule"] = [number(kwargs["reward_schedule"][kind]) for kind in range(3)]
        return native

    return prepare


def _tiles(desc: Any) -> list[str]:
    """A map as rows of S, F, H and G. Gymnasium takes other letters for ice, and an empty one for a goal."""
    rows, columns = (board := np.asarray(desc, dtype="c")).shape
    tiles = {b"S": "S", b"H": "H", b"G": "G", b"": "G"}
    return ["".join(tiles.get(bytes(board[row, column]), "F") for column in range(columns)) for row in range(rows)]


def _prepare_taxi(kwargs: dict[str, Any]) -> dict[str, Any]:
    conversions = {
        "is_rainy": flag,
        "fickle_passenger": flag,
        "rainy_probability": number,
        "fickle_probability": number,
    }
    native = preparer("Taxi-v4", conversions)(kwargs)
    if "rainy_probability" in kwargs:
        native["rainy_probability_is_int"] = is_int(kwargs["rainy_probability"])
    return native


def _load_taxi(env: Any, state: bytes) -> None:
    record = _TAXI.unpack(state)
    _load_position(env, record["s"], record["last_action"])
    env.fickle_step = bool(record["fickle"])
    env.taxi_orientation = int(record["orientation"])


def _dump_taxi(env: Any) -> bytes:
    orientation = int(env.taxi_orientation)
    if not 0 <= orientation < 4:
        raise ValueError(f"expected taxi_orientation from 0 to 3, got {env.taxi_orientation!r}")
    return _TAXI.pack(**_dump_position(env), fickle=bool(env.fickle_step), orientation=orientation)


def _load_blackjack(env: Any, state: bytes) -> None:
    record = _BLACKJACK.unpack(state)
    for hand in ("dealer", "player"):
        cards = record[hand]["cards"][: record[hand]["size"]]
        setattr(env, hand, [int(card) for card in cards])
    first = env.dealer[0]
    env.dealer_top_card_suit = np.str_(_SUITS[record["suit"]])
    if first == 10:
        env.dealer_top_card_value_str = np.str_(_FACES[record["face"]])
    else:
        env.dealer_top_card_value_str = "A" if first == 1 else str(first)


def _dump_blackjack(env: Any) -> bytes:
    face = env.dealer_top_card_value_str
    return _BLACKJACK.pack(
        dealer=_hand(env.dealer),
        player=_hand(env.player),
        suit=_SUITS.index(env.dealer_top_card_suit),
        face=_FACES.index(face) if face in _FACES else 0,
    )


def _hand(cards: list[int]) -> Any:
    if not 1 <= len(cards) <= 22 or not all(1 <= card <= 10 for card in cards) or sum(cards) > 255:
        raise ValueError(f"expected a hand of 1 to 22 cards from 1 to 10, got {cards!r}")
    padded = (*cards, *(0,) * (22 - len(cards)))
    return (len(cards), sum(cards), 1 in cards, padded)


def _grid(env_id: str, prepare: Callable[[dict[str, Any]], dict[str, Any]]) -> GymnasiumCounterpart:
    return GymnasiumCounterpart(env_id, prepare, _load_grid, _dump_grid, action_kinds=_ANY_WHOLE)


def _cliff_walking(env_id: str) -> GymnasiumCounterpart:
    return _grid(env_id, preparer(env_id, {"is_slippery": flag}))


COUNTERPARTS: dict[str, GymnasiumCounterpart] = {
    "FrozenLake-v1": _grid("FrozenLake-v1", _prepare_frozen_lake("FrozenLake-v1")),
    "FrozenLake8x8-v1": _grid("FrozenLake8x8-v1", _prepare_frozen_lake("FrozenLake8x8-v1")),
    "CliffWalking-v1": _cliff_walking("CliffWalking-v1"),
    "CliffWalkingSlippery-v1": _cliff_walking("CliffWalkingSlippery-v1"),
    "Taxi-v4": GymnasiumCounterpart("Taxi-v4", _prepare_taxi, _load_taxi, _dump_taxi, action_kinds=_ANY_WHOLE),
    "Blackjack-v1": GymnasiumCounterpart(
        "Blackjack-v1", preparer("Blackjack-v1", {"natural": flag, "sab": flag}), _load_blackjack, _dump_blackjack
    ),
}
