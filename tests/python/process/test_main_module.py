"""Envs that are defined in ``__main__``: a script's, a notebook's, or that of ``python -c``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "support" / "main_envs.py"
TESTS = Path(__file__).parents[1]  # where the package `support` is


def program(context):
    source = SOURCE.read_text().replace('CONTEXT = "fork"', f"CONTEXT = {context!r}")
    return f"import sys; sys.path.insert(0, {str(TESTS)!r})\n{source}"


@pytest.mark.parametrize("context", ["fork", "spawn"])  # a notebook tries the third
def test_envs_of_a_script_reach_the_workers(context, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(program(context))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stdout == "all the same\n", done.stderr


def test_envs_of_a_program_on_standard_input_reach_the_workers():
    source = program("forkserver").rpartition("# %%")[0]
    done = subprocess.run([sys.executable, "-"], input=source, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


LOCKED = """
import threading
import gymnasium
import fastvec

lock = threading.Lock()

class Locked(gymnasium.Env):
    observation_space = gymnasium.spaces.Discrete(3)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        with lock:
            return 1, {}

if __name__ == "__main__":
    print(fastvec.make_vec(Locked, 2, num_workers=1, context="spawn").reset()[0])
"""


def test_env_of_a_script_that_cannot_go_by_value_goes_by_name(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(LOCKED)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stdout == "[1 1]\n", done.stderr


def test_envs_of_a_notebook_reach_the_workers():
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = [nbformat.v4.new_code_cell(source) for source in program("forkserver").split("# %%")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert notebook.cells[-1].outputs[-1].text == "all the same\n"
