"""Imports stand at the top of a file, but those of packages that need not be there. C++ includes stay in their room."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "python" / "fastvec"

OPTIONAL = {
    # package, or a module of ours that imports it: the extra that brings it
    "torch": "train",
    "tyro": "train",
    "rich": "train",
    "tensorboard": "train",
    "matplotlib": "train",
    "fastvec.train": "train",
    "wandb": "none",
    "mujoco": "mujoco",
    "imageio": "mujoco",
    "fastvec.envs.mujoco": "mujoco",
    "pygame": "render",
    "ale_py": "atari",
    "Box2D": "box2d",
    "fastvec.envs.box2d.simulation": "box2d",
    "onnx": "export",
    "onnxruntime": "export",
    "onnxscript": "export",
    "imageio_ffmpeg": "none",
    "PIL": "none",
    "envpool": "none",
    "cloudpickle": "none",
    "threadpoolctl": "none",
    "resource": "none",  # of Python's library, but not on every system
    "jax": "none",
    "fastvec.native.xla": "none",
    "fastvec.jax": "none",
}


def is_optional(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in OPTIONAL)


def imports_in_functions(text: str) -> list[tuple[int, str]]:
    """``(line, module)`` of each import inside a function."""
    found = []
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                parent = node.module or ""
                names = [f"{parent}.{alias.name}" for alias in node.names]
                found += [(node.lineno, parent)] if is_optional(parent) else [(node.lineno, name) for name in names]
    return sorted(set(found))


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if "templates" not in path.parts]


def test_imports_inside_functions_are_of_optional_packages():
    found = {
        f"{path.relative_to(PACKAGE)}:{line}": module
        for path in files(PACKAGE)
        for line, module in imports_in_functions(path.read_text())
        if not is_optional(module)
    }
    assert found == {}


def test_an_import_inside_a_function_is_found():
    text = "import os\ndef f():\n    import json\n    def g():\n        from fastvec.native import registry\n"
    text += "    import torch\n    from fastvec.train.ppo import PPO\n"
    found = imports_in_functions(text)
    assert [module for _, module in found if not is_optional(module)] == ["json", "fastvec.native.registry"]
    assert len(found) == 4


INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def wrong_includes(text: str) -> list[str]:
    """Includes that climb out of a room: what another room shows is found through that room's include root."""
    return [path for path in INCLUDE.findall(text) if ".." in path.split("/")]


@pytest.mark.parametrize("folder", ["cpp", "examples", "tests/cpp"])
def test_no_include_climbs_out_of_its_room(folder):
    sources = [path for kind in ("*.cpp", "*.hpp", "*.h") for path in (ROOT / folder).rglob(kind)]
    assert sources
    found = {str(path.relative_to(ROOT)): wrong for path in sources if (wrong := wrong_includes(path.read_text()))}
    assert found == {}


def test_an_include_that_climbs_is_found():
    text = '#include <vector>\n#include "near.hpp"\n  # include "../engine/engine.hpp"\n#include "a/../b.hpp"\n'
    assert wrong_includes(text) == ["../engine/engine.hpp", "a/../b.hpp"]
