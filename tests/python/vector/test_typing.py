"""What fastvec declares is what its vectors have. (.ci/run has mypy check tests/typing.)"""

from __future__ import annotations

import re
from pathlib import Path

import gymnasium
import pytest

import fastvec
from fastvec.ale.vector_env import AleVectorEnv
from fastvec.native.vector_env import NativeVectorEnv
from fastvec.process import ProcessVectorEnv

README = Path(__file__).parents[3] / "README.md"

SCRIPT = Path(__file__).parents[2] / "typing" / "use_of_a_vector.py"

# Options of one backend, and what fastvec.testing needs of native vectors.
OF_ONE_BACKEND = {"num_threads", "num_workers", "observation_mode", "copy"}
OF_ONE_BACKEND |= {"native_type", "native_kwargs", "native_action_space"}


def public(cls: type) -> set[str]:
    """Names that a class, or what it derives from, defines or annotates."""
    names = {name for each in cls.__mro__ for name in (*vars(each), *getattr(each, "__annotations__", {}))}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("cls", [NativeVectorEnv, ProcessVectorEnv, AleVectorEnv])
def test_all_public_names_of_a_vector_are_declared(cls: type):
    known = public(fastvec.VectorEnv) | public(gymnasium.vector.VectorEnv) | OF_ONE_BACKEND
    assert public(cls) <= known


def test_attributes_of_an_instance_are_declared(closing):
    known = public(fastvec.VectorEnv) | public(gymnasium.vector.VectorEnv) | OF_ONE_BACKEND
    for backend in ("native", "process"):
        envs = closing(fastvec.make_vec("CartPole-v1", 2, backend=backend))
        assert {name for name in vars(envs) if not name.startswith("_")} <= known


def test_the_package_says_that_it_is_typed():
    assert (Path(fastvec.__file__).parent / "py.typed").exists()


def test_the_script_that_type_checkers_see_holds_readmes_example():
    example = re.search(r"## In place of.*?```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert example is not None
    assert example[1] in SCRIPT.read_text()
