"""The reading of the three autoreset modes, against what ``SyncVectorEnv`` does."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from fastvec.vector.autoreset import Autoreset, EpisodeRows, autoreset_mode_of


class Counting(gymnasium.Env):
    """Episode ``k`` of env ``i`` shows ``1000 i + 100 k + step``, and ends after ``i + 2`` steps."""

    observation_space = gymnasium.spaces.Box(0, 10_000, (1,), np.float64)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, number: int) -> None:
        self._number = number
        self._episode = -1

    def _see(self) -> np.ndarray:
        return np.array([1000.0 * self._number + 100 * self._episode + self._step])

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(**kwargs)
        self._episode += 1
        self._step = 0
        return self._see(), {"step": 0}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self._step += 1
        ended = self._step == self._number + 2
        return self._see(), 1.0, ended and self._number == 0, ended and self._number > 0, {"step": self._step}


def vector(mode: AutoresetMode, num_envs: int = 3) -> SyncVectorEnv:
    return SyncVectorEnv([lambda i=i: Counting(i) for i in range(num_envs)], autoreset_mode=mode)


def story(mode: AutoresetMode, steps: int) -> list[list[tuple[float, float]]]:
    """``(observation before, observation after)`` of each transition of each env, as the readers tell them."""
    envs = vector(mode)
    autoreset = Autoreset(autoreset_mode_of(envs))
    rows = EpisodeRows(autoreset, envs.num_envs)
    told: list[list[tuple[float, float]]] = [[] for _ in range(envs.num_envs)]
    before = envs.reset()[0].copy()
    for _ in range(steps):
        assert (before[rows.begins, 0] % 100 == 0).all()
        assert (before[~rows.begins, 0] % 100 > 0).all()
        after, rewards, terminated, truncated, infos = envs.step(np.zeros(envs.num_envs, np.int64))
        ended = terminated | truncated
        valid = rows.step(ended)
        assert (rewards == valid).all()
        last = autoreset.last_observations(after, infos) if ended.any() else after
        for env in np.flatnonzero(valid):
            source = last if ended[env] else after
            told[env].append((float(before[env, 0]), float(source[env][0])))
        if ended.any():
            assert autoreset.last_infos(infos)["step"][ended].tolist() == (np.flatnonzero(ended) + 2).tolist()
        if autoreset.needs_reset and ended.any():
            after = envs.reset(options={"reset_mask": ended})[0]
        before = after.copy()
    return told


def truth(number: int, count: int) -> list[tuple[float, float]]:
    length = number + 2
    starts = [1000.0 * number + 100 * (i // length) + i % length for i in range(count)]
    return [(start, start + 1) for start in starts]


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_mode_tells_the_same_transitions(mode: AutoresetMode):
    for number, transitions in enumerate(story(mode, 24)):
        assert len(transitions) >= 12
        assert transitions == truth(number, len(transitions))


def test_infos_of_a_same_step_batch_are_parted_into_last_and_others():
    infos = {"final_obs": 1, "_final_obs": 2, "final_info": {"a": 3}, "_final_info": 4, "b": 5, "_b": 6}
    same_step, disabled = Autoreset(AutoresetMode.SAME_STEP), Autoreset(AutoresetMode.DISABLED)
    assert same_step.last_infos(infos) == {"a": 3}
    assert same_step.other_infos(infos) == {"b": 5, "_b": 6}
    assert disabled.last_infos(infos) is infos
    assert disabled.other_infos(infos) is infos


def test_the_mode_is_read_from_the_metadata_also_by_its_name():
    envs = vector(AutoresetMode.SAME_STEP)
    assert autoreset_mode_of(envs) is AutoresetMode.SAME_STEP
    envs.metadata = {"autoreset_mode": "Disabled"}
    assert autoreset_mode_of(envs) is AutoresetMode.DISABLED
    envs.metadata = {}
    with pytest.raises(ValueError, match="SyncVectorEnv does not say how it resets"):
        autoreset_mode_of(envs)
