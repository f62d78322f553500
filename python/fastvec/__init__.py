"""fastvec: C++-accelerated vector environments with Gymnasium's exact numbers.

>>> import fastvec
>>> envs = fastvec.make_vec("CartPole-v1", num_envs=1024)
>>> observations, infos = envs.reset(seed=0)

Importing this package registers ``fastvec/<id>`` with Gymnasium for every native env, so that
``gymnasium.make_vec("fastvec:fastvec/CartPole-v1")`` works too. It does not import torch; the trainer lives in
``fastvec.train``.
"""

from __future__ import annotations

from pathlib import Path as _Path

from fastvec import errors, resources
from fastvec._core import __version__
from fastvec.errors import EnvError
from fastvec.make import make_vec
from fastvec.native.registry import list_envs
from fastvec.plugins import load_all as _load_all
from fastvec.plugins import load_plugin
from fastvec.vector.vector_env import VectorEnv

__all__ = [
    "EnvError",
    "VectorEnv",
    "__version__",
    "errors",
    "get_cmake_dir",
    "get_include",
    "list_envs",
    "load_plugin",
    "make_vec",
    "resources",
]


def get_include() -> str:
    """The folder with ``fastvec/env.hpp``, for compilers."""
    return str(_Path(__file__).parent / "include")


def get_cmake_dir() -> str:
    """The folder with ``fastvecConfig.cmake``, for ``find_package(fastvec)``: pass it as ``fastvec_DIR``."""
    return str(_Path(__file__).parent / "cmake")


_load_all()
