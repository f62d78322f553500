"""Draws the pictures of README and docs, and writes their tables, from the files in benchmarks/results.

    python tools/pictures.py            # after something was measured
    python tools/pictures.py --check    # says what is not up to date; exit status 1 if anything is

A table stands between `<!-- results: NAME -->` and `<!-- /results -->` (tools/figures/tables.py has the names), and
pictures are in docs/pictures. They hold the numbers that they show, and are compared by them: fonts may differ from
machine to machine.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from figures.charts import PICTURES
from figures.drawing import numbers_in, render
from figures.pages import filled
from figures.results import Results
from figures.tables import TABLES

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Write what is not up to date, or say what it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--root", type=Path, default=ROOT, help="of the project")
    arguments = parser.parse_args()
    results = Results(arguments.root / "benchmarks" / "results")
    stale = []

    for page in sorted([arguments.root / "README.md", *(arguments.root / "docs").rglob("*.md")]):
        text = page.read_text()
        new = filled(text, lambda name: TABLES[name](results))
        if new != text:
            stale.append(page)
            if not arguments.check:
                page.write_text(new)

    for name, picture in PICTURES.items():
        if any(file not in results for file in picture.needs):
            continue
        path = arguments.root / "docs" / "pictures" / f"{name}.svg"
        if not path.exists() or numbers_in(path.read_text()) != picture.numbers(results) or not arguments.check:
            drawn = render(picture, results)
            if path.exists() and path.read_bytes() == drawn:
                continue
            stale.append(path)
            if not arguments.check:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(drawn)

    for path in stale:
        print(f"{'not up to date' if arguments.check else 'wrote'}: {path.relative_to(arguments.root)}")
    if stale and arguments.check:
        print("run: python tools/pictures.py", file=sys.stderr)
    return int(arguments.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
