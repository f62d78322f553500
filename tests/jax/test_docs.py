"""What the pages show of JAX runs, and so does the example."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.snippets import PAGES, ROOT, assert_doctests_hold, needs_jax, run_page


@pytest.mark.parametrize("page", [page for page in PAGES if needs_jax(page)], ids=lambda page: page.name)
def test_blocks_run_and_print_what_the_page_shows(page: Path, tmp_path: Path):
    print(run_page(page, tmp_path))


def test_doctests_hold():
    assert_doctests_hold("fastvec.jax")


def test_the_example_learns_within_a_few_thousand_steps():
    for package in ("equinox", "optax"):
        pytest.importorskip(package)
    command = [sys.executable, str(ROOT / "examples" / "ppo_jax.py"), "--total-steps", "98304"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    returns = [float(number) for number in re.findall(r"return +([0-9.]+)", done.stdout)]
    assert len(returns) == 3
    assert returns[0] < 100 < returns[-1]
