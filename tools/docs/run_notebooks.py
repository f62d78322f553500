"""Run the notebooks of docs/notebooks again, and keep what they print and draw.

    python tools/docs/run_notebooks.py [NAME ...]

Look at what came before it goes in: tests/python/docs/test_notebooks.py runs them, too, and compares.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"


def run(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook as it comes out of a run in ``folder``."""
    notebook = nbformat.read(path, as_version=4)
    # The commands of this Python come first; pictures stand in the notebook, whatever matplotlib does elsewhere.
    env = {**os.environ, "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"}
    env |= {"SDL_VIDEODRIVER": "dummy", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    settings = {"timeout": 300, "kernel_name": "python3", "record_timing": False, "coalesce_streams": True}
    client = NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **settings)
    client.execute(env=env)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def main(names: list[str]) -> None:
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(run(path, Path(folder)), path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
