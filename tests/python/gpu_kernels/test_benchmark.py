"""benchmarks/gpu_kernels.py, which is to work at the first try on a GPU, with the host's kernels in place of one."""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastvec import gpu_kernels
from fastvec.gpu_kernels import Layout
from support.host_kernels import compile_for_host

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
CARTPOLE = Layout(32, 96, 40, np.dtype(np.float32), 4, np.dtype(np.int64), 1, 2)


class HostKernel:
    registers = local_bytes = 0

    def __init__(self, function: Any) -> None:
        self._function = function

    def launch(self, num_threads: int, *arguments: Any) -> None:
        self._function(*(ctypes.c_void_p(a.value) if isinstance(a, ctypes.c_uint64) else a for a in arguments))


class HostDevice:
    """What cuda_driver.Device offers, in the host's memory: a "GPU" that runs a library."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._arrays: dict[int, np.ndarray] = {}

    def describe(self) -> dict[str, Any]:
        return {"name": "host"}

    def load(self, ptx: str) -> Callable[[str], HostKernel]:
        return lambda name: HostKernel(getattr(self._library, name))

    def allocate(self, num_bytes: int) -> ctypes.c_uint64:
        array = np.full(num_bytes // 8 + 1, 0xA5A5A5A5, np.int64)
        self._arrays[array.ctypes.data] = array
        return ctypes.c_uint64(array.ctypes.data)

    def free(self, pointer: ctypes.c_uint64) -> None:
        del self._arrays[pointer.value]

    def upload(self, array: np.ndarray) -> ctypes.c_uint64:
        pointer = self.allocate(array.nbytes)
        ctypes.memmove(pointer.value, np.ascontiguousarray(array).ctypes.data, array.nbytes)
        return pointer

    def download(self, pointer: ctypes.c_uint64, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        array = np.empty(shape, dtype)
        ctypes.memmove(array.ctypes.data, pointer.value, array.nbytes)
        return array

    def synchronize(self) -> None:
        pass

    def record(self, launch: Callable[[], None]) -> Callable[[], None]:
        return launch


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "gpu_kernels", raising=False)
    import gpu_kernels as module

    monkeypatch.setattr(module, "CHECKED_ENVS", 33)
    monkeypatch.setattr(module, "CHECKED_STEPS", (1, 60))
    monkeypatch.setattr(module, "TIMED_ENVS", (64,))
    return module


def test_the_benchmark_finds_the_hosts_kernels_equal(benchmark: Any, tmp_path: Path) -> None:
    env = gpu_kernels.builtin_env("CartPole-v1")
    source = gpu_kernels.generate(env.header, env.env_class)
    about = benchmark.about_kernels("CartPole-v1", env, CARTPOLE)
    (tmp_path / "CartPole-v1.json").write_text(json.dumps(about))
    (tmp_path / "CartPole-v1.ptx").write_text("")
    np.savez_compressed(tmp_path / "CartPole-v1.npz", **benchmark.expected_results("CartPole-v1"))
    device = HostDevice(compile_for_host(source, tmp_path, "-DFASTVEC_NEVER_THROWS"))
    assert benchmark.run(device, tmp_path, tmp_path / "out.json", 0.01) == 0
    entry = json.loads((tmp_path / "out.json").read_text())["envs"]["CartPole-v1"]
    assert [row["step"] for row in entry["check"]] == [0, 1, 60]
    for row in entry["check"]:
        assert row["equal_envs"] == 33
        assert row["largest_difference"] == row.get("largest_reward_difference", 0.0) == 0.0
        assert row["failed_envs"] == row.get("other_ends", 0) == 0
    (speed,) = entry["speed"]
    assert speed["num_envs"] == 64
    assert min(speed["one_by_one"], speed["as_graph"]) > 0
