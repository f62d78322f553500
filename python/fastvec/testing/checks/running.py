"""An env that runs: through memory, for long, in pictures, and how fast.

Each check yields ``(is it a failure?, message, hint)``.
"""

from __future__ import annotations

import time

import numpy as np

from fastvec.errors import EnvError
from fastvec.native import registry
from fastvec.testing import probe as probes
from fastvec.testing import python_env
from fastvec.testing.checker import Checker, state_of
from fastvec.testing.long_runs import waits_of
from fastvec.testing.probe import Yielded
from fastvec.testing.rollout import play

__all__ = ["endurance", "memory", "render", "steps", "throughput", "waiting"]

_CALL_TAKES = 0.02  # seconds, at the most where the number of envs is ours to choose


def memory(checker: Checker) -> Yielded:
    """Nothing is written but an env's own rows and members."""
    with checker.probe(checker.num_envs) as probe:
        yield from probes.memory(probe, checker.num_envs)


def steps(checker: Checker) -> Yielded:
    """Random actions are survived."""
    checker.frames()
    yield from ()


def render(checker: Checker) -> Yielded:
    """Pictures are uint8 and change nothing."""
    if "rgb_array" not in checker.render_modes:
        return
    hint = "render() writes every pixel as RGB, and is const: a picture of the state, not a part of it"
    is_authors = (
        checker.is_native and registry.get(checker.source.env_id).counterpart is None
    )  # not Gymnasium's renderer
    with checker.make(2, render_mode="rgb_array") as envs:
        play(envs, checker.bank, 5, seed=checker.seed)
        before = state_of(envs, np.arange(2))
        try:
            first, second = envs.render(), envs.render()
        except ImportError as error:
            yield False, f"the renderer is not installed: {error}", "pip install 'fastvec[render]'"
            return
        except EnvError as error:
            yield True, f"render() raised: {error}", hint
            return
        except Exception as error:  # Gymnasium's renderers raise what their libraries do
            message = f"no picture could be drawn on this machine: {type(error).__name__}: {error}"
            yield False, message, "MuJoCo's renderer needs a screen, or MUJOCO_GL=egl"
            return
        for picture in first:
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
                message = f"expected pictures of uint8 and shape (height, width, 3), got {picture.dtype} "
                yield True, message + str(picture.shape), hint
                return
        if any(one.tobytes() != other.tobytes() for one, other in zip(first, second, strict=True)):
            yield is_authors, "two pictures of the same state differ", hint
        if state_of(envs, np.arange(2)) != before:
            yield is_authors, "rendering changed the state", hint
        elif all(picture.min() == picture.max() for picture in first):
            yield False, "the pictures are of one colour", hint


def endurance(checker: Checker) -> Yielded:
    """Tens of thousands of steps without a time limit are survived."""
    if checker.is_native:
        with checker.probe(4) as probe:
            yield from probes.endurance(probe, 50_000, 2.0)
    else:
        with checker.make(2, max_episode_steps=-1) as envs:
            yield from python_env.endurance(envs, checker.bank, checker.seed, 20_000, 3.0)


def waiting(checker: Checker) -> Yielded:
    """A step neither sleeps nor waits."""
    if checker.is_native:
        with checker.probe(2) as probe:
            steps, switches, seconds = waits_of(
                lambda: probe.guarded(2000, envs_per_call=1, seconds=1.0, what="step {step}")[0] * 2
            )
    else:
        checker.place.note("steps of one env")
        steps, switches, seconds = waits_of(
            lambda: python_env.steps(checker.source, checker.env_kwargs, checker.bank, checker.seed, 500, 1.0)
        )
    if switches > max(10, 0.005 * steps):
        message = f"a step sleeps or waits: {switches} times in {steps} env steps, for {seconds:.2g} seconds in all"
        yield False, message, "leave pauses and waiting to whoever looks on: training wants all steps at once"


def throughput(checker: Checker) -> Yielded:
    """Measures the speed, and whether a step allocates."""
    counted = checker.count_allocations().result()
    num_envs = min(checker.many(16, 4096), max(16, int(_CALL_TAKES / checker.seconds_per_step())))
    ids = np.arange(num_envs)
    with checker.make(num_envs, copy=False) as envs:
        envs.reset(seed=checker.seed)
        batches = [checker.bank.batch(t, ids) for t in range(16)]
        calls, start = 0, time.perf_counter()
        while time.perf_counter() - start < 0.3:
            for actions in batches:
                envs.step(actions)
            calls += len(batches)
        checker.steps_per_second = calls * num_envs / (time.perf_counter() - start)
    if counted is None:
        return
    checker.allocations_per_step = counted.per_step
    hint = "keep buffers as members or on the stack, and what all envs share in Shared: "
    hint += "the heap costs more than a small env's step, and threads wait for each other there"
    if counted.per_step >= 0.01:
        yield False, f"a step allocates: {counted.per_step:.2g} times per env step on average", hint
    elif counted.per_reset >= 0.5:
        yield False, f"a reset allocates: {counted.per_reset:.2g} times on average", hint
