"""The digits that CarRacing writes its reward with, drawn once by the user's pygame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["Digits", "compose", "digits", "draw", "import_pygame"]

#: In the order in which cpp/envs/box2d/race_picture.hpp has them.
CHARACTERS = "0123456789-"
_FONT_SIZE = 42  # of Gymnasium's
_FINE = 64  # a pen moves in 64ths of a pixel, and a character is drawn at the pixel in which the pen is

Distances = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Digits:
    """Pictures of characters, and how far one stands behind another.

    Attributes:
        pictures: by character, gray: uint8 of shape ``(height, width)``.
        distances: by two characters, from one's left edge to that of the next, in 64ths of a pixel.
        pixels: all pictures, one after the other, each row by row.
        table: what the C++ env takes: the address of ``pixels``, the height, the widths and the distances.
    """

    pictures: Mapping[str, np.ndarray]
    distances: Distances
    pixels: np.ndarray
    table: tuple[int, ...]


@cache
def digits() -> Digits:
    """Those of pygame's default font.

    Raises:
        ImportError: texts in this font are not made of its characters.
    """
    font = _font()
    pictures = {character: draw(character, font) for character in CHARACTERS}
    distances = _measure(lambda text: int(font.size(text)[0]))
    for text in ("0000", "-000", "1234", "-987", "0654", "1171", "-10000"):
        if not np.array_equal(compose(text, pictures, distances), draw(text, font)):
            raise ImportError(f"pygame's font draws {text!r} in another way than its characters")
    pixels = np.concatenate([picture.ravel() for picture in pictures.values()])
    widths = [picture.shape[1] for picture in pictures.values()]
    table = (pixels.ctypes.data, pictures["0"].shape[0], *widths, *distances.values())
    return Digits(pictures, distances, pixels, table)


def import_pygame() -> Any:
    """``pygame`` with the modules that Gymnasium's env draws with."""
    import pygame
    import pygame.font
    import pygame.gfxdraw
    import pygame.surfarray

    return pygame


def _font() -> Any:
    pygame = import_pygame()
    pygame.font.init()
    return pygame.font.Font(pygame.font.get_default_font(), _FONT_SIZE)


def draw(text: str, font: Any = None) -> np.ndarray:
    """White on black by pygame, as uint8 of shape ``(height, width)``."""
    pygame = import_pygame()
    drawn = (_font() if font is None else font).render(text, True, (255, 255, 255), (0, 0, 0))
    surface = pygame.Surface(drawn.get_size())
    surface.blit(drawn, (0, 0))
    colors = pygame.surfarray.array3d(surface).transpose(1, 0, 2)
    if (colors != colors[..., :1]).any():
        raise ImportError("pygame's font draws white on black in other colors than gray")
    return colors[..., 0].copy()


def _measure(width: Callable[[str], int]) -> Distances:
    """The distances of all pairs of characters, from the widths of texts.

    A width says where its text's last character is drawn, in whole pixels. Behind runs of one character, whose length
    moves the pen by another part of a pixel each time, a character's places tell its distance to a 64th.
    """
    alone = {character: width(character) for character in CHARACTERS}
    runs = {character: width(character * (_FINE + 1)) - alone[character] for character in CHARACTERS}
    run = next((character for character in CHARACTERS if runs[character] % 2 == 1), None)
    if run is None:
        raise ImportError("pygame's font keeps whole pixels between its characters, where others are expected")

    def place(before: str, known: int, last: str) -> int:
        """How far ``last`` stands behind a run and the text ``before``, which is ``known`` long."""
        starts = [(count, count * runs[run] + known) for count in range(_FINE)]
        return max((width(run * count + before + last) - alone[last]) * _FINE - start for count, start in starts)

    behind_run = {character: place(run, 0, character) for character in CHARACTERS}
    return {
        (first, second): place(run + first, behind_run[first], second) for first in CHARACTERS for second in CHARACTERS
    }


def compose(text: str, pictures: Mapping[str, np.ndarray], distances: Distances) -> np.ndarray:
    """The picture of a text, made of those of its characters: where they overlap, the lighter pixel."""
    pens = np.cumsum([0, *(distances[pair] for pair in pairwise(text))])
    lefts = [int(pen) // _FINE for pen in pens]
    width = lefts[-1] + pictures[text[-1]].shape[1]
    composed = np.zeros((pictures[text[0]].shape[0], width), np.uint8)
    for left, character in zip(lefts, text, strict=True):
        there = composed[:, left : left + pictures[character].shape[1]]
        np.maximum(there, pictures[character][:, : there.shape[1]], out=there)
    return composed
