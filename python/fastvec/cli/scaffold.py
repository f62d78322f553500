"""``fastvec new``: a package with an env of one's own."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path

__all__ = ["TEMPLATE_NAME", "new_package"]

TEMPLATE_NAME = "my_envs"  # stands for the package's name in the template's files and paths


def new_package(name: str, folder: str | Path | None = None) -> list[Path]:
    """Write a package that builds, tests and trains as it is.

    Args:
        name: of the Python package, of the distribution and of the ids' namespace: a lower-case identifier such as
            ``my_envs`` (dashes become underscores).
        folder: where to write; by default ``./name``. It is made if need be, and has to be empty.

    Returns:
        The files, in the order in which they were written.

    Raises:
        ValueError: a name that no package can have, or that a module has already.
        FileExistsError: the folder is there and not empty. Nothing was written.
    """
    package = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", package) or keyword.iskeyword(package):
        raise ValueError(f"expected a name of lower-case letters, digits and _, such as my_envs, got {name!r}")
    if package in sys.stdlib_module_names or package in ("fastvec", "gymnasium", "numpy", "torch", "tests"):
        raise ValueError(f"expected a name that no other module has, got {name!r}")
    target = Path(package if folder is None else folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"{target} exists already: name a folder that is new or empty")
    written: list[Path] = []
    _copy(Path(__file__).parent / "templates" / TEMPLATE_NAME, target, package, written)
    return written


def _copy(source: Path, target: Path, package: str, written: list[Path]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir(), key=lambda entry: (entry.is_dir(), entry.name)):
        if entry.name == "__pycache__":
            continue
        name = ".gitignore" if entry.name == "gitignore" else entry.name.replace(TEMPLATE_NAME, package)
        if entry.is_dir():
            _copy(entry, target / name, package, written)
        else:
            (target / name).write_text(entry.read_text(encoding="utf-8").replace(TEMPLATE_NAME, package), "utf-8")
            written.append(target / name)
