"""Trains agents and films them, for docs/pictures.

    python tools/films.py [NAME...]

A film is what `fastvec train ID` and `fastvec eval RUN --video FILE` make of the settings below, with fewer and smaller
frames. Needs the extras render, mujoco and box2d; MuJoCo's pictures need MUJOCO_GL=egl or osmesa where no screen is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, ImageSequence

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
MOST_BYTES = 400_000
SIZE = (240, 160)
"""So that three of them stand beside each other on a page."""


@dataclass(frozen=True)
class Film:
    """What is filmed.

    Attributes:
        env_id: with the settings of its preset.
        flags: of training, beside these.
        seed: of training.
        every: of so many frames one is kept.
        seconds: where it ends, if the episode goes on.
        colors: in the palette.
        middle: of what is too high, how much is cut off above.
    """

    env_id: str
    flags: tuple[str, ...] = ()
    seed: int = 1
    every: int = 2
    seconds: float = 8.0
    colors: int = 64
    middle: float = 0.5


FILMS = {
    "lunar_lander": Film("LunarLander-v3"),
    "cart_pole": Film("CartPole-v1", seconds=6.0, colors=16),
    "half_cheetah": Film("HalfCheetah-v5", ("--env-kwargs", "camera_name", "track"), every=1, seconds=3.0, middle=0.9),
}


def main() -> None:
    """Make the films that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FILMS)}; by default all")
    parser.add_argument("--runs", type=Path, help="keep the runs in this directory, and use those that are there")
    arguments = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names or FILMS:
            film, out = FILMS[name], PICTURES / f"{name}.gif"
            run = (arguments.runs or Path(folder)) / name
            if not (run / "checkpoint.pt").exists():
                fastvec("train", film.env_id, *film.flags, "--seed", str(film.seed), "--run-dir", str(run))
            whole = Path(folder) / "whole.gif"
            fastvec("eval", str(run), "--episodes", "1", "--video", str(whole))
            shrink(whole, out, film)
            size = out.stat().st_size
            print(f"{out.name}: {size / 1000:.0f} kB")
            if size > MOST_BYTES:
                raise SystemExit(f"{out.name} has {size} bytes, of {MOST_BYTES} at most: keep fewer frames")


def fastvec(*words: str) -> None:
    """The command, as a user types it."""
    subprocess.run([sys.executable, "-m", "fastvec", *words], check=True)


def shrink(source: Path, target: Path, film: Film) -> None:
    """The same film with fewer frames, pixels and colours, as fast as before."""
    frames, shown = [], 0.0
    with Image.open(source) as whole:
        for i, frame in enumerate(ImageSequence.Iterator(whole)):
            shown += frame.info["duration"] / 1000
            if i % film.every == 0:
                frames.append(
                    ImageOps.fit(frame.convert("RGB"), SIZE, Image.Resampling.LANCZOS, centering=(0.5, film.middle))
                )
            if shown >= film.seconds:
                break
    # One palette for all, without dithering: what does not move stays the same, and costs nothing.
    palette = frames[len(frames) // 2].quantize(film.colors)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    pause = round(1000 * shown / len(frames) / 10) * 10  # a GIF counts hundredths of a second
    drawn[0].save(target, save_all=True, append_images=drawn[1:], duration=pause, loop=0, optimize=True)


if __name__ == "__main__":
    main()
