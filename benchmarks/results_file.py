"""The file that a benchmark writes, and prints as a table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def parse_or_print(
    parser: argparse.ArgumentParser, default: Path, as_table: Callable[[dict[str, Any]], str]
) -> argparse.Namespace | None:
    """The arguments, ``--output`` among them; with ``--table``, None, and the file was printed as Markdown instead."""
    parser.add_argument("--output", type=Path, default=default)
    parser.add_argument("--table", action="store_true", help="run nothing, print the file as a table")
    args = parser.parse_args()
    if not args.table:
        return args
    print(as_table(json.loads(args.output.read_text())))
    return None
