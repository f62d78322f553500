"""The checks of envs in Python alone: one of them, in this process, without a vector around it."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from fastvec.testing.long_runs import Budget
from fastvec.testing.place import Place
from fastvec.testing.probe import Yielded
from fastvec.testing.question import Source
from fastvec.testing.rollout import ActionBank, frame, leaves

__all__ = ["endurance", "steps", "types"]

_TYPES_HINT = "Gymnasium's own wrappers and vectors convert it in silence, and other code will not"


@contextmanager
def _one(source: Source, env_kwargs: dict[str, Any]) -> Iterator[gymnasium.Env[Any, Any]]:
    """The env without a time limit, whose wrapper would be the first to stumble over what is wrong."""
    env = gymnasium.make(source.env_id, max_episode_steps=-1, disable_env_checker=True, **env_kwargs)
    try:
        yield env
    finally:
        env.close()


def _action(bank: ActionBank, t: int) -> Any:
    return next(iter(gymnasium.vector.utils.iterate(_batched(bank.space), bank.batch(t, np.arange(1)))))


def _batched(space: spaces.Space[Any]) -> spaces.Space[Any]:
    return gymnasium.vector.utils.batch_space(space, 1)


def types(
    source: Source, env_kwargs: dict[str, Any], bank: ActionBank, seed: int, place: Place, num_steps: int = 30
) -> Yielded:
    """Whether what the env returns is of the promised types, and what ``reset`` and ``step`` have to return."""
    with _one(source, env_kwargs) as env:
        space = env.observation_space
        over = True
        for t in range(num_steps + 1):
            place.step(t)
            when = f"at step {t}" if t else "after reset"
            if over:
                answer: Any = env.reset(seed=seed if t == 0 else None)
                if not isinstance(answer, tuple) or len(answer) != 2:
                    yield True, f"reset() returned {_kind(answer)}: expected (observation, info)", "return both"
                    return
                observation, info = answer
                rest: tuple[Any, ...] = ()
            else:
                answer = env.step(_action(bank, t))
                if not isinstance(answer, tuple) or len(answer) != 5:
                    message = f"step() returned {_kind(answer)}: expected (observation, reward, terminated, truncated, "
                    yield True, message + "info)", "return all five"
                    return
                observation, *rest_of_it, info = answer
                rest = tuple(rest_of_it)
            yield from _wrong_observation(space, observation, "observation", when)
            if not isinstance(info, dict):
                yield True, f"info {when} is {_kind(info)}: expected a dict", "return {} where there is nothing to say"
                return
            if rest:
                reward, terminated, truncated = rest
                is_number = isinstance(reward, (numbers.Real, np.number)) and not isinstance(reward, bool)
                if not is_number and not (isinstance(reward, np.ndarray) and reward.ndim == 0):
                    yield True, f"the reward {when} is {_kind(reward)}: expected a number", "return float(reward)"
                    return
                for name, flag in (("terminated", terminated), ("truncated", truncated)):
                    if not isinstance(flag, (bool, np.bool_)):
                        yield True, f"{name} {when} is {_kind(flag)}: expected a bool", f"return bool({name})"
                        return
            over = bool(rest) and bool(rest[1] or rest[2])


def _wrong_observation(space: Any, value: Any, name: str, when: str) -> Yielded:
    if isinstance(space, spaces.Dict):
        if not isinstance(value, dict) or set(value) != set(space.spaces):
            keys = sorted(space.spaces)
            got = sorted(value) if isinstance(value, dict) else _kind(value)
            yield True, f"{name} {when} has the keys {got}: expected {keys}", "return a dict with the space's keys"
            return
        for key, child in space.spaces.items():
            yield from _wrong_observation(child, value[key], f"{name}[{key!r}]", when)
    elif isinstance(space, spaces.Tuple):
        if not isinstance(value, tuple) or len(value) != len(space.spaces):
            yield True, f"{name} {when} is {_kind(value)}: expected a tuple of {len(space.spaces)}", "return a tuple"
            return
        for at, child in enumerate(space.spaces):
            yield from _wrong_observation(child, value[at], f"{name}[{at}]", when)
    elif isinstance(space, (spaces.Box, spaces.MultiBinary, spaces.MultiDiscrete)):
        if not isinstance(value, np.ndarray):
            yield True, f"{name} {when} is {_kind(value)}: expected an array of {space.dtype}", "return a NumPy array"
        elif value.shape != space.shape:
            yield True, f"{name} {when} has the shape {value.shape}: expected {space.shape}", "return the space's shape"
        elif value.dtype != space.dtype:
            message = f"{name} {when} has the dtype {value.dtype}: expected {space.dtype}"
            yield True, message, f"return .astype({space.dtype}): {_TYPES_HINT}"
        elif np.isfinite(np.asarray(value, dtype=np.float64)).all() and not space.contains(value):
            yield True, f"{name} {when} is outside of {space}", "give the space wider bounds, or clip"
    elif not space.contains(value):
        yield True, f"{name} {when} is {value!r}: expected an element of {space}", "return what the space contains"


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    text = repr(value)
    return f"{text if len(text) <= 60 else 'a value'} ({type(value).__name__})"


def steps(source: Source, env_kwargs: dict[str, Any], bank: ActionBank, seed: int, count: int, seconds: float) -> int:
    """Play one env; how many steps there was time for."""
    budget = Budget(seconds)
    with _one(source, env_kwargs) as env:
        env.reset(seed=seed)
        for t in range(count):
            *_, terminated, truncated, _ = env.step(_action(bank, t))
            if terminated or truncated:
                env.reset()
            if budget.is_spent():
                return t + 1
    return count


def endurance(envs: Any, bank: ActionBank, seed: int, count: int, seconds: float) -> Yielded:
    """Whether a long run of a vector without a time limit ends well."""
    budget = Budget(seconds)
    ids = np.arange(envs.num_envs)
    envs.reset(seed=seed)
    for t in range(1, count + 1):
        try:
            observations, rewards, *_ = envs.step(bank.batch(np.where(ids % 2, t // 50 * 50, t), ids))
        except Exception as error:
            message = f"at step {t:,} of a run without a time limit, the env raised an error: {error}"
            yield True, message, "look for what adds up over thousands of steps"
            return
        for name, array in [*frame(observations, {}).items(), *leaves(rewards, "reward")]:
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                env = int(np.argwhere(~np.isfinite(array))[0][0])
                message = f"{name} of env {env} at step {t:,} of a run without a time limit is not finite"
                yield True, message, "look for what adds up, or shrinks, over thousands of steps"
                return
        if budget.is_spent():
            return
