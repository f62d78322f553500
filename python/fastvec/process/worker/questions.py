"""What a worker's envs are asked: calls and attributes, and states to save and load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastvec.process.wire.protocol import Failure
from fastvec.process.worker.copies import copied
from fastvec.process.worker.env_rows import EnvRows
from fastvec.process.worker.env_state import load_env, save_env

__all__ = ["Result", "call", "load", "save", "set_attribute"]

Result = tuple[list[Failure], bool, Any]
"""Failures; whether the question itself was at fault, not an env's own code; what the envs told."""


def call(rows: EnvRows, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Result:
    """Call a method of each env, or read an attribute: one result per env."""
    failures, results = [], []
    missing = False
    for env, single in enumerate(rows.envs, rows.first):
        try:
            function = single.get_wrapper_attr(name)
        except AttributeError as error:
            missing = True
            failures.append(Failure.of(env, error))
            continue
        try:
            # A method may return what the next env's call overwrites: a frame, say. Attributes stay as they are.
            results.append(copied(function(*arguments, **keywords)) if callable(function) else function)
        except rows.caught as error:
            failures.append(Failure.of(env, error))
    return failures, missing, results


def set_attribute(rows: EnvRows, name: str, values: Sequence[Any]) -> Result:
    """Set an attribute of each env, to one value each."""
    failures = []
    for env, (single, value) in enumerate(zip(rows.envs, values, strict=True), rows.first):
        try:
            single.set_wrapper_attr(name, value)
        except rows.caught as error:
            failures.append(Failure.of(env, error))
    rows.bind()
    return failures, False, None


def save(rows: EnvRows, chosen: Sequence[int]) -> Result:
    """The states of some rows: each env as bytes, and what its row is beside it."""
    failures, states = [], []
    for row in chosen:
        try:
            states.append((save_env(rows.envs[row]), *rows.state_of(row)))
        except Exception as error:
            failures.append(Failure.of(rows.first + row, error))
    return failures, bool(failures), states


def load(rows: EnvRows, chosen: Sequence[int], states: Sequence[tuple[bytes, bool, Any]]) -> Result:
    """Load what :func:`save` gave into some rows; into none if one cannot be loaded."""
    failures = []
    try:
        loaded = [load_env(state) for state, _, _ in states]
    except Exception as error:
        failures.append(Failure.of(rows.first, error))
    else:
        for row, env, (_, *state) in zip(chosen, loaded, states, strict=True):
            rows.load(row, env, (state[0], state[1]))
        rows.bind()
    return failures, False, None
