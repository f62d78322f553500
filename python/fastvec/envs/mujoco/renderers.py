"""One of Gymnasium's renderers per env that is drawn."""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["Renderers"]


class Renderers:
    """Gives Gymnasium's env, into which states of many envs are loaded, the renderer of the env to be drawn.

    A renderer of Gymnasium's looks at where its env is when it draws first, and keeps that camera. So each env has a
    renderer (with ``render_mode="human"``, a window) of its own, as in SyncVectorEnv.
    """

    def __init__(self) -> None:
        self._base: Any = None
        self._first: Any = None
        self._of_env: dict[int, Any] = {}

    def select(self, base: Any, env: int) -> None:
        """Make ``base``, an unwrapped Gymnasium env, draw with the renderer of env ``env``."""
        if base is not self._base:
            self.close()
            self._base, self._first = base, base.mujoco_renderer
        renderer = self._of_env.get(env)
        if renderer is None:
            renderer = self._of_env[env] = self._first if not self._of_env else _unused_copy(self._first)
        base.mujoco_renderer = renderer
        if renderer.viewer is not None:
            renderer.viewer.make_context_current()

    def close(self) -> None:
        """Close all of them; ``base`` has its own again."""
        for renderer in self._of_env.values():
            renderer.close()
        self._of_env = {}
        if self._base is not None:
            self._base.mujoco_renderer = self._first
        self._base = self._first = None


def _unused_copy(renderer: Any) -> Any:
    """Another renderer with the same settings, which has drawn nothing."""
    other = copy.copy(renderer)
    other._viewers, other.viewer = {}, None
    return other
