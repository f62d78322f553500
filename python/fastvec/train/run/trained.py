"""What is done with a run after training: its policy plays, is filmed, or is written for use elsewhere."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from fastvec.train.algorithms import DEFAULT_ALGORITHM, find_algorithm
from fastvec.train.checkpoint import read_checkpoint
from fastvec.train.export import export_policy
from fastvec.train.run.video import check_video, record_video


def load_trained(path: Path, *, device: str, trust: bool = False) -> Any:
    """The trainer of a checkpoint, with a single environment in place of training's.

    Args:
        path: the checkpoint, or a run directory.
        device: where the network runs, whatever it was trained on.
        trust: read a file of a format that runs what is in it.

    Returns:
        A trainer of the class that wrote the checkpoint; close it.

    Raises:
        FileNotFoundError, ValueError: as ``PPO.load``.
    """
    algorithm = find_algorithm(read_checkpoint(path, trust=trust).get("algorithm", DEFAULT_ALGORITHM))
    trusted = {"trust": True} if trust else {}
    return algorithm.trainer_class().load(path, device=device, **algorithm.acting, **trusted)


def evaluate_trained(
    path: Path,
    *,
    episodes: int,
    device: str = "auto",
    seed: int | None = None,
    deterministic: bool = True,
    video: Path | None = None,
    max_episode_steps: int | None = None,
    trust: bool = False,
) -> dict[str, Any]:
    """Play whole episodes with what a run has learned.

    Args:
        path: its directory, or a checkpoint.
        episodes: how many to play.
        device: where the network runs.
        seed: of the environments' reset; None for one that training did not use.
        deterministic: the likeliest actions, or drawn ones.
        max_episode_steps: after which an episode is counted as it stands; None for what the run was told.
        trust: read a file of a format that runs what is in it.
        video: the .gif or .mp4 file that one more episode is filmed to, the first one again.

    Returns:
        The summary that ``fastvec eval --json`` prints.

    Raises:
        ValueError, OSError, ImportError: a checkpoint, a number or a video that cannot be; a package that is missing.
    """
    if episodes < 1:
        raise ValueError(f"expected --episodes to be at least 1, got {episodes}")
    if video is not None:
        check_video(video)
    with closing(load_trained(path, device=device, trust=trust)) as trainer:
        limit = {} if max_episode_steps is None else {"max_episode_steps": max_episode_steps}
        result = trainer.evaluate(episodes, seed=seed, deterministic=deterministic, **limit)
        if video is not None:
            with closing(trainer.make_evaluation_envs(1, render_mode="rgb_array")) as envs:
                record_video(trainer.evaluate, envs, video, seed=seed, deterministic=deterministic)
    return {
        "env_id": trainer.env_id,
        "episodes": len(result.returns),
        "mean_return": result.mean_return,
        "std_return": result.std_return,
        "mean_length": sum(result.lengths) / len(result.lengths),
        "cut": result.cut,
        "deterministic": deterministic,
        "video": None if video is None else str(video),
    }


def export_trained(path: Path, out: Path, *, format: str, trust: bool = False) -> None:
    """Write the greedy policy of a run, and check it against the original.

    Args:
        path: the run's directory, or a checkpoint.
        out: the file to write.
        format: as :func:`fastvec.train.export.export_policy` has it.
        trust: read a file of a format that runs what is in it.

    Raises:
        ValueError, OSError, ImportError, RuntimeError: as ``PPO.load`` and ``export_policy``.
    """
    with closing(load_trained(path, device="cpu", trust=trust)) as trainer:
        export_policy(trainer.policy, out, format=format, with_mask=trainer.has_masks)
