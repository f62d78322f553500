"""The notebooks run, and what they print is what stands in them."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import nbformat
import pytest

from support.printed import ANY, assert_printed
from support.snippets import ROOT

sys.path.insert(0, str(ROOT / "tools" / "docs"))

from notebooks import as_page
from run_notebooks import NOTEBOOKS, run

# What a cell's tag says of the numbers that it prints; without one they are as exact as they are written.
TAGS = {"numbers-within-30": 0.3, "numbers-vary": ANY}
LARGEST_PICTURE = 60_000  # bytes

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text_of(cell: nbformat.NotebookNode) -> str:
    """What a cell prints and returns, pictures left out."""
    texts = []
    for output in cell.outputs:
        assert output.output_type in ("stream", "display_data", "execute_result")
        assert output.get("name") != "stderr", output.text
        if output.output_type == "stream":
            texts.append(output.text)
        elif "image/png" not in output.data:
            texts.append(output.data["text/plain"])
    return "\n".join(texts)


def pictures_of(cell: nbformat.NotebookNode) -> list[bytes]:
    return [
        base64.b64decode(output.data["image/png"])
        for output in cell.outputs
        if output.output_type == "display_data" and "image/png" in output.data
    ]


@every_notebook
def test_notebook_prints_and_draws_what_stands_in_it(path: Path, tmp_path: Path):
    kept = code_cells(nbformat.read(path, as_version=4))
    new = code_cells(run(path, tmp_path))
    for cell, again in zip(kept, new, strict=True):
        (within,) = [TAGS[tag] for tag in cell.metadata.get("tags", [])] or [None]
        assert_printed(text_of(cell).rstrip().splitlines(), text_of(again).rstrip(), within)
        assert len(pictures_of(cell)) == len(pictures_of(again))


@every_notebook
def test_notebook_was_run_from_top_to_bottom_and_is_small(path: Path):
    cells = code_cells(nbformat.read(path, as_version=4))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any(text_of(cell) for cell in cells)
    for picture in (picture for cell in cells for picture in pictures_of(cell)):
        assert len(picture) < LARGEST_PICTURE


@every_notebook
def test_page_of_a_notebook_has_all_of_it(path: Path):
    notebook = nbformat.read(path, as_version=4)
    page, pictures = as_page(path)
    at = 0
    for cell in notebook.cells:  # in this order
        at = page.index(cell.source, at) + len(cell.source)
        if cell.cell_type == "code":
            at = page.index(text_of(cell).rstrip(), at)
    assert list(pictures.values()) == [picture for cell in code_cells(notebook) for picture in pictures_of(cell)]
    assert all(f"]({name})" in page for name in pictures)


def test_there_are_notebooks():
    assert len(PATHS) >= 3
