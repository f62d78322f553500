"""Print a command of README.md, so that CI runs what users are told to run.

    python tools/readme_command.py tests

finds the comment ``<!-- tests -->`` and prints the fenced block after it, comments left out.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def read_command(name: str) -> str:
    """The command under ``<!-- name -->``; SystemExit if there is none."""
    found = re.search(rf"<!-- {re.escape(name)} -->\s*```\w*\n(.*?)```", README.read_text(), re.DOTALL)
    if found is None:
        raise SystemExit(f"README.md has no command marked <!-- {name} -->")
    lines = [line for line in found[1].splitlines() if line.strip() and not line.startswith("#")]
    return "\n".join(lines)


if __name__ == "__main__":
    print(read_command(sys.argv[1]))
