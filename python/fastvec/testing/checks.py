"""The checks, each a method of :class:`Checker` that yields what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from fastvec.errors import EnvError
from fastvec.make import make_vec
from fastvec.native import registry
from fastvec.testing import probe as probes
from fastvec.testing import python_env
from fastvec.testing.allocations import count_allocations
from fastvec.testing.long_runs import resuming, waits_of
from fastvec.testing.masks import mask_faults
from fastvec.testing.place import Place
from fastvec.testing.probe import Yielded
from fastvec.testing.question import Question, Source
from fastvec.testing.report import Finding
from fastvec.testing.rerun import another_day
from fastvec.testing.rollout import ActionBank, Frame, first_difference, frame, leaves, play
from fastvec.vector.autoreset import Autoreset, EpisodeRows

__all__ = ["CHECKS", "PYTHON_CHECKS", "Checker"]

_Table = dict[str, tuple[tuple[str, ...], str]]

# name: (what must have passed for it to say something, what it checks)
CHECKS: _Table = {
    "memory": ((), "nothing is written but an env's own rows and members"),
    "steps": (("memory",), "random actions are survived"),
    "observations": (("steps",), "finite and inside the observation space"),
    "rewards": (("steps",), "finite"),
    "actions": (("observations", "rewards"), "the corners of the action space are survived"),
    "masks": (("steps",), "action masks have an entry per action, and allow one"),
    "determinism": (("steps",), "the same seed and actions give the same bytes"),
    "another day": (("determinism",), "so they do in another process, by another clock"),
    "reset": (("determinism",), "reset leaves nothing of the episode before"),
    "seeding": (("reset",), "other seeds give other episodes"),
    "independence": (("reset",), "an env does not depend on its neighbours"),
    "threads": (("reset", "independence"), "any number of threads gives the same bytes"),
    "engine": (("threads",), "so do the engine's own, which share the envs out as they go"),
    "observe": (("reset",), "observing changes nothing"),
    "state": (("reset", "observe"), "get_state and set_state resume bit for bit"),
    "autoreset": (("reset", "observe"), "all autoreset modes tell the same episodes"),
    "infos": (("steps",), "infos are arrays with masks"),
    "render": (("steps",), "pictures are uint8 and change nothing"),
    "endurance": (("observations", "rewards"), "tens of thousands of steps without a time limit are survived"),
    "resuming": (("state",), "thousands of steps after set_state, nothing differs"),
    "waiting": (("steps",), "a step neither sleeps nor waits"),
    "throughput": (("steps",), "speed, and whether a step allocates"),
}
# Those of an env in Python, which one process plays after the other.
PYTHON_CHECKS: _Table = {
    "types": ((), "observations, rewards and flags are of the types that the spaces promise"),
    "steps": ((), "random actions are survived"),
    **{name: CHECKS[name] for name in ("observations", "rewards", "actions", "masks", "determinism", "another day")},
    **{name: CHECKS[name] for name in ("reset", "seeding", "independence")},
    "autoreset": (("reset",), CHECKS["autoreset"][1]),
    **{name: CHECKS[name] for name in ("infos", "render", "endurance", "waiting")},
    "throughput": (("steps",), "speed"),
}

_HIDDEN_STATE = (
    "draw random numbers from the `rng` that is handed in only, and keep all state in the env's members: no static or "
    "thread_local variables, no clock, no std::rand, no member that reset() leaves unset"
)
_MEGABYTE = 1 << 20
_STEPS, _FEWEST_STEPS = 200, 30
_RUN_TAKES = 2.0  # seconds, at the most where there is a choice
_CALL_TAKES = 0.02  # seconds, at the most where the number of envs is ours to choose
_WORTH_SHARING = 2e-3  # seconds of work per step that the engine hands to other threads for certain


class Checker:
    """Runs the checks on one env; see :func:`fastvec.testing.check_env` for the arguments."""

    def __init__(
        self,
        source: Source,
        *,
        num_envs: int,
        num_steps: int | None,
        seed: int,
        env_kwargs: dict[str, Any],
        time_limit: float,
        place: Place,
    ) -> None:
        self.source = source
        self.num_envs = num_envs
        self.seed = seed
        self.env_kwargs = env_kwargs
        self.steps_per_second: float | None = None
        self.allocations_per_step: float | None = None
        self._settings = {"num_envs": num_envs, "seed": seed, "env_kwargs": env_kwargs, "time_limit": time_limit}
        self._place = place
        self._time_limit = time_limit
        with self.make(1) as envs:
            self.observation_space = envs.single_observation_space
            self.bank = ActionBank(envs.single_action_space, seed)
            self.render_modes = envs.metadata.get("render_modes", [])
        self._num_steps = num_steps
        self._step_takes: float | None = None
        self._base: list[Frame] | None = None

    @property
    def num_steps(self) -> int:
        """Steps per env and run."""
        if self._num_steps is None:
            affordable = _RUN_TAKES / (self._seconds_per_step() * self.num_envs)
            self._num_steps = int(np.clip(affordable, _FEWEST_STEPS, _STEPS))
        return self._num_steps

    def _seconds_per_step(self) -> float:
        """About what a step of one env costs, with what surrounds it in Python."""
        if self._step_takes is None:
            with self.make(1) as envs:
                envs.reset(seed=0)
                start = time.perf_counter()
                for t in range(3):
                    envs.step(self.bank.batch(t, np.arange(1)))
                self._step_takes = (time.perf_counter() - start) / 3
        return self._step_takes

    @property
    def is_native(self) -> bool:
        return self.source.backend == "native"

    def make(self, num_envs: int, **arguments: Any) -> Any:
        """A vector of this env, to be used in a ``with``."""
        self._place.note(f"making a vector of {num_envs}")
        if self.is_native:
            arguments = {"num_threads": 1, **arguments}
        else:
            arguments = {"num_workers": min(2, num_envs), **arguments}
        kwargs = {"backend": self.source.backend, **arguments, **self.env_kwargs}
        return Watched(make_vec(self.source.env_id, num_envs, **kwargs), self._place)

    def run_one(self, name: str) -> list[Finding]:
        """What one check finds."""
        try:
            method = getattr(self, "_" + name.replace(" ", "_"))
            return [Finding(name, message, hint, is_failure) for is_failure, message, hint in method()]
        except EnvError as error:
            message = f"the env raised an error with actions from its space: {error}"
            return [Finding(name, message, "step and reset have to cope with every action that the space allows")]
        except Exception as error:
            if self.is_native:
                raise
            message = f"the env raised {type(error).__name__}: {error}"
            return [Finding(name, message, "look where it comes from: --in-process shows it in a debugger")]

    def probe(self, num_envs: int) -> Any:
        """The C table, called directly; to be used in a ``with``."""
        return _Probing(self.make(num_envs), self.bank, self.seed, self._place)

    # Each check yields (is it a failure?, message, hint).

    def _memory(self) -> Yielded:
        with self.probe(self.num_envs) as probe:
            yield from probes.memory(probe, self.num_envs)

    def frames(self) -> list[Frame]:
        """A plain run with NextStep autoreset, played once."""
        if self._base is None:
            with self.make(self.num_envs) as envs:
                self._base = play(envs, self.bank, self.num_steps, seed=self.seed)
        return self._base

    def _steps(self) -> Yielded:
        self.frames()
        yield from ()

    def _observations(self) -> Yielded:
        yield from self._outside(self.frames())
        if self.is_native:
            with self.probe(2) as probe:
                yield from probes.unwritten(probe)

    def _outside(self, frames: list[Frame], where: str = "") -> Yielded:
        bounds = dict(leaves(_leaf_spaces(self.observation_space), "observation"))
        for name, space in bounds.items():
            for step, content in enumerate(frames):
                fault = _space_fault(space, content[name])
                if fault is not None:
                    env, message, hint = fault
                    when = "after reset" if step == 0 else f"at step {step}"
                    yield True, f"{name} of env {env} {when}{where} {message}", hint
                    break

    def _rewards(self) -> Yielded:
        for step, content in enumerate(self.frames()[1:], start=1):
            bad = np.flatnonzero(~np.isfinite(content["reward"]))
            if bad.size:
                value = content["reward"][bad[0]]
                yield (
                    True,
                    f"the reward of env {bad[0]} at step {step} is {value}",
                    "return a finite reward from step()",
                )
                return

    def _actions(self) -> Yielded:
        with self.make(2) as envs:
            for name, action in _corners(envs.single_action_space):
                batch = _repeat(action, 2)
                frames = []
                try:
                    observations, infos = envs.reset(seed=self.seed)
                    frames.append(frame(observations, infos))
                    for _ in range(30):
                        observations, rewards, terminated, truncated, infos = envs.step(batch)
                        frames.append(frame(observations, infos, rewards, terminated, truncated))
                except EnvError as error:
                    hint = "every action of the space is legal: make the space narrower, or the step more tolerant"
                    yield True, f"with the {name} of the action space, the env raised: {error}", hint
                    continue
                yield from self._outside(frames, f" with the {name} of the action space")
                if not all(np.isfinite(content["reward"]).all() for content in frames[1:]):
                    yield True, f"with the {name} of the action space, a reward is not finite", "clip the action"

    def _masks(self) -> Yielded:
        yield from mask_faults(self.frames(), self.bank.space)

    def _determinism(self) -> Yielded:
        with self.make(self.num_envs) as envs:
            again = play(envs, self.bank, self.num_steps, seed=self.seed)
        difference = first_difference(self.frames(), again)
        if difference is not None:
            yield True, f"the same seed and actions gave different results: {difference}", _HIDDEN_STATE

    def _another_day(self) -> Yielded:
        question = Question("digests", self.source, {**self._settings, "num_steps": self.num_steps})
        self._place.note("the same run in another process")
        try:
            difference, how = another_day(question, self.frames(), self._time_limit)
        except ChildProcessError as error:
            yield True, str(error), _HIDDEN_STATE
            return
        if difference is not None:
            yield True, f"the same seed and actions gave different results {how}: {difference}", _HIDDEN_STATE

    def _reset(self) -> Yielded:
        with self.make(self.num_envs) as envs:
            play(envs, self.bank, 17, seed=self.seed + 1000, first_step=5)
            again = play(envs, self.bank, self.num_steps, seed=self.seed)
        difference = first_difference(self.frames(), again)
        if difference is not None:
            message = f"a vector that was used before differs from a new one after reset(seed): {difference}"
            yield True, message, "reset() has to set every member that a later call reads"

    def _seeding(self) -> Yielded:
        same_actions = np.zeros(16, dtype=np.int64)
        with self.make(16) as envs:
            envs.reset(seed=self.seed)
            before = [generator.bit_generator.state for generator in envs.np_random]
            frames = play(envs, self.bank, self.num_steps, seed=self.seed, env_ids=same_actions)
            after = [generator.bit_generator.state for generator in envs.np_random]
        alike = all((array == array[:1]).all() for content in frames for array in content.values())
        if alike and before == after:
            message = "16 seeds gave the same episodes, and no random number was drawn after the first reset"
            yield False, message, "nothing, if the env is meant to be deterministic; else draw from `rng`"
        elif alike:
            message = "16 seeds gave the same episodes, although random numbers were drawn"
            yield False, message, "let what is drawn from `rng` show in the observations or rewards"

    def _independence(self) -> Yielded:
        hint = (
            "an env may use its own members and the `rng` that is handed in, and nothing that another env can change "
            "(a `mutable` or pointer in Shared, a static); a step_range has to work for any number of envs"
        )
        frames = self.frames()
        others = np.arange(self.num_envs)
        others[1:] += 500
        with self.make(self.num_envs) as envs:
            changed = play(envs, self.bank, self.num_steps, seed=self.seed, env_ids=others)
        difference = first_difference(frames, changed, [0], [0])
        if difference is not None:
            yield True, f"other actions of the other envs changed {difference}", hint
            return
        for env in range(self.num_envs):
            with self.make(1) as envs:
                alone = play(envs, self.bank, self.num_steps, seed=self.seed + env, env_ids=np.array([env]))
            difference = first_difference(frames, alone, [env], [0])
            if difference is not None:
                yield True, f"in a vector of {self.num_envs} and alone, an env gave {difference}", hint
                return

    def _threads(self) -> Yielded:
        hint = "what envs share must not change while they run: " + _HIDDEN_STATE
        with self.probe(32) as probe:
            for is_failure, message, _ in probes.interference(probe):
                yield is_failure, message, hint
                return

    def _engine(self) -> Yielded:
        hint = "what envs share must not change while they run: " + _HIDDEN_STATE
        num_envs = self._many(256, 1 << 16)
        with self.make(256, copy=False) as envs:  # how many envs keep several threads busy?
            play(envs, self.bank, 5, seed=self.seed)
            start = time.perf_counter()
            play(envs, self.bank, 5)
            per_env = (time.perf_counter() - start) / (5 * 256)
        num_envs = int(np.clip(_WORTH_SHARING / per_env, 256, num_envs))
        with self.make(num_envs, copy=False) as one, self.make(num_envs, copy=False, num_threads=4) as four:
            ids = np.arange(num_envs)
            for t in range(1 + min(self.num_steps, 40)):
                frames = []
                for envs in (one, four):
                    if t == 0:
                        frames.append(frame(*envs.reset(seed=self.seed)))
                    else:
                        observations, rewards, terminated, truncated, infos = envs.step(self.bank.batch(t, ids))
                        frames.append(frame(observations, infos, rewards, terminated, truncated))
                difference = first_difference(frames[:1], frames[1:], at=t)
                if difference is not None:
                    yield True, f"one thread and four gave different results: {difference}", hint
                    return

    def _observe(self) -> Yielded:
        hint = "observe() is const and a function of the state alone: no counters, no `mutable`, no random numbers"
        with self.make(self.num_envs) as envs:
            frames = play(envs, self.bank, self.num_steps // 2, seed=self.seed)
            mask = np.zeros(self.num_envs, dtype=bool)
            mask[0] = True
            others = np.arange(1, self.num_envs)
            before = _state(envs, others)
            for _ in range(2):
                observations, infos = envs.reset(options={"reset_mask": mask})
                shown = frame(observations, infos)
                last = {name: array for name, array in frames[-1].items() if name in shown and "observation" in name}
                difference = first_difference([last], [{name: shown[name] for name in last}], others, others)
                if difference is not None:
                    yield True, f"observing again gave another result than the last step: {difference}", hint
                    return
            if _state(envs, others) != before:
                yield True, "resetting env 0 changed the state of other envs", hint

    def _state(self) -> Yielded:
        hint = (
            "the whole state is in the env's members, without pointers; where it has save() and load(), both treat "
            "every member, in the same order"
        )
        half = self.num_steps // 2
        ids = np.arange(self.num_envs)
        with self.make(self.num_envs) as envs:
            play(envs, self.bank, half, seed=self.seed)
            try:
                state = envs.get_state()
            except NotImplementedError:
                yield False, "this backend offers no get_state", "nothing"
                return
            if envs.get_state() != state:
                yield True, "get_state() twice gave two results", "save() is const: it changes nothing"
                return
            single = [envs.get_state([env]) for env in range(self.num_envs)]
            expected = play(envs, self.bank, half, first_step=half)
            try:
                envs.set_state(state)
            except ValueError as error:
                yield True, f"set_state() refused what get_state() had given: {error}", hint
                return
            again = play(envs, self.bank, half, first_step=half)
        difference = first_difference(expected, again, at=half + 1)
        if difference is not None:
            yield True, f"after set_state() of its own state, a vector went on differently: {difference}", hint
            return
        with self.make(self.num_envs) as envs:
            envs.set_state(state)
            again = play(envs, self.bank, half, first_step=half)
        difference = first_difference(expected, again, at=half + 1)
        if difference is not None:
            yield True, f"a new vector with the saved state went on differently: {difference}", hint
            return
        with self.make(self.num_envs) as envs:
            for env in range(self.num_envs):
                envs.set_state(single[env], [self.num_envs - 1 - env])
            again = play(envs, self.bank, half, first_step=half, env_ids=ids[::-1])
        difference = first_difference(expected, again, ids, ids[::-1], at=half + 1)
        if difference is not None:
            message = f"saved one by one and loaded into other places, an env went on differently: {difference}"
            yield True, message, hint + "; no member depends on where the env lies"

    def _autoreset(self) -> Yielded:
        told = {mode: self._episodes(mode) for mode in AutoresetMode}
        reference = told[AutoresetMode.NEXT_STEP]
        for mode in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED):
            for env in range(self.num_envs):
                size = min(len(reference[env]), len(told[mode][env]))
                difference = first_difference(reference[env][:size], told[mode][env][:size])
                if difference is not None:
                    where = f"event {difference.step} of env {env}, {difference.name}"
                    message = f"NextStep and {mode.value} autoreset tell different episodes: {where}: "
                    message += f"{difference.one} and {difference.other}"
                    yield True, message, "reset() must not depend on when it is called, nor observe() on how often"
                    return
        if not any(content["terminated"].any() for content in self.frames()[1:]):
            message = f"no episode terminated in {self.num_steps} random steps"
            yield False, message, "nothing, if the env never ends by itself; else give more num_steps"

    def _episodes(self, mode: AutoresetMode) -> list[list[Frame]]:
        """What happened to each env, one frame per reset or step, whatever the mode's way of telling it."""
        events: list[list[Frame]] = [[] for _ in range(self.num_envs)]
        taken = np.zeros(self.num_envs, dtype=np.int64)  # steps of each env, without resets
        ids = np.arange(self.num_envs)
        autoreset = Autoreset(mode)
        with self.make(self.num_envs, autoreset_mode=mode, max_episode_steps=23) as envs:
            observations, infos = envs.reset(seed=self.seed)
            _append(events, frame(observations, {}), ids)
            rows = EpisodeRows(autoreset, self.num_envs)
            for _ in range(self.num_steps):
                observations, rewards, terminated, truncated, infos = envs.step(self.bank.batch(taken, ids))
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

    def _infos(self) -> Yielded:
        for step, content in enumerate(self.frames()):
            for name, array in content.items():
                if not name.startswith("info "):
                    continue
                mask = content[name.replace("info ", "mask ", 1)]
                if mask.dtype != np.bool_ or len(array) != self.num_envs:
                    message = f"{name} at step {step} is no array of {self.num_envs} rows with a bool mask"
                    yield True, message, "declare the field in Spec::info"
                    return
                if array.dtype.kind == "f" and not np.isfinite(array[mask]).all():
                    env = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1) & mask)[0]
                    message = f"{name} of env {env} at step {step} is not finite"
                    yield False, message, "leave the field out where it has no value: its mask is False then"
                    return

    def _render(self) -> Yielded:
        if "rgb_array" not in self.render_modes:
            return
        hint = "render() writes every pixel as RGB, and is const: a picture of the state, not a part of it"
        is_authors = self.is_native and registry.get(self.source.env_id).counterpart is None  # not Gymnasium's renderer
        with self.make(2, render_mode="rgb_array") as envs:
            play(envs, self.bank, 5, seed=self.seed)
            before = _state(envs, np.arange(2))
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
            if _state(envs, np.arange(2)) != before:
                yield is_authors, "rendering changed the state", hint
            elif all(picture.min() == picture.max() for picture in first):
                yield False, "the pictures are of one colour", hint

    def _endurance(self) -> Yielded:
        if self.is_native:
            with self.probe(4) as probe:
                yield from probes.endurance(probe, 50_000, 2.0)
        else:
            with self.make(2, max_episode_steps=-1) as envs:
                yield from python_env.endurance(envs, self.bank, self.seed, 20_000, 3.0)

    def _resuming(self) -> Yielded:
        yield from resuming(self, 20_000, 2.5)

    def _types(self) -> Yielded:
        self._place.note("step {step} of one env")
        yield from python_env.types(self.source, self.env_kwargs, self.bank, self.seed, self._place)

    def _waiting(self) -> Yielded:
        if self.is_native:
            with self.probe(2) as probe:
                steps, switches, seconds = waits_of(
                    lambda: probe.guarded(2000, envs_per_call=1, seconds=1.0, what="step {step}")[0] * 2
                )
        else:
            self._place.note("steps of one env")
            steps, switches, seconds = waits_of(
                lambda: python_env.steps(self.source, self.env_kwargs, self.bank, self.seed, 500, 1.0)
            )
        if switches > max(10, 0.005 * steps):
            message = f"a step sleeps or waits: {switches} times in {steps} env steps, for {seconds:.2g} seconds in all"
            yield False, message, "leave pauses and waiting to whoever looks on: training wants all steps at once"

    def _throughput(self) -> Yielded:
        num_envs = min(self._many(16, 4096), max(16, int(_CALL_TAKES / self._seconds_per_step())))
        ids = np.arange(num_envs)
        with self.make(num_envs, copy=False) as envs:
            envs.reset(seed=self.seed)
            batches = [self.bank.batch(t, ids) for t in range(16)]
            calls, start = 0, time.perf_counter()
            while time.perf_counter() - start < 0.3:
                for actions in batches:
                    envs.step(actions)
                calls += len(batches)
            self.steps_per_second = calls * num_envs / (time.perf_counter() - start)
        counted = count_allocations(self.source.env_id, self.env_kwargs, self.seed)
        if counted is None:
            return
        self.allocations_per_step = counted.per_step
        hint = "keep buffers as members or on the stack, and what all envs share in Shared: "
        hint += "the heap costs more than a small env's step, and threads wait for each other there"
        if counted.per_step >= 0.01:
            yield False, f"a step allocates: {counted.per_step:.2g} times per env step on average", hint
        elif counted.per_reset >= 0.5:
            yield False, f"a reset allocates: {counted.per_reset:.2g} times on average", hint

    def _many(self, least: int, most: int) -> int:
        """As many envs as fit in a reasonable piece of memory, within these limits."""
        row = sum(np.dtype(space.dtype).itemsize * int(np.prod(space.shape)) for space in _flat(self.observation_space))
        return int(np.clip(8 * _MEGABYTE // max(row, 1), least, most))


def run_each(
    checker: Checker, needs: Mapping[str, Sequence[str]], broken: set[str], known: set[str], say: Callable[..., None]
) -> None:
    """Run checks in order.

    Args:
        needs: the checks, and what each of them needs.
        broken: those that have failed before; grows.
        known: messages that have been told; grows, since one fault is told once.
        say: called with ``"begins", name``, then ``"found", name, findings`` or else ``"skipped", name``, and at the
            end ``"measured", steps per second, allocations per step``.
    """
    for name, needed in needs.items():
        if broken.intersection(needed):
            broken.add(name)
            say("skipped", name)
            continue
        say("begins", name)
        found = checker.run_one(name)
        if any(finding.is_failure for finding in found):
            broken.add(name)
        found = [finding for finding in found if finding.message not in known]
        known |= {finding.message for finding in found}
        say("found", name, found)
    say("measured", checker.steps_per_second, checker.allocations_per_step)


class Watched:
    """A vector env that tells where it is, and closes itself at the end of a ``with``."""

    def __init__(self, envs: Any, place: Place) -> None:
        self._envs = envs
        self._place = place
        self._steps = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._envs, name)

    def reset(self, **arguments: Any) -> Any:
        self._place.note("a reset" if self._steps == 0 else f"a reset after {self._steps} steps", self._steps)
        return self._envs.reset(**arguments)

    def step(self, actions: Any) -> Any:
        self._steps += 1
        if self._steps % 64 == 1:
            self._place.note(f"step {{step}} of {self._envs.num_envs} envs", self._steps)
        else:
            self._place.step(self._steps)
        return self._envs.step(actions)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._envs.close()


class _Probing:
    """A probe and the vector that it borrows from."""

    def __init__(self, envs: Watched, bank: ActionBank, seed: int, place: Place) -> None:
        self._envs = envs
        self._probe = probes.Probe(envs, bank, seed, place)

    def __enter__(self) -> probes.Probe:
        return self._probe

    def __exit__(self, *_: object) -> None:
        self._envs.close()


def _state(envs: Any, env_ids: np.ndarray) -> bytes:
    """The state of some envs, or nothing where the backend has none."""
    try:
        return envs.get_state(env_ids)
    except NotImplementedError:
        return b""


def _append(events: list[list[Frame]], content: Frame, env_ids: np.ndarray) -> None:
    for env in env_ids:
        events[env].append({name: array[env : env + 1] for name, array in content.items()})


def _flat(space: spaces.Space) -> list[Any]:
    return [leaf for _, leaf in leaves(_leaf_spaces(space), "")]


def _leaf_spaces(space: spaces.Space) -> Any:
    """The leaves of a space in dicts and tuples, as its observations come."""
    if isinstance(space, spaces.Dict):
        return {key: _leaf_spaces(child) for key, child in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_leaf_spaces(child) for child in space.spaces)
    return space


def _space_fault(space: spaces.Space, rows: np.ndarray) -> tuple[int, str, str] | None:
    """``(env, what is wrong, how to fix it)`` for the first row that is not in the space."""
    if rows.dtype.kind == "f" and not np.isfinite(rows).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(rows))[0])
        hint = "observe() has to write every element, and step() must not divide by zero or overflow"
        return at[0], f"has {rows[at]} at {_place(at[1:])}", hint
    low, high = _bounds(space)
    outside = np.argwhere((rows < low) | (rows > high))
    if not outside.size:
        return None
    at = tuple(int(i) for i in outside[0])
    shape = rows.shape[1:]
    bounds = f"{np.broadcast_to(low, shape)[at[1:]]} to {np.broadcast_to(high, shape)[at[1:]]}"
    hint = "give the space wider bounds, or clip in observe()"
    return at[0], f"has {rows[at]} at {_place(at[1:])}, outside the space: expected {bounds}", hint


