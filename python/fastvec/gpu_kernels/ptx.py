"""Compiles kernel sources to PTX, which a GPU's driver translates when it loads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fastvec.gpu_kernels import nvrtc
from fastvec.gpu_kernels.diagnose import reasons_from_log, reasons_from_ptx, uses_host_only
from fastvec.gpu_kernels.errors import KernelError
from fastvec.gpu_kernels.layout import Layout
from fastvec.gpu_kernels.source import KernelSource
from fastvec.gpu_kernels.std_headers import STD_HEADERS

__all__ = ["Kernels", "compile_ptx"]

_ARCHITECTURE = re.compile(r"(?:sm|compute)_(\d+[af]?)")
# Kernels in which no `throw` is left need not write what is read after one: fewer stores in each step.
NEVER_THROWS = "--define-macro=FASTVEC_NEVER_THROWS"
_THROW = re.compile(r"^\s*exit;", re.M)  # device.hpp; a kernel that completes returns
# No fused multiply-adds where the source has none: the CPU's library is compiled so, too.
_OPTIONS = ("--std=c++20", "--device-as-default-execution-space", "--fmad=false", "--disable-warnings")


@dataclass(frozen=True)
class Kernels:
    """Compiled kernels: ``fastvec_create``, ``fastvec_reset`` and ``fastvec_step``.

    Attributes:
        source: what was compiled.
        architecture: ``"compute_80"``: the oldest generation of GPUs that they run on.
        ptx: text for the driver: ``cuModuleLoadData``, or CuPy's ``RawModule``.
        layout: sizes of the rows of their arrays.
    """

    source: KernelSource
    architecture: str
    ptx: str
    layout: Layout


def compile_ptx(source: KernelSource, *, architecture: str = "sm_80") -> Kernels:
    """Compile kernels. Needs no GPU.

    Args:
        source: from :func:`fastvec.gpu_kernels.generate`.
        architecture: the oldest generation of GPUs to run on, ``"sm_80"`` or later; newer ones run it too.

    Raises:
        KernelError: the env has something that no kernel can have; ``reasons`` says what, and where.
        ImportError: the compiler is not installed.
        ValueError: ``architecture`` is none.
        RuntimeError: the compiler does not know this architecture.
    """
    match = _ARCHITECTURE.fullmatch(architecture)
    if match is None:
        raise ValueError(f"expected an architecture such as 'sm_80', got {architecture!r}")
    target = f"compute_{match[1]}"
    compiled = _compile(source, target, NEVER_THROWS)
    if compiled.ptx is not None and _THROW.search(compiled.ptx):
        compiled = _compile(source, target)
    if compiled.ptx is None:
        raise KernelError(source.env_class, reasons_from_log(compiled.log, source), compiled.log)
    if uses_host_only(compiled.ptx):
        with_lines = _compile(source, target, "--generate-line-info")
        raise KernelError(source.env_class, reasons_from_ptx(with_lines.ptx or compiled.ptx, source), compiled.log)
    ptx = _without_unused_data(compiled.ptx)
    return Kernels(source=source, architecture=target, ptx=ptx, layout=Layout.from_numbers(_layout_numbers(ptx)))


def _compile(source: KernelSource, target: str, *options: str) -> nvrtc.Compiled:
    includes = [f"--include-path={folder}" for folder in source.include_dirs]
    return nvrtc.compile_program(
        source.text,
        name=f"{source.env_class.replace('::', '_')}_kernels.cu",
        headers=STD_HEADERS,
        options=[f"--gpu-architecture={target}", *_OPTIONS, *includes, *options],
    )


_DATA = re.compile(
    r"^\.(?:visible |weak )?(?:global|const) [^;=\[]*?([A-Za-z_$][\w$]*)(?:\[\d+\])?(?: = [^;]*)?;\n", re.M
)


def _without_unused_data(ptx: str) -> str:
    """Leave out constants that no function reads: the standard library has hundreds of them."""
    used: dict[str, int] = {}
    for name in re.findall(r"[A-Za-z_$][\w$]*", ptx):
        used[name] = used.get(name, 0) + 1
    return _DATA.sub(lambda found: found[0] if used[found[1]] > 1 or found[1] == "fastvec_layout" else "", ptx)


def _layout_numbers(ptx: str) -> list[int]:
    """The initial value of ``fastvec_layout``: numbers of 64 bits."""
    match = re.search(r"fastvec_layout\[(\d+)\] = \{([^}]*)\}", ptx)
    if match is None:
        raise RuntimeError("the PTX has no fastvec_layout")
    values = [int(value) for value in match[2].split(",")]
    if int(match[1]) == 8:
        return values
    data = bytes(values).ljust(int(match[1]), b"\0")
    return [int.from_bytes(data[at : at + 8], "little", signed=True) for at in range(0, len(data), 8)]
