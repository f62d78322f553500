"""The process backend: any Gymnasium env, many to a worker process."""

from __future__ import annotations

from fastvec.process.vector_env import ProcessVectorEnv

__all__ = ["ProcessVectorEnv"]
