"""Kernels for a GPU from the source of a native env: the same header, compiled to PTX, without a GPU.

>>> from fastvec import gpu_kernels
>>> env = gpu_kernels.builtin_env("CartPole-v1")  # or a header of yours, and the name of the env's class in it
>>> source = gpu_kernels.generate(env.header, env.env_class)
>>> kernels = gpu_kernels.compile_ptx(source, architecture="sm_90")
>>> kernels.layout.observation_dtype, kernels.layout.state_bytes
(dtype('float32'), 32)

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
