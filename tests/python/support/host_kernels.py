"""Kernels compiled for the host: the source as it is, where a kernel is a loop over the envs."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from fastvec.gpu_kernels import KernelSource, Layout
from support.compiling import NUMBERS, compile_library


class HostKernels:
    """The arrays of ``num_envs`` envs, and calls of the kernels on them."""

    def __init__(self, source: KernelSource, folder: Path, *flags: str, num_envs: int, max_episode_steps: int) -> None:
        library = ctypes.CDLL(str(compile_for_host(source, folder, *flags)))
        self._create, self._reset, self._step = library.fastvec_create, library.fastvec_reset, library.fastvec_step
        self.layout = Layout.from_numbers((ctypes.c_int64 * 8).in_dll(library, "fastvec_layout"))
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        layout = self.layout
        # Full of garbage, as a GPU's memory is.
        self.shared = np.full(layout.shared_bytes // 8, -1, np.int64)
        self.states = np.full((num_envs, layout.state_bytes // 8), -1, np.int64)
        self.rngs = np.full((num_envs, layout.rng_bytes // 8), -1, np.int64)
        self.elapsed = np.full(num_envs, -1, np.int32)
        self.status = np.full(num_envs, 255, np.uint8)
        self.observations = np.full((num_envs, layout.observation_width), 77, layout.observation_dtype)
        self.final_observations = self.observations.copy()
        self.rewards = np.full(num_envs, 77.0)
        self.terminated = np.full(num_envs, 77, np.uint8)
        self.truncated = np.full(num_envs, 77, np.uint8)
        self._call(self._create, self.shared, self.states, self.rngs, self.elapsed, self.status)

    def reset(
        self,
        *,
        seeds: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        options: dict[int, float] | None = None,
    ) -> np.ndarray:
        """The observations of all envs; ``options`` by their numbers."""
        values = np.zeros(max(self.layout.num_options, 1))
        present = np.zeros(max(self.layout.num_options, 1), np.uint8)
        for at, value in (options or {}).items():
            values[at], present[at] = value, 1
        self._call(
            self._reset,
            seeds,
            None if mask is None else mask.astype(np.uint8),
            values,
            None if options is None else present,
            self.shared,
            self.states,
            self.rngs,
            self.elapsed,
            self.status,
            self.observations,
        )
        return self.observations.copy()

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Observations, rewards, terminated, truncated: dtypes and shapes as a vector gives them."""
        width = self.layout.action_width
        rows = np.ascontiguousarray(actions, self.layout.action_dtype).reshape(self.num_envs, width)
        self._call(
            self._step,
            rows,
            ctypes.c_int32(self.max_episode_steps),
            self.shared,
            self.states,
            self.rngs,
            self.elapsed,
            self.status,
            self.observations,
            self.rewards,
            self.terminated,
            self.truncated,
            self.final_observations,
        )
        flags = self.terminated.astype(bool), self.truncated.astype(bool)
        return self.observations.copy(), self.rewards.copy(), *flags

    def _call(self, kernel: Any, *arguments: Any) -> None:
        def passed(argument: Any) -> Any:
            return ctypes.c_void_p(argument.ctypes.data) if isinstance(argument, np.ndarray) else argument

        kernel(ctypes.c_int64(self.num_envs), *map(passed, arguments))


_compiled: dict[tuple[str, ...], Path] = {}


def compile_for_host(source: KernelSource, folder: Path, *more_flags: str) -> Path:
    """A library with the kernels, the same one for the same source; fails on any warning."""
    key = (source.text, *more_flags)
    if key not in _compiled:
        _compiled[key] = _compile(source, folder, more_flags)
    return _compiled[key]


def _compile(source: KernelSource, folder: Path, more_flags: tuple[str, ...]) -> Path:
    text, library = folder / "kernels.cpp", folder / "kernels.so"
    text.write_text(source.text)
    warnings = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror")
    flags = (*NUMBERS, *warnings, *more_flags)
    return compile_library(text, library, flags=flags, include=source.include_dirs)
