"""What a vector is made with, beside its envs: each option's name, default, check and backends, in this one place."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode

__all__ = ["DEFAULTS", "MAX_THREADS", "OptionNotTakenError", "VectorOptions", "asks_for_own_spaces", "only_given"]

MAX_ENVS = (1 << 31) - 1
MAX_THREADS = 1024

EnvWrapper = Callable[[gymnasium.Env], gymnasium.Env]
Check = Callable[[str, Any], Any]  # (name, value as it was given) -> the value to use; TypeError, ValueError


def _whole(low: int, high: int, *also: int | None) -> Check:
    """An integer from ``low`` to ``high``, or one of ``also``."""

    def check(name: str, value: Any) -> Any:
        if value is None and None in also:
            return None
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise TypeError(f"expected {name} to be an integer, got {value!r} ({type(value).__name__})")
        if not low <= int(value) <= high and value not in also:
            raise ValueError(f"expected {name} from {low} to {high}, got {value}")
        return int(value)

    return check


def _one_of(*allowed: str | None) -> Check:
    def check(name: str, value: Any) -> Any:
        if value not in allowed:
            *first, last = [str(value) if value is None else repr(value) for value in allowed]
            raise ValueError(f"expected {name} to be {', '.join(first)} or {last}, got {value!r}")
        return value

    return check


def _flag(name: str, value: Any) -> bool:
    return bool(value)


def _anything(name: str, value: Any) -> Any:
    return value  # checked by who uses it


def _autoreset_mode(name: str, value: Any) -> AutoresetMode:
    try:
        return value if isinstance(value, AutoresetMode) else AutoresetMode(value)
    except ValueError:
        names = ", ".join(repr(known.value) for known in AutoresetMode)
        raise ValueError(f"expected {name} to be an AutoresetMode or one of {names}, got {value!r}") from None


def _start_method(name: str, value: Any) -> str | None:
    return _one_of(None, *multiprocessing.get_all_start_methods())(name, value)


def _wrappers(name: str, value: Any) -> tuple[EnvWrapper, ...]:
    if callable(value) or not isinstance(value, Sequence | None):
        raise TypeError(f"expected {name} to be a sequence of callables, got {value!r} ({type(value).__name__})")
    for i, wrapper in enumerate(value or ()):
        if not callable(wrapper):
            raise TypeError(f"expected {name} to be callables, got {wrapper!r} at index {i}")
    return tuple(value or ())


def _by(check: Check, *, backends: Sequence[str] = ("native", "process", "ale")) -> dict[str, Any]:
    """What an option's field says beside its default: its check, and the backends that have it."""
    return {"check": check, "backends": tuple(backends)}


_THREADS = ("native", "ale")
_WORKERS = ("process",)


class OptionNotTakenError(TypeError):
    """An option is given that the backend does not have."""


@dataclass(frozen=True, kw_only=True)
class VectorOptions:
    """The options of :func:`fastvec.make_vec`, checked; their meaning is explained there.

    Raises:
        TypeError, ValueError: an option of the wrong type or out of its range.
    """

    num_envs: int = field(default=1, metadata=_by(_whole(1, MAX_ENVS)))
    backend: str | None = field(default=None, metadata=_by(_one_of(None, "native", "process", "ale")))
    num_threads: int | None = field(default=None, metadata=_by(_whole(1, MAX_THREADS, None), backends=_THREADS))
    autoreset_mode: AutoresetMode = field(default=AutoresetMode.NEXT_STEP, metadata=_by(_autoreset_mode))
    copy: bool = field(default=True, metadata=_by(_flag))
    batch_size: int | None = field(default=None, metadata=_by(_anything))  # up to num_envs
    pin_threads: bool = field(default=False, metadata=_by(_flag, backends=_THREADS))
    max_episode_steps: int | None = field(default=None, metadata=_by(_whole(1, MAX_ENVS, None, -1)))
    render_mode: str | None = field(default=None, metadata=_by(_anything))
    num_workers: int | None = field(default=None, metadata=_by(_whole(0, MAX_THREADS, None), backends=_WORKERS))
    context: str | None = field(default=None, metadata=_by(_start_method, backends=_WORKERS))
    observation_mode: Any = field(default="same", metadata=_by(_anything, backends=_WORKERS))
    restart_workers: bool = field(default=False, metadata=_by(_flag, backends=_WORKERS))
    threads_per_worker: int | None = field(default=1, metadata=_by(_whole(1, MAX_THREADS, None), backends=_WORKERS))
    wrappers: tuple[EnvWrapper, ...] = field(default=(), metadata=_by(_wrappers, backends=_WORKERS))

    def __post_init__(self) -> None:
        checks = {option.name: option.metadata["check"] for option in fields(self)}
        for name, check in checks.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))  # frozen for everybody else
        object.__setattr__(self, "batch_size", _whole(1, self.num_envs, None)("batch_size", self.batch_size))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The options' names."""
        return tuple(option.name for option in fields(cls))

    def changed(self) -> dict[str, Any]:
        """The options that are not as by default. ``VectorOptions(**changed)`` is equal to these."""
        values = {option.name: (getattr(self, option.name), option.default) for option in fields(self)}
        return {name: value for name, (value, unchanged) in values.items() if _differs(value, unchanged)}

    def require_taken_by(self, backend: str) -> None:
        """Raise OptionNotTakenError if an option that ``backend`` does not have is not as by default."""
        changed = self.changed()
        for option in fields(self):
            takers = option.metadata["backends"]
            if option.name in changed and backend not in takers:
                raise OptionNotTakenError(
                    f"expected no {option.name} for the {backend} backend, got {changed[option.name]!r}; "
                    f"it is for backend={takers[0]!r}"
                )

    @classmethod
    def for_backend(cls, backend: str, asked: Mapping[str, Any], given: Mapping[str, Any]) -> VectorOptions:
        """The options for a backend.

        Args:
            backend: its name.
            asked: options that a spec or ``vector_kwargs`` names. Those that only say how fast another backend steps
                are left out.
            given: options that the caller names; they win.

        Raises:
            TypeError: an option that the backend does not have, or one of the wrong type. ValueError: out of its range.
        """
        taken = {option.name for option in fields(cls) if backend in option.metadata["backends"]}
        taken |= {"wrappers"} if asked.get("wrappers") else set()  # these change what is computed
        taken |= {"observation_mode"} if asks_for_own_spaces(asked) else set()
        options = cls(**{**{name: value for name, value in asked.items() if name in taken}, **given})
        options.require_taken_by(backend)
        return options


def asks_for_own_spaces(options: Mapping[str, Any]) -> bool:
    """Whether ``observation_mode`` asks for another space than that of an env, as envs in Python alone can have it."""
    # "same" and "different" are one, where all envs have the same spaces.
    return options.get("observation_mode") not in (None, "same", "different")


def _differs(value: Any, unchanged: Any) -> bool:
    return type(value) is not type(unchanged) or value != unchanged


class _Default:
    """Stands in a signature for an option's default and is shown as it, yet is no value that anybody passes."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __repr__(self) -> str:
        return repr(self._value)


class _Defaults:
    """Has each option's default as an attribute, so that :func:`only_given` can tell what was given."""

    def __getattr__(self, name: str) -> Any:
        return _Default(VectorOptions.__dataclass_fields__[name].default)


DEFAULTS = _Defaults()


def only_given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The options among ``arguments`` that the caller passed, also where they are equal to the default."""
    names = VectorOptions.names()
    return {name: arguments[name] for name in names if not isinstance(arguments[name], _Default)}
