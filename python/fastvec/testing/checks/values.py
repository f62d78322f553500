"""What an env gives: observations, rewards, masks, infos.

Each check yields ``(is it a failure?, message, hint)``.
"""

from __future__ import annotations

import numpy as np

from fastvec.errors import EnvError
from fastvec.testing import probe as probes
from fastvec.testing import python_env
from fastvec.testing.checker import Checker
from fastvec.testing.masks import mask_faults
from fastvec.testing.probe import Yielded
from fastvec.testing.rollout import Frame, frame, leaves
from fastvec.testing.space_values import corners, leaf_spaces, repeat, space_fault

__all__ = ["actions", "infos", "masks", "observations", "rewards", "types"]


def observations(checker: Checker) -> Yielded:
    """Observations are finite and in their space; natively, every byte of a row is written."""
    yield from _outside(checker, checker.frames())
    if checker.is_native:
        with checker.probe(2) as probe:
            yield from probes.unwritten(probe)


def rewards(checker: Checker) -> Yielded:
    """Rewards are finite."""
    for step, content in enumerate(checker.frames()[1:], start=1):
        bad = np.flatnonzero(~np.isfinite(content["reward"]))
        if bad.size:
            value = content["reward"][bad[0]]
            yield (
                True,
                f"the reward of env {bad[0]} at step {step} is {value}",
                "return a finite reward from step()",
            )
            return


def actions(checker: Checker) -> Yielded:
    """The corners of the action space are survived, with results as they should be."""
    with checker.make(2) as envs:
        for name, action in corners(envs.single_action_space):
            batch = repeat(action, 2)
            frames = []
            try:
                observations, infos = envs.reset(seed=checker.seed)
                frames.append(frame(observations, infos))
                for _ in range(30):
                    observations, rewards, terminated, truncated, infos = envs.step(batch)
                    frames.append(frame(observations, infos, rewards, terminated, truncated))
            except EnvError as error:
                hint = "every action of the space is legal: make the space narrower, or the step more tolerant"
                yield True, f"with the {name} of the action space, the env raised: {error}", hint
                continue
            yield from _outside(checker, frames, f" with the {name} of the action space")
            if not all(np.isfinite(content["reward"]).all() for content in frames[1:]):
                yield True, f"with the {name} of the action space, a reward is not finite", "clip the action"


def masks(checker: Checker) -> Yielded:
    """Action masks have an entry per action, and allow one."""
    yield from mask_faults(checker.frames(), checker.bank.space)


def infos(checker: Checker) -> Yielded:
    """Infos are arrays with masks."""
    for step, content in enumerate(checker.frames()):
        for name, array in content.items():
            if not name.startswith("info "):
                continue
            mask = content[name.replace("info ", "mask ", 1)]
            if mask.dtype != np.bool_ or len(array) != checker.num_envs:
                message = f"{name} at step {step} is no array of {checker.num_envs} rows with a bool mask"
                yield True, message, "declare the field in Spec::info"
                return
            if array.dtype.kind == "f" and not np.isfinite(array[mask]).all():
                env = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1) & mask)[0]
                message = f"{name} of env {env} at step {step} is not finite"
                yield False, message, "leave the field out where it has no value: its mask is False then"
                return


def types(checker: Checker) -> Yielded:
    """Of an env in Python: its results are of the types that its spaces promise."""
    checker.place.note("step {step} of one env")
    yield from python_env.types(checker.source, checker.env_kwargs, checker.bank, checker.seed, checker.place)


def _outside(checker: Checker, frames: list[Frame], where: str = "") -> Yielded:
    bounds = dict(leaves(leaf_spaces(checker.observation_space), "observation"))
    for name, space in bounds.items():
        for step, content in enumerate(frames):
            fault = space_fault(space, content[name])
            if fault is not None:
                env, message, hint = fault
                when = "after reset" if step == 0 else f"at step {step}"
                yield True, f"{name} of env {env} {when}{where} {message}", hint
                break
