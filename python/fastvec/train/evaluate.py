"""Playing whole episodes with a policy and counting what they return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from fastvec.train.env.masks import newest_mask
from fastvec.vector.autoreset import Autoreset, EpisodeRows, autoreset_mode_of

MAX_EPISODE_STEPS = 20_000
"""Steps after which an episode of an evaluation is counted as it stands, where nobody says otherwise."""


@dataclass(frozen=True)
class Evaluation:
    """Returns and lengths of whole episodes.

    Attributes:
        returns: sums of an episode's rewards, in the order in which the episodes ended.
        lengths: their environment steps.
        cut: how many of them were counted as they stood after ``max_episode_steps``: their ends are not known.
    """

    returns: list[float]
    lengths: list[int]
    cut: int = 0

    @property
    def mean_return(self) -> float:
        """Mean over the episodes."""
        return float(np.mean(self.returns))

    @property
    def std_return(self) -> float:
        """Standard deviation over the episodes."""
        return float(np.std(self.returns))


def evaluate(
    predict: Callable[..., Any],
    envs: VectorEnv,
    *,
    episodes: int,
    seed: int | None,
    deterministic: bool = True,
    on_step: Callable[[], None] | None = None,
    on_start: Callable[[Any], None] | None = None,
    max_episode_steps: int = MAX_EPISODE_STEPS,
) -> Evaluation:
    """Play whole episodes.

    Each environment plays its share (the first ones one more where they do not divide evenly), so that short
    episodes are not favoured.

    Args:
        predict: ``predict(observations, deterministic=..., mask=...)`` chooses the actions, all as ``envs`` has them;
            ``mask`` is the newest ``info["action_mask"]``, None where there is none.
        envs: the environments, in any autoreset mode; they are reset first, and stay open.
        episodes: how many to play in all.
        seed: of the first reset.
        deterministic: passed on to ``predict``.
        on_step: called after each step of ``envs``.
        on_start: called with a bool ``[N]`` before ``predict`` sees the first observations of new episodes, so that a
            policy with memory can forget.
        max_episode_steps: an episode of so many is counted as it stands, and its environment plays no more: without a
            time limit a greedy policy can walk in circles for ever. ``cut`` of the result says how many there were.

    Raises:
        ValueError: ``envs`` does not say its autoreset mode, or a number is below 1.
    """
    if max_episode_steps < 1:
        raise ValueError(f"expected max_episode_steps to be at least 1, got {max_episode_steps}")
    autoreset = Autoreset(autoreset_mode_of(envs))
    num_envs = envs.num_envs
    share = episodes // num_envs + (np.arange(num_envs) < episodes % num_envs)
    played = np.zeros(num_envs, dtype=np.int64)
    totals = np.zeros(num_envs, dtype=np.float64)
    lengths = np.zeros(num_envs, dtype=np.int64)
    result = Evaluation([], [])
    cut = 0
    rows = EpisodeRows(autoreset, num_envs)
    observations, info = envs.reset(seed=seed)
    mask = newest_mask(None, info, envs.single_action_space, num_envs)
    while (played < share).any():
        if on_start is not None and rows.begins.any():
            on_start(rows.begins)
        actions = predict(observations, deterministic=deterministic, mask=mask)
        observations, rewards, terminated, truncated, info = envs.step(actions)
        done = terminated | truncated
        ended = None if autoreset.replaces_last else done
        mask = newest_mask(mask, info, envs.single_action_space, num_envs, ended=ended)
        if on_step is not None:
            on_step()
        totals += rewards
        lengths += rows.step(done)
        for i in np.flatnonzero((lengths >= max_episode_steps) & ~done & (played < share)):
            result.returns.append(float(totals[i]))
            result.lengths.append(int(lengths[i]))
            played[i] = share[i]
            cut += 1
        if not done.any():
            continue
        for i in np.flatnonzero(done & (played < share)):
            result.returns.append(float(totals[i]))
            result.lengths.append(int(lengths[i]))
        played += done
        totals[done], lengths[done] = 0.0, 0
        if autoreset.needs_reset:
            observations, info = envs.reset(options={"reset_mask": np.asarray(done)})
            mask = newest_mask(mask, info, envs.single_action_space, num_envs)
    return replace(result, cut=cut)
