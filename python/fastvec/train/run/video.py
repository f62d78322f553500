"""Films of episodes, in the pictures that the environments' own renderers draw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from gymnasium.vector import VectorEnv

from fastvec.train.evaluate import Evaluation

MAX_FRAMES = 3000


class Play(Protocol):
    """Plays whole episodes, as ``PPO.evaluate`` does."""

    def __call__(
        self,
        episodes: int,
        *,
        envs: VectorEnv,
        seed: int | None,
        deterministic: bool,
        on_step: Callable[[], None],
    ) -> Evaluation:
        """Play ``episodes`` in ``envs``, which stay open, and call ``on_step`` after each of their steps."""


def check_video(path: Path) -> None:
    """Find out before any work is done whether :func:`record_video` could write ``path``.

    Raises:
        ValueError: the name ends otherwise than in .gif or .mp4. ImportError: an .mp4, without imageio-ffmpeg.
        FileNotFoundError: there is no such directory.
    """
    if path.suffix not in (".gif", ".mp4"):
        raise ValueError(f"a video's name must end in .gif or .mp4, got {path.name}")
    if path.suffix == ".mp4":
        import_ffmpeg()
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no directory {path.parent} to write {path.name} to")


def record_video(
    play: Play,
    envs: VectorEnv,
    path: Path,
    *,
    episodes: int = 1,
    seed: int | None = None,
    deterministic: bool = True,
) -> Evaluation:
    """Play ``episodes`` and write what they look like to a .gif or .mp4 file; the first 3,000 frames of them.

    A .gif needs Pillow, which matplotlib brings along; an .mp4 needs the package imageio-ffmpeg. What the envs' own
    renderers need is theirs to say (``pip install 'fastvec[render]'`` for Gymnasium's classic ones).

    Args:
        play: plays the episodes, such as ``ppo.evaluate``.
        envs: made with ``render_mode="rgb_array"``; the first of them is filmed, and all are left open.
        path: the file, whose suffix says the format.
        episodes: how many to play.
        seed: of the environments' reset; None is what ``play`` takes by itself, so that ``ppo.evaluate``'s first
            episode is filmed.
        deterministic: the likeliest actions, or drawn ones.

    Returns:
        The episodes that were played.

    Raises:
        ValueError, ImportError, FileNotFoundError: as :func:`check_video`.
    """
    check_video(path)
    frames: list[np.ndarray[Any, Any]] = []

    def keep_frame() -> None:
        if len(frames) < MAX_FRAMES:
            pictures = envs.render()
            assert pictures is not None
            frames.append(np.asarray(pictures[0], dtype=np.uint8))

    result = play(episodes, envs=envs, seed=seed, deterministic=deterministic, on_step=keep_frame)
    write_frames(frames, path, fps=int(envs.metadata.get("render_fps", 30)))
    return result


def write_frames(frames: list[np.ndarray[Any, Any]], path: Path, *, fps: int) -> None:
    """Write uint8 pictures ``[H, W, 3]`` as a film.

    Args:
        frames: the pictures, all of one size, of which an .mp4 takes an even number of rows and columns.
        path: the file, whose suffix says the format.
        fps: pictures per second.
    """
    if path.suffix == ".gif":
        from PIL import Image

        pictures = [Image.fromarray(frame) for frame in frames]
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=round(1000 / fps), loop=0)
        return
    imageio_ffmpeg = import_ffmpeg()
    height, width = (size - size % 2 for size in frames[0].shape[:2])
    writer = imageio_ffmpeg.write_frames(str(path), (width, height), fps=fps, macro_block_size=2)
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame[:height, :width]))
    writer.close()


def import_ffmpeg() -> Any:
    """The package imageio_ffmpeg.

    Raises:
        ImportError: it is not installed; the message says how to get it.
    """
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ImportError("an .mp4 needs ffmpeg: pip install imageio-ffmpeg, or ask for a .gif") from error
    return imageio_ffmpeg
