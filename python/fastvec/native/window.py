"""A window for pictures of envs that Gymnasium's own renderers do not know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

__all__ = ["Window", "tiled"]


class Window:
    """A window on the screen, opened by the first :meth:`show`.

    Args:
        title: what stands above it.
        fps: pictures per second; :meth:`show` waits until it is time for the next one.
    """

    def __init__(self, title: str, fps: int) -> None:
        self._title = title
        self._fps = fps
        self._pygame: Any = None
        self._screen: Any = None
        self._clock: Any = None

    def show(self, pictures: Sequence[np.ndarray]) -> None:
        """Show the pictures, uint8 ``(height, width, 3)`` each, beside each other.

        Raises:
            gymnasium.error.DependencyNotInstalled: there is no pygame.
        """
        picture = tiled(pictures)
        if self._screen is None:
            self._open(picture)
        self._pygame.event.pump()
        self._screen.blit(self._pygame.surfarray.make_surface(picture.swapaxes(0, 1)), (0, 0))
        self._pygame.display.flip()
        self._clock.tick(self._fps)

    def _open(self, picture: np.ndarray) -> None:
        try:
            import pygame
        except ImportError as error:
            raise gymnasium.error.DependencyNotInstalled(
                'a window needs pygame, which is not installed: pip install "fastvec[render]"'
            ) from error
        self._pygame = pygame
        pygame.init()
        pygame.display.init()
        self._screen = pygame.display.set_mode((picture.shape[1], picture.shape[0]))
        pygame.display.set_caption(self._title)
        self._clock = pygame.time.Clock()

    def close(self) -> None:
        """Close it; a later :meth:`show` opens another."""
        if self._screen is not None:
            self._pygame.display.quit()
            self._screen = None


def tiled(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one size, row by row in a rectangle that is about as many pictures high as wide.

    The rest is black.
    """
    height, width, channels = pictures[0].shape
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    tiles = np.zeros((rows * columns, height, width, channels), dtype=np.uint8)
    tiles[: len(pictures)] = pictures
    grid = tiles.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, channels)
