"""``fastvec list``."""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Sequence
from typing import Any

import gymnasium

from fastvec import registry
from fastvec.ale.make import is_ale_spec, register_ale
from fastvec.resources import kwargs_description, missing_extra

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    """Print the envs that ``make_vec`` knows by id, and the backend that each gets."""
    parser = argparse.ArgumentParser(
        prog="fastvec list",
        description="List the native envs, and ale-py's where it is installed; with --all, every id of Gymnasium's "
        "registry too.",
    )
    parser.add_argument("--all", action="store_true", help="also ids that get Python worker processes")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of a table")
    arguments = parser.parse_args(argv)

    if importlib.util.find_spec("ale_py") is not None:
        register_ale()
    rows = _native_rows()
    rows += [row for row in _gymnasium_rows() if arguments.all or row["backend"] != "process"]
    if arguments.json:
        print(json.dumps(rows))
        return 0
    width = max(len(row["id"]) for row in rows)
    print(f"{'id':<{width}}  backend  keyword arguments; reset options")
    for row in rows:
        shown = ", ".join(f"{name}={default!r}" for name, default in row["kwargs"].items())
        options = f"; {', '.join(row['options'])}" if row["options"] else ""
        needs = f"; needs: pip install {row['needs']!r}".replace("'", '"') if row.get("needs") else ""
        print(f"{row['id']:<{width}}  {row['backend']:<7}  {shown}{options}{needs}".rstrip())
    return 0


def _native_rows() -> list[dict[str, Any]]:
    rows = []
    for env_id in registry.list_envs():
        native = registry.find(env_id)
        assert native is not None
        missing = missing_extra(env_id)
        row = {"id": env_id, "backend": "native", "kwargs": _shown_kwargs(native), "options": native.option_names}
        rows.append(row | ({} if missing is None else {"needs": missing}))
    return rows


def _shown_kwargs(native: registry.NativeEnv) -> dict[str, Any]:
    """The keyword arguments that are the user's, with their defaults."""
    describe = kwargs_description(native.id)
    if describe is not None:
        return {name: value if _is_plain(value) else repr(value) for name, value in describe().items()}
    return {name: default for name, _, default, _ in native.kwargs if not name.startswith("_")}


def _gymnasium_rows() -> list[dict[str, Any]]:
    """Gymnasium's ids that have no native env, with the arguments that they are registered with."""
    rows = []
    for env_id, spec in sorted(gymnasium.registry.items()):
        if registry.find(env_id) is not None or spec.entry_point is None:
            continue
        backend = "ale" if is_ale_spec(spec) else "process"
        kwargs = {name: value if _is_plain(value) else repr(value) for name, value in spec.kwargs.items()}
        rows.append({"id": env_id, "backend": backend, "kwargs": kwargs, "options": []})
    return rows


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))
