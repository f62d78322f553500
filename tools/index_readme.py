"""README.md as a package index shows it: scikit-build-core asks this module for the field `readme`.

An index has no files beside the README, so relative links lead to the repository that pyproject.toml names, and
pictures come from where its files are served as they are.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def absolute_links(markdown: str, repository: str) -> str:
    """The same text, with relative links made absolute; what stands in fenced code stays as it is."""
    files = repository.replace("https://github.com/", "https://raw.githubusercontent.com/")
    pieces = re.split(r"(^```.*?^```)", markdown, flags=re.DOTALL | re.MULTILINE)
    for i in range(0, len(pieces), 2):
        piece = re.sub(r"(!\[[^\]]*\])\((?![a-z]+:|#)([^)\s]+)\)", rf"\1({files}/main/\2?sanitize=true)", pieces[i])
        pieces[i] = re.sub(r"\]\((?![a-z]+:|#)([^)\s]+)\)", rf"]({repository}/blob/main/\1)", piece)
    return "".join(pieces)


def dynamic_metadata(field: str, settings: object = None, project: object = None) -> dict[str, str]:
    """What scikit-build-core calls, from the root of the project."""
    if field != "readme":
        raise ValueError(f"expected the field readme, got {field}")
    found = re.search(r'^Repository = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError("pyproject.toml: expected Repository in [project.urls]")
    text = (ROOT / "README.md").read_text()
    return {"content-type": "text/markdown", "text": absolute_links(text, found[1])}
