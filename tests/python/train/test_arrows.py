"""What is above the algorithms does not load them, and what needs no PyTorch does not wait for it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fastvec.train.algorithms import ALGORITHMS

IMPORT = """
import importlib, json, pkgutil, sys

for name in {names}:
    importlib.import_module(name)
    package = sys.modules[name]
    for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
        importlib.import_module(f"{{name}}.{{module.name}}")
print(json.dumps(sorted(sys.modules)))
"""


def loaded_by(*names):
    """The modules that are loaded once those of the given names are, and all that lie in them."""
    script = IMPORT.format(names=names)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_the_run_and_the_command_line_load_no_algorithm():
    loaded = loaded_by("fastvec.train.run", "fastvec.cli")
    assert "fastvec.train.run.session" in loaded
    for algorithm in ALGORITHMS.values():
        assert algorithm.trainer.partition(":")[0] not in loaded


@pytest.mark.parametrize("command", ["train", "eval", "plot", "export"])
def test_a_command_reads_its_flags_without_pytorch(command):
    assert "torch" not in loaded_by(f"fastvec.cli.{command}")
