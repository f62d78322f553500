"""Notebooks as pages of the site, as they were run (``run_notebooks.py``)."""

from __future__ import annotations

import base64
import json
from pathlib import Path


def as_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook in Markdown, with a link to download it, and its pictures by name, which belong beside the page."""
    pictures: dict[str, bytes] = {}
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                name = f"{path.stem}_{len(pictures)}.png"
                pictures[name] = base64.b64decode("".join(data["image/png"]))
                parts.append(f"![what the code above draws]({name})")
            else:
                text = "".join(output.get("text") or data["text/plain"])
                parts.append(f"```{{ .text .output .no-copy }}\n{text.rstrip()}\n```")
    parts.append(f"[This page as a notebook]({path.name}){{ download }}")
    return "\n\n".join(parts), pictures
