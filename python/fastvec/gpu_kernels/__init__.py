"""Kernels for a GPU from the source of a native env: the same header, compiled to PTX, without a GPU.

>>> from fastvec import gpu_kernels
>>> source = gpu_kernels.generate("cpp/my_envs.hpp", "my_envs::Maze")  # doctest: +SKIP
>>> kernels = gpu_kernels.compile_ptx(source, architecture="sm_90")  # doctest: +SKIP
>>> kernels.ptx, kernels.layout.state_bytes  # doctest: +SKIP

``docs/gpu_kernels.md`` has the kernels' arguments, what an env needs to go, and what is equal to the CPU's numbers.
"""

from __future__ import annotations

from fastvec.gpu_kernels.builtin import builtin_env, builtin_ids
from fastvec.gpu_kernels.errors import KernelError, Reason
from fastvec.gpu_kernels.layout import Layout
from fastvec.gpu_kernels.ptx import Kernels, compile_ptx
from fastvec.gpu_kernels.source import KernelSource, generate

__all__ = [
    "KernelError",
    "KernelSource",
    "Kernels",
    "Layout",
    "Reason",
    "builtin_env",
    "builtin_ids",
    "compile_ptx",
    "generate",
]
