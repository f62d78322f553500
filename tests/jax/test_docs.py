"""What docs/jax.md shows runs, and so does the example."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def test_the_code_of_the_page_runs_from_top_to_bottom():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "jax.md").read_text(), re.DOTALL)
    assert len(blocks) >= 4
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/jax.md", "exec"), names)
    assert names["rewards"].shape == (256,)
    assert not names["dones"].any()


def test_the_example_learns_within_a_few_thousand_steps():
    for package in ("equinox", "optax"):
        pytest.importorskip(package)
    command = [sys.executable, str(ROOT / "examples" / "ppo_jax.py"), "--total-steps", "98304"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    returns = [float(number) for number in re.findall(r"return +([0-9.]+)", done.stdout)]
    assert len(returns) == 3
    assert returns[0] < 100 < returns[-1]
