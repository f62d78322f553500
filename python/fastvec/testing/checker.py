"""What the checks work with: one env, and vectors of it whose calls can be watched from outside."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastvec.make import make_vec
from fastvec.testing import probe as probes
from fastvec.testing.allocations import Counting
from fastvec.testing.place import Place
from fastvec.testing.question import Source
from fastvec.testing.rollout import ActionBank, Frame, play
from fastvec.testing.space_values import flat_spaces

__all__ = ["Checker", "Watched", "state_of"]

_MEGABYTE = 1 << 20
_STEPS, _FEWEST_STEPS = 200, 30
_RUN_TAKES = 2.0  # seconds, at the most where there is a choice


class Checker:
    """One env, as the checks play it; see :func:`fastvec.testing.check_env` for the arguments.

    Attributes:
        source, num_envs, seed, env_kwargs, time_limit, place: as they were passed.
        settings: those that another process needs to make an equal checker.
        observation_space: of one env.
        bank: the actions that are played.
        render_modes: what the env's metadata says of them.
        steps_per_second, allocations_per_step: what a check measured; None before.
    """

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
        self.settings = {"num_envs": num_envs, "seed": seed, "env_kwargs": env_kwargs, "time_limit": time_limit}
        self.place = place
        self.time_limit = time_limit
        with self.make(1) as envs:
            self.observation_space = envs.single_observation_space
            self.bank = ActionBank(envs.single_action_space, seed)
            self.render_modes = envs.metadata.get("render_modes", [])
        self._num_steps = num_steps
        self._step_takes: float | None = None
        self._base: list[Frame] | None = None
        self._counting: Counting | None = None

    @property
    def num_steps(self) -> int:
        """Steps per env and run."""
        if self._num_steps is None:
            affordable = _RUN_TAKES / (self.seconds_per_step() * self.num_envs)
            self._num_steps = int(np.clip(affordable, _FEWEST_STEPS, _STEPS))
        return self._num_steps

    def seconds_per_step(self) -> float:
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
        """Whether the env is played by the native backend."""
        return self.source.backend == "native"

    def make(self, num_envs: int, **arguments: Any) -> Any:
        """A vector of this env, to be used in a ``with``."""
        self.place.note(f"making a vector of {num_envs}")
        if self.is_native:
            arguments = {"num_threads": 1, **arguments}
        else:
            arguments = {"num_workers": min(2, num_envs), **arguments}
        kwargs = {"backend": self.source.backend, **arguments, **self.env_kwargs}
        return Watched(make_vec(self.source.env_id, num_envs, **kwargs), self.place)

    def probe(self, num_envs: int) -> Any:
        """The C table, called directly; to be used in a ``with``."""
        return _Probing(self.make(num_envs), self.bank, self.seed, self.place)

    def frames(self) -> list[Frame]:
        """A plain run with NextStep autoreset, played once."""
        if self._base is None:
            with self.make(self.num_envs) as envs:
                self._base = play(envs, self.bank, self.num_steps, seed=self.seed)
        return self._base

    def count_allocations(self) -> Counting:
        """Begin to count what the heap is asked for, in another process, or go on with that."""
        if self._counting is None:
            self._counting = Counting(self.source.env_id, self.env_kwargs, self.seed)
        return self._counting

    def close(self) -> None:
        """End what was begun and is wanted by nobody."""
        if self._counting is not None:
            self._counting.end()

    def many(self, least: int, most: int) -> int:
        """As many envs as fit in a reasonable piece of memory, within these limits."""
        row = sum(
            np.dtype(space.dtype).itemsize * int(np.prod(space.shape)) for space in flat_spaces(self.observation_space)
        )
        return int(np.clip(8 * _MEGABYTE // max(row, 1), least, most))


class Watched:
    """A vector env that tells where it is, and closes itself at the end of a ``with``."""

    def __init__(self, envs: Any, place: Place) -> None:
        self._envs = envs
        self._place = place
        self._steps = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._envs, name)

    def reset(self, **arguments: Any) -> Any:
        """As the vector does, noted before."""
        self._place.note("a reset" if self._steps == 0 else f"a reset after {self._steps} steps", self._steps)
        return self._envs.reset(**arguments)

    def step(self, actions: Any) -> Any:
        """Likewise."""
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


def state_of(envs: Any, env_ids: np.ndarray) -> bytes:
    """The state of some envs, or nothing where the backend has none."""
    try:
        return envs.get_state(env_ids)
    except NotImplementedError:
        return b""
