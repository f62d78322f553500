"""States, and what comes after an episode.

Each check yields ``(is it a failure?, message, hint)``.
"""

from __future__ import annotations

import numpy as np
from gymnasium.vector import AutoresetMode

from fastvec.testing import long_runs
from fastvec.testing.checker import Checker, state_of
from fastvec.testing.probe import Yielded
from fastvec.testing.rollout import Frame, first_difference, frame, leaves, play
from fastvec.vector.autoreset import Autoreset, EpisodeRows

__all__ = ["autoreset", "observe", "resuming", "state"]


def observe(checker: Checker) -> Yielded:
    """Observing changes nothing."""
    hint = "observe() is const and a function of the state alone: no counters, no `mutable`, no random numbers"
    with checker.make(checker.num_envs) as envs:
        frames = play(envs, checker.bank, checker.num_steps // 2, seed=checker.seed)
        mask = np.zeros(checker.num_envs, dtype=bool)
        mask[0] = True
        others = np.arange(1, checker.num_envs)
        before = state_of(envs, others)
        for _ in range(2):
            observations, infos = envs.reset(options={"reset_mask": mask})
            shown = frame(observations, infos)
            last = {name: array for name, array in frames[-1].items() if name in shown and "observation" in name}
            difference = first_difference([last], [{name: shown[name] for name in last}], others, others)
            if difference is not None:
                yield True, f"observing again gave another result than the last step: {difference}", hint
                return
        if state_of(envs, others) != before:
            yield True, "resetting env 0 changed the state of other envs", hint


def state(checker: Checker) -> Yielded:
    """``get_state`` and ``set_state`` resume bit for bit."""
    hint = (
        "the whole state is in the env's members, without pointers; where it has save() and load(), both treat "
        "every member, in the same order"
    )
    half = checker.num_steps // 2
    ids = np.arange(checker.num_envs)
    with checker.make(checker.num_envs) as envs:
        play(envs, checker.bank, half, seed=checker.seed)
        try:
            state = envs.get_state()
        except NotImplementedError:
            yield False, "this backend offers no get_state", "nothing"
            return
        if envs.get_state() != state:
            yield True, "get_state() twice gave two results", "save() is const: it changes nothing"
            return
        single = [envs.get_state([env]) for env in range(checker.num_envs)]
        expected = play(envs, checker.bank, half, first_step=half)
        try:
            envs.set_state(state)
        except ValueError as error:
            yield True, f"set_state() refused what get_state() had given: {error}", hint
            return
        again = play(envs, checker.bank, half, first_step=half)
    difference = first_difference(expected, again, at=half + 1)
    if difference is not None:
        yield True, f"after set_state() of its own state, a vector went on differently: {difference}", hint
        return
    with checker.make(checker.num_envs) as envs:
        envs.set_state(state)
        again = play(envs, checker.bank, half, first_step=half)
    difference = first_difference(expected, again, at=half + 1)
    if difference is not None:
        yield True, f"a new vector with the saved state went on differently: {difference}", hint
        return
    with checker.make(checker.num_envs) as envs:
        for env in range(checker.num_envs):
            envs.set_state(single[env], [checker.num_envs - 1 - env])
        again = play(envs, checker.bank, half, first_step=half, env_ids=ids[::-1])
    difference = first_difference(expected, again, ids, ids[::-1], at=half + 1)
    if difference is not None:
        message = f"saved one by one and loaded into other places, an env went on differently: {difference}"
        yield True, message, hint + "; no member depends on where the env lies"


def autoreset(checker: Checker) -> Yielded:
    """All autoreset modes tell the same episodes."""
    told = {mode: _episodes(checker, mode) for mode in AutoresetMode}
    reference = told[AutoresetMode.NEXT_STEP]
    for mode in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED):
        for env in range(checker.num_envs):
            size = min(len(reference[env]), len(told[mode][env]))
            difference = first_difference(reference[env][:size], told[mode][env][:size])
            if difference is not None:
                where = f"event {difference.step} of env {env}, {difference.name}"
                message = f"NextStep and {mode.value} autoreset tell different episodes: {where}: "
                message += f"{difference.one} and {difference.other}"
                yield True, message, "reset() must not depend on when it is called, nor observe() on how often"
                return
    if not any(content["terminated"].any() for content in checker.frames()[1:]):
        message = f"no episode terminated in {checker.num_steps} random steps"
        yield False, message, "nothing, if the env never ends by itself; else give more num_steps"


def resuming(checker: Checker) -> Yielded:
    """Thousands of steps after ``set_state``, nothing differs."""
    yield from long_runs.resuming(checker, 20_000, 2.0)


def _episodes(checker: Checker, mode: AutoresetMode) -> list[list[Frame]]:
    """What happened to each env, one frame per reset or step, whatever the mode's way of telling it."""
    events: list[list[Frame]] = [[] for _ in range(checker.num_envs)]
    taken = np.zeros(checker.num_envs, dtype=np.int64)  # steps of each env, without resets
    ids = np.arange(checker.num_envs)
    autoreset = Autoreset(mode)
    with checker.make(checker.num_envs, autoreset_mode=mode, max_episode_steps=23) as envs:
        observations, infos = envs.reset(seed=checker.seed)
        _append(events, frame(observations, {}), ids)
        rows = EpisodeRows(autoreset, checker.num_envs)
        for _ in range(checker.num_steps):
            observations, rewards, terminated, truncated, infos = envs.step(checker.bank.batch(taken, ids))
            now = frame(observations, {}, rewards, terminated, truncated)
            done = terminated | truncated
            valid = rows.step(done)
            taken += valid
            last = dict(now)
            if autoreset.replaces_last and done.any():
                for env in np.flatnonzero(done):
                    for name, value in leaves(autoreset.last_observations(observations, infos)[env], "observation"):
                        last[name] = last[name].copy() if last[name] is now[name] else last[name]
                        last[name][env] = value
            _append(events, {k: v for k, v in now.items() if "observation" in k}, np.flatnonzero(~valid))
            _append(events, last, np.flatnonzero(valid))
            if done.any() and autoreset.replaces_last:
                _append(events, {k: v for k, v in now.items() if "observation" in k}, np.flatnonzero(done))
            elif done.any() and autoreset.needs_reset:
                observations, infos = envs.reset(options={"reset_mask": done})
                _append(events, frame(observations, {}), np.flatnonzero(done))
    return events


def _append(events: list[list[Frame]], content: Frame, env_ids: np.ndarray) -> None:
    for env in env_ids:
        events[env].append({name: array[env : env + 1] for name, array in content.items()})
