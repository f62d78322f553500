"""Stepping environments in a way that hides the three autoreset modes."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from fastvec.train.env.encode import Array, ObservationEncoder, take_rows
from fastvec.train.env.masks import newest_mask
from fastvec.vector.autoreset import Autoreset, autoreset_mode_of
from fastvec.vector.vector_env import VectorEnv as FastvecVectorEnv


class BootstrapObservations(NamedTuple):
    """Encoded last observations of the episodes that were truncated in one step.

    Attributes:
        env_ids: int64 ``[K]``.
        observations: ``[K, *encoder.shape]``.
    """

    env_ids: Array
    observations: Array


class Stepper:
    """One vector environment, with observations encoded and autoreset modes made alike.

    After :meth:`reset` and every :meth:`step` the encoded observation that the next action is for is in the
    ``out`` that was passed. Where the mode replaces the last observation of an episode (SameStep, Disabled),
    ``step`` returns it. With NextStep it is the next observation itself, and the step after it is a reset
    row: its action was ignored.
    """

    def __init__(self, envs: VectorEnv) -> None:
        self.envs = envs
        self.num_envs = envs.num_envs
        self.autoreset = Autoreset(autoreset_mode_of(envs))
        self.has_reset_rows = self.autoreset.has_reset_rows
        self.encoder = ObservationEncoder(envs.single_observation_space)
        self.action_mask: Array | None = None
        self.writes_in_place = writes_in_place(envs, self.encoder)

    def reset(self, seed: int | None, out: Array) -> None:
        """Start all episodes anew; ``out`` takes the first observations."""
        observations, info = self.envs.reset(seed=seed)
        self.encoder.encode(observations, out)
        self.action_mask = None
        self._take_action_mask(info)

    def step(
        self, actions: Array, out: Array, rewards: Array, terminated: Array, truncated: Array
    ) -> BootstrapObservations | None:
        """Step all environments.

        Args:
            actions: ``[N, ...]``, as the environments take them.
            out: takes the encoded observations that the next actions are for, ``[N, *encoder.shape]``.
            rewards: takes them, float64 ``[N]``.
            terminated: takes them, bool ``[N]``.
            truncated: takes them, bool ``[N]``.

        Returns:
            The last observations of the episodes that were truncated, where ``out`` does not hold them.

        Raises:
            ValueError: a mask that allows no action, or the first one after a reset without.
        """
        written = self.writes_in_place
        if written:
            shaped = out.reshape(self.num_envs, *(self.envs.single_observation_space.shape or ()))
            result = self.envs.step(actions, out=(shaped, rewards, terminated, truncated))  # type: ignore[call-arg]
            observations, reward, term, trunc, info = result
        else:
            observations, reward, term, trunc, info = self.envs.step(actions)
            rewards[...] = reward
            terminated[...] = term
            truncated[...] = trunc
        masked = self.action_mask is not None
        final = None
        if not self.has_reset_rows and (np.count_nonzero(term) or np.count_nonzero(trunc)):  # a tenth of any()'s time
            env_ids = np.flatnonzero(trunc & ~term)
            if len(env_ids):
                last = self.autoreset.last_observations(observations, info)
                final = BootstrapObservations(env_ids, self._encode_final(last, env_ids))
            if self.autoreset.needs_reset:
                self._take_action_mask(info, term | trunc)  # of those that go on; of the others, below
                observations, info = self.envs.reset(options={"reset_mask": term | trunc})
                written = False
        if not written:
            self.encoder.encode(observations, out)
        self._take_action_mask(info, term | trunc if self.has_reset_rows else None)
        if not masked and self.action_mask is not None:
            raise ValueError(
                f"{self.envs} gives info['action_mask'] after a step, but gave none after reset: the first actions "
                "of episodes would not be masked"
            )
        return final

    def _encode_final(self, final_obs: Any, env_ids: Array) -> Array:
        if isinstance(final_obs, np.ndarray) and final_obs.dtype == object:
            return self.encoder.encode_list([final_obs[i] for i in env_ids])
        return self.encoder.encode_batch(take_rows(final_obs, env_ids), len(env_ids))

    def _take_action_mask(self, info: dict[str, Any], ended: Array | None = None) -> None:
        """Keep the newest ``info["action_mask"]``.

        Raises:
            ValueError: it allows nothing, and the episode has not ended.
        """
        space = self.envs.single_action_space
        self.action_mask = newest_mask(self.action_mask, info, space, self.num_envs, ended=ended)


def writes_in_place(envs: VectorEnv, encoder: ObservationEncoder) -> bool:
    """Whether ``envs.step(actions, out=...)`` can fill the trainer's own buffers.

    fastvec's environments can, where observations need no encoding.
    """
    if not isinstance(envs, FastvecVectorEnv):
        return False
    space = envs.single_observation_space
    return encoder.is_image or (isinstance(space, gym.spaces.Box) and space.dtype == np.float32)
