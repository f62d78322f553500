"""What MkDocs calls while it builds the site (``hooks`` in mkdocs.yml).

Pages link to each other and to files of the repository by relative paths, so that they also work where the repository
is read. Here links that leave ``docs/`` become links to the repository; the changelog and the page for contributors,
which lie beside the README, become pages of the site, and so do the headers of the SDK and the notebooks.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))
import notebooks  # noqa: E402  (MkDocs loads a hook by its path)
from headers import as_page, read_header  # noqa: E402

# Files beside the README that are pages here.
PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
# Headers that are pages here: those that an env's source may include by name.
HEADERS = {
    f"cpp/include/fastvec/{path.name}": f"sdk/{path.stem}.md"
    for path in sorted((ROOT / "cpp/include/fastvec").glob("*.hpp"))
    if path.name != "kernel.hpp"
}

_LINK = re.compile(r"(\[[^\]]*\]\()([^)\s#]*)(#[^)\s]*)?(\))")
_FENCE = re.compile(r"(^ *```.*?^ *```)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in ``docs/``."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    for source, page in HEADERS.items():
        files.append(File.generated(config, page, content=as_page(read_header(ROOT / source))))
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        text, pictures = notebooks.as_page(Path(notebook.abs_src_path))
        files.append(File.generated(config, notebook.src_uri.removesuffix(".ipynb") + ".md", content=text))
        for name, picture in pictures.items():
            path = posixpath.join(posixpath.dirname(notebook.src_uri), name)
            files.append(File.generated(config, path, content=picture))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page into links of the site."""
    places = PAGES | HEADERS
    sources = {page: source for source, page in places.items()}
    path = page.file.src_uri
    folder = posixpath.dirname(sources.get(path, f"docs/{path}"))

    def replaced(match: re.Match[str]) -> str:
        before, target, anchor, after = match.groups()
        if not target or "://" in target:
            return match.group()
        file = posixpath.normpath(posixpath.join(folder, target))
        if file in places:
            target = _relative(places[file], path)
        elif file.startswith("docs/"):
            is_download = file.removesuffix(".ipynb") == f"docs/{path.removesuffix('.md')}"
            if file.endswith(".ipynb") and not is_download:
                file = file.removesuffix(".ipynb") + ".md"
            target = _relative(file.removeprefix("docs/"), path)
        elif (ROOT / file).exists():
            target = f"{config.repo_url}/blob/main/{file}"
        return f"{before}{target}{anchor or ''}{after}"

    # Every second piece is a code block.
    pieces = _FENCE.split(markdown)
    pieces[::2] = [_LINK.sub(replaced, piece) for piece in pieces[::2]]
    return "".join(pieces)


def _relative(target: str, page: str) -> str:
    return posixpath.relpath(target, posixpath.dirname(page) or ".")
