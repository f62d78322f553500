"""Whether the user's pygame draws what cpp/envs/box2d/canvas.hpp says that it draws."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from fastvec.envs.box2d.digits import digits, import_pygame

__all__ = ["Picture", "draw", "draw_natively", "pictures", "why_not"]

WIDTH, HEIGHT, SMALL = 1000, 800, 96
PANEL_TOP = 700
GROUND, FILLED, POLYGON, PANEL = range(4)  # kinds of shapes, as in picture_proof.cpp

Shape = tuple[int, tuple[int, int, int], np.ndarray]  # kind, color, corners: float64 of shape (n, 2)


@dataclass(frozen=True)
class Picture:
    """What is to be drawn: shapes in metres as a camera sees them, then those of the panel in pixels; and a number."""

    angle: float
    zoom: float
    reward: float
    shapes: tuple[Shape, ...]


def pictures() -> Iterator[Picture]:
    """Those of the proof: crowded, with sides of all directions, thin shapes, and some that reach far outside."""
    rng = np.random.default_rng(17)
    for angle, zoom, reward in ((0.7, 16.2, 123.5), (-2.9, 16.2, -71.0), (0.0, 0.93, 2048.0), (4.1, 5.0, -0.25)):
        size = 1000 / zoom
        shapes: list[Shape] = [(GROUND, (102, 204, 102), _box(-size / 2.5, -size, size, size))]
        for _ in range(60):
            middle, reach = rng.uniform(-size, size, 2), rng.choice([0.1, 0.05, 0.004]) * size
            shapes.append((FILLED, _color(rng), middle + rng.uniform(-reach, reach, (4, 2))))
            if rng.random() < 0.3:  # with level and upright sides
                shapes.append((FILLED, _color(rng), _box(*middle, *(middle + rng.uniform(-reach, reach, 2)))))
        for _ in range(25):
            middle, reach = rng.uniform(-size / 3, size / 3, 2), rng.choice([0.15, 0.03, 0.003]) * size
            corners = middle + rng.uniform(-reach, reach, (int(rng.integers(3, 9)), 2))
            shapes.append((POLYGON, _color(rng), corners))
        shapes.append((PANEL, (0, 0, 0), _box(WIDTH, HEIGHT, 0, PANEL_TOP)))
        for place in range(5, 35, 3):
            height = rng.uniform(-20, 80)
            shapes.append((PANEL, _color(rng), _box(25 * place, 780 - height, 25 * (place + 1), 780)))
        yield Picture(angle, zoom, reward, tuple(shapes))


def _box(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], float)


def _color(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def draw(picture: Picture) -> tuple[np.ndarray, np.ndarray]:
    """By pygame, with the calls that Gymnasium's CarRacing makes.

    Returns:
        The surface, uint32 of shape ``(800, 1000)``, and the small picture, uint8 of shape ``(96, 96, 3)``.
    """
    pygame = import_pygame()
    surface = pygame.Surface((WIDTH, HEIGHT))
    is_flipped = False
    for kind, color, corners in picture.shapes:
        if kind == PANEL:
            if not is_flipped:
                surface = pygame.transform.flip(surface, False, True)
                is_flipped = True
            pygame.draw.polygon(surface, color=color, points=[tuple(corner) for corner in corners.tolist()])
            continue
        turned = [pygame.math.Vector2(corner).rotate_rad(picture.angle) for corner in corners.tolist()]
        points = [(at[0] * picture.zoom + WIDTH / 2, at[1] * picture.zoom + HEIGHT / 4) for at in turned]
        if kind == POLYGON:
            pygame.draw.polygon(surface, color=color, points=points)
        else:
            pygame.gfxdraw.aapolygon(surface, points, color)
            pygame.gfxdraw.filled_polygon(surface, points, color)
    pygame.font.init()
    font = pygame.font.Font(pygame.font.get_default_font(), 42)
    text = font.render(f"{picture.reward:04.0f}", True, (255, 255, 255), (0, 0, 0))
    place = text.get_rect()
    place.center = (60, 750)
    surface.blit(text, place)
    small = pygame.transform.smoothscale(surface, (SMALL, SMALL))
    return _colors(pygame, surface), pygame.surfarray.array3d(small).transpose(1, 0, 2).copy()


def _colors(pygame: Any, surface: Any) -> np.ndarray:
    red, green, blue = pygame.surfarray.array3d(surface).transpose(2, 1, 0).astype(np.uint32)
    return red << 16 | green << 8 | blue


def draw_natively(picture: Picture, env_library: str) -> tuple[np.ndarray, np.ndarray]:
    """The same by the env library (a path).

    Raises:
        ImportError: it could not.
    """
    function = ctypes.CDLL(env_library).fastvec_box2d_picture
    pointer, double, size = ctypes.c_void_p, ctypes.c_double, ctypes.c_int64
    function.restype = ctypes.c_int32
    function.argtypes = [pointer, size, double, double, double, pointer, size, pointer, pointer]
    numbers: list[float] = []
    for kind, (red, green, blue), corners in picture.shapes:
        numbers += [kind, red << 16 | green << 8 | blue, len(corners), *corners.ravel().tolist()]
    shapes, table = np.array(numbers), np.array(digits().table, np.int64)
    surface, small = np.zeros((HEIGHT, WIDTH), np.uint32), np.zeros((SMALL, SMALL, 3), np.uint8)
    code = function(
        table.ctypes.data,
        table.size,
        picture.angle,
        picture.zoom,
        picture.reward,
        shapes.ctypes.data,
        shapes.size,
        surface.ctypes.data,
        small.ctypes.data,
    )
    if code != 0:
        raise ImportError("the test pictures could not be drawn")
    return surface, small


@cache
def why_not(env_library: str) -> str | None:
    """Why the native env's pictures would not be those of the installed pygame, or None. Drawn once per process."""
    try:
        for picture in pictures():
            expected, found = draw(picture), draw_natively(picture, env_library)
            if not all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True)):
                version = import_pygame().__version__
                return (
                    f"the installed pygame ({version}) draws other pixels than the native env: a test picture differs"
                )
    except Exception as error:  # a damaged package raises anything
        return f"the installed pygame cannot be used: {error}"
    return None