def _place(index: tuple[int, ...]) -> str:
    return f"index {index[0] if len(index) == 1 else index}" if index else "its one element"


def _bounds(space: Any) -> tuple[Any, Any]:
    if isinstance(space, spaces.Discrete):
        return space.start, space.start + space.n - 1
    if isinstance(space, spaces.MultiDiscrete):
        return space.start, space.start + space.nvec - 1
    if isinstance(space, spaces.MultiBinary):
        return 0, 1
    return space.low, space.high


def _corners(space: spaces.Space) -> list[tuple[str, Any]]:
    """The lowest and the highest action, as single actions."""
    return [("lowest corner", _corner(space, 0)), ("highest corner", _corner(space, 1))]


def _corner(space: Any, which: int) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _corner(child, which) for key, child in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_corner(child, which) for child in space.spaces)
    bound = np.asarray(_bounds(space)[which])
    if bound.dtype.kind == "f":
        bound = np.clip(bound, -1e6, 1e6)
    return np.broadcast_to(bound, space.shape).astype(space.dtype)


def _repeat(action: Any, times: int) -> Any:
    if isinstance(action, dict):
        return {key: _repeat(part, times) for key, part in action.items()}
    if isinstance(action, tuple):
        return tuple(_repeat(part, times) for part in action)
    return np.stack([action] * times)
