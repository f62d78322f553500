"""The same seed and actions give the same results, whatever else there is.

Each check yields ``(is it a failure?, message, hint)``.
"""

from __future__ import annotations

import time

import numpy as np

from fastvec.testing import probe as probes
from fastvec.testing.checker import Checker
from fastvec.testing.probe import Yielded
from fastvec.testing.question import Question
from fastvec.testing.rerun import another_day as compare_another_day
from fastvec.testing.rollout import first_difference, frame, play

__all__ = ["another_day", "determinism", "engine", "independence", "reset", "seeding", "threads"]

_HIDDEN_STATE = (
    "draw random numbers from the `rng` that is handed in only, and keep all state in the env's members: no static or "
    "thread_local variables, no clock, no std::rand, no member that reset() leaves unset"
)
_TIMED = 64  # envs whose steps say what one costs
_WORTH_SHARING = 2e-3  # seconds of work per step that the engine hands to other threads for certain


def determinism(checker: Checker) -> Yielded:
    """The same seed and actions give the same bytes."""
    with checker.make(checker.num_envs) as envs:
        again = play(envs, checker.bank, checker.num_steps, seed=checker.seed)
    difference = first_difference(checker.frames(), again)
    if difference is not None:
        yield True, f"the same seed and actions gave different results: {difference}", _HIDDEN_STATE


def another_day(checker: Checker) -> Yielded:
    """So they do in another process, by another clock."""
    question = Question("digests", checker.source, {**checker.settings, "num_steps": checker.num_steps})
    checker.place.note("the same run in another process")
    try:
        difference, how = compare_another_day(question, checker.frames(), checker.time_limit)
    except ChildProcessError as error:
        yield True, str(error), _HIDDEN_STATE
        return
    if difference is not None:
        yield True, f"the same seed and actions gave different results {how}: {difference}", _HIDDEN_STATE


def reset(checker: Checker) -> Yielded:
    """Reset leaves nothing of the episode before."""
    with checker.make(checker.num_envs) as envs:
        play(envs, checker.bank, 17, seed=checker.seed + 1000, first_step=5)
        again = play(envs, checker.bank, checker.num_steps, seed=checker.seed)
    difference = first_difference(checker.frames(), again)
    if difference is not None:
        message = f"a vector that was used before differs from a new one after reset(seed): {difference}"
        yield True, message, "reset() has to set every member that a later call reads"


def seeding(checker: Checker) -> Yielded:
    """Other seeds give other episodes."""
    same_actions = np.zeros(16, dtype=np.int64)
    with checker.make(16) as envs:
        envs.reset(seed=checker.seed)
        before = [generator.bit_generator.state for generator in envs.np_random]
        frames = play(envs, checker.bank, checker.num_steps, seed=checker.seed, env_ids=same_actions)
        after = [generator.bit_generator.state for generator in envs.np_random]
    alike = all((array == array[:1]).all() for content in frames for array in content.values())
    if alike and before == after:
        message = "16 seeds gave the same episodes, and no random number was drawn after the first reset"
        yield False, message, "nothing, if the env is meant to be deterministic; else draw from `rng`"
    elif alike:
        message = "16 seeds gave the same episodes, although random numbers were drawn"
        yield False, message, "let what is drawn from `rng` show in the observations or rewards"


def independence(checker: Checker) -> Yielded:
    """An env does not depend on its neighbours."""
    hint = (
        "an env may use its own members and the `rng` that is handed in, and nothing that another env can change "
        "(a `mutable` or pointer in Shared, a static); a step_range has to work for any number of envs"
    )
    frames = checker.frames()
    others = np.arange(checker.num_envs)
    others[1:] += 500
    with checker.make(checker.num_envs) as envs:
        changed = play(envs, checker.bank, checker.num_steps, seed=checker.seed, env_ids=others)
    difference = first_difference(frames, changed, [0], [0])
    if difference is not None:
        yield True, f"other actions of the other envs changed {difference}", hint
        return
    for env in range(checker.num_envs):
        with checker.make(1) as envs:
            alone = play(envs, checker.bank, checker.num_steps, seed=checker.seed + env, env_ids=np.array([env]))
        difference = first_difference(frames, alone, [env], [0])
        if difference is not None:
            yield True, f"in a vector of {checker.num_envs} and alone, an env gave {difference}", hint
            return


def threads(checker: Checker) -> Yielded:
    """Threads that do not wait for each other give the same bytes."""
    hint = "what envs share must not change while they run: " + _HIDDEN_STATE
    with checker.probe(32) as probe:
        for is_failure, message, _ in probes.interference(probe):
            yield is_failure, message, hint
            return


def engine(checker: Checker) -> Yielded:
    """The engine's own threads, which share the envs out as they go, give the same bytes."""
    hint = "what envs share must not change while they run: " + _HIDDEN_STATE
    num_envs = checker.many(256, 1 << 16)
    with checker.make(_TIMED, copy=False) as envs:  # how many envs keep several threads busy?
        play(envs, checker.bank, 5, seed=checker.seed)
        start = time.perf_counter()
        play(envs, checker.bank, 5)
        per_env = (time.perf_counter() - start) / (5 * _TIMED)
    num_envs = int(np.clip(_WORTH_SHARING / per_env, 256, num_envs))
    with checker.make(num_envs, copy=False) as one, checker.make(num_envs, copy=False, num_threads=4) as four:
        ids = np.arange(num_envs)
        for t in range(1 + min(checker.num_steps, 40)):
            frames = []
            for envs in (one, four):
                if t == 0:
                    frames.append(frame(*envs.reset(seed=checker.seed)))
                else:
                    observations, rewards, terminated, truncated, infos = envs.step(checker.bank.batch(t, ids))
                    frames.append(frame(observations, infos, rewards, terminated, truncated))
            difference = first_difference(frames[:1], frames[1:], at=t)
            if difference is not None:
                yield True, f"one thread and four gave different results: {difference}", hint
                return
