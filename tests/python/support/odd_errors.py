"""Exceptions with constructors and attributes that are easily lost, and an env that raises one on demand."""

from __future__ import annotations

import builtins
import dataclasses
import threading

import gymnasium
import numpy as np


class TwoArguments(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code


class OwnNew(ValueError):
    def __new__(cls, value, *, scale):
        self = super().__new__(cls, value * scale)
        self.scaled = value * scale
        return self

    def __init__(self, value, *, scale):
        super().__init__("scaled")


class Slotted(KeyError):
    __slots__ = ("place",)

    def __init__(self, place):
        super().__init__("missing")
        self.place = place


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    level: int
    failures: str = "the env's own"


class Unpicklable(LookupError):
    def __init__(self):
        super().__init__("has a lock")
        self.lock = threading.Lock()
        self.number = 5


class NotDerivable(Exception):
    """Cannot be the base of another class."""

    def __init_subclass__(cls, **kwargs):
        raise TypeError("no subclasses, please")


class Meta(type):
    pass


class WithMeta(ArithmeticError, metaclass=Meta):
    pass


class Reprs(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class OverEnvError(Exception):
    @property
    def batch(self):
        return "read-only"

    @property
    def env_index(self):
        return "read-only"


def make_unicode_error():
    try:
        b"\xff".decode("utf-8")
    except UnicodeDecodeError as error:
        return error
    raise AssertionError


ERRORS = {
    "value": lambda: ValueError("boom"),
    "key": lambda: KeyError("x"),
    "os": lambda: FileNotFoundError(2, "No such file", "map.txt"),
    "unicode": make_unicode_error,
    "syntax": lambda: SyntaxError("bad", ("file", 1, 2, "text")),
    "stop": lambda: StopIteration(7),
    "timeout": lambda: TimeoutError("slow"),
    "assertion": lambda: AssertionError("outside"),
    "runtime": lambda: RuntimeError("plain"),
    "gymnasium": lambda: gymnasium.error.ResetNeeded("first"),
    "group": lambda: getattr(builtins, "ExceptionGroup", NotDerivable)("many", [ValueError("one")]),
    "two arguments": lambda: TwoArguments(3, "x"),
    "own new": lambda: OwnNew(2, scale=3),
    "slotted": lambda: Slotted("here"),
    "frozen": lambda: Frozen(4),
    "unpicklable": lambda: Unpicklable(),
    "not derivable": lambda: NotDerivable("alone"),
    "with meta": lambda: WithMeta("meta"),
    "over": lambda: OverEnvError("over"),
    "reprs": lambda: Reprs("x"),
    "exit": lambda: SystemExit(3),
    "keyboard": lambda: KeyboardInterrupt("the env's own"),
}
NAMES = list(ERRORS)


class Raising(gymnasium.Env):
    """Action k > 0 raises the error of ``NAMES[k - 1]``."""

    observation_space = gymnasium.spaces.Box(0, 1000, (1,))
    action_space = gymnasium.spaces.Discrete(len(NAMES) + 1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        if action > 0:
            raise ERRORS[NAMES[action - 1]]()
        return np.ones(1, np.float32), 1.0, False, False, {}
