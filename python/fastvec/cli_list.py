"""``fastvec list``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from fastvec import registry

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    """Print the native envs with their keyword arguments and reset options."""
    parser = argparse.ArgumentParser(prog="fastvec list", description="List the native envs.")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of a table")
    arguments = parser.parse_args(argv)

    rows = []
    for env_id in registry.list_envs():
        native = registry.find(env_id)
        assert native is not None
        kwargs = {name: default for name, _, default, _ in native.kwargs}
        rows.append({"id": env_id, "backend": "native", "kwargs": kwargs, "options": native.option_names})
    if arguments.json:
        print(json.dumps(rows))
        return 0
    width = max(len(row["id"]) for row in rows)
    print(f"{'id':<{width}}  backend  keyword arguments; reset options")
    for row in rows:
        shown = ", ".join(f"{name}={default!r}" for name, default in row["kwargs"].items())
        options = f"; {', '.join(row['options'])}" if row["options"] else ""
        print(f"{row['id']:<{width}}  {row['backend']:<7}  {shown}{options}")
    return 0
