"""The envs of a worker, or of the calling process: made, described, and checked against the vector's spaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gymnasium
from gymnasium.spaces.utils import is_space_dtype_shape_equiv

from fastvec.process.wire.pickling import dumps
from fastvec.process.wire.protocol import Attachment, Failure
from fastvec.process.worker.replies import dumps_failures

__all__ = ["describe", "make_envs", "space_problem"]


def make_envs(env_fns: Sequence[Callable[[], gymnasium.Env]], first: int, envs: list[gymnasium.Env]) -> Failure | None:
    """Append an env of each callable to ``envs``; the failure of the first that cannot be made.

    Args:
        first: index of the first env, for the failure.
    """
    for env, make in enumerate(env_fns, first):
        try:
            envs.append(make())
        except Exception as error:
            return Failure.of(env, error)
    return None


def describe(first: int, envs: Sequence[gymnasium.Env]) -> bytes:
    """``("made", description)`` of these envs, or ``("failed", failures)`` if that cannot be pickled."""
    one = envs[0]
    description = {
        "observation_spaces": [env.observation_space for env in envs],
        "action_space": one.action_space,
        "metadata": dict(one.metadata),
        "render_mode": one.render_mode,
    }
    try:
        return dumps(("made", description))
    except Exception as error:
        return dumps_failures([Failure.of(first, error)], "failed")


def space_problem(attachment: Attachment, first: int, envs: list[gymnasium.Env]) -> str | None:
    """Why the spaces of these envs cannot be batched, or None: the rules of SyncVectorEnv."""
    expected = attachment.single_observation_space
    for i, env in enumerate(envs, first):
        if attachment.observation_mode == "same":
            if env.observation_space != expected:
                return (
                    f"observation_mode='same', but the sub-environments observation spaces are not equivalent. That of "
                    f"env {i} is {env.observation_space}, that of env 0 is {expected}. If this is intentional, use "
                    f"`observation_mode='different'` instead."
                )
        elif not is_space_dtype_shape_equiv(env.observation_space, expected):
            return (
                f"the sub-environments observation spaces do not share a common shape and dtype. That of env {i} is "
                f"{env.observation_space}, the single one is {expected}"
            )
        if env.action_space != attachment.single_action_space:
            return (
                f"the sub-environments action spaces are not equal. That of env {i} is {env.action_space}, that of "
                f"env 0 is {attachment.single_action_space}; actions of different spaces cannot be batched"
            )
    return None
