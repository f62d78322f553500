"""The error of envs, which is also what the env itself raised."""

from __future__ import annotations

import contextlib
import functools
import pickle
import types
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["EnvError", "env_error", "fields_of", "pack", "unpack"]

Failures = Sequence[tuple[int, str]]


class EnvError(RuntimeError):
    """One or more envs raised an error in their own code. All others completed the batch.

    The failed envs' rows are zeros with ``truncated`` set, and they are reset at their next turn, so the
    vector can go on.

    Where a Python env raised it, this is an instance of that exception's class as well, so that ``except ValueError``
    catches a ValueError of an env; it has that exception's attributes, too, and the exception itself in
    ``__cause__``. (Of several envs': if all are of the first one's class. Exceptions that are no ``Exception``, such as
    SystemExit, are in ``__cause__`` alone.)

    Attributes:
        env_index: the first failed env.
        failures: ``(env_index, message)`` of every failed env, in order.
        batch: what the call would have returned (None for ``render``).
    """

    # Before attributes of these names that an env's exception class may have.
    failures: list[tuple[int, str]] = []  # noqa: RUF012
    env_index: int = -1
    batch: Any = None

    def __init__(self, failures: Failures, batch: Any = None) -> None:
        listed = list(failures)
        first, message = listed[0]
        more = f" (and {len(listed) - 1} more)" if len(listed) > 1 else ""
        super().__init__(f"env {first}: {message}{more}")
        self.failures, self.env_index, self.batch = listed, first, batch

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # the env's class may refuse changes, of its traceback even

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # KeyError would show the repr, OSError its fields

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __reduce__(self) -> Any:
        return _unpacked_env_error, (self.failures, self.batch, pack(self.__cause__))


def env_error(
    failures: Failures,
    batch: Any = None,
    error: BaseException | None = None,
    kinds: Sequence[type[BaseException] | None] | None = None,
) -> EnvError:
    """The EnvError for these failures, with its cause.

    Args:
        failures: ``(env index, message)`` of each.
        batch: what the call would have returned.
        error: the first one's own exception.
        kinds: the class of each one's exception, where it is known; None: that of ``error``.
    """
    if kinds is None:
        kinds = [None if error is None else type(error)]
    kind: Any = kinds[0]
    if kind is not None and not all(other is not None and issubclass(other, kind) for other in kinds):
        kind = None
    made = None
    if kind is not None:
        # Whatever such a class does when it is derived from or made: an error has to come out of this.
        with contextlib.suppress(Exception):
            made = _combined(kind)(failures, batch)
            for name, value in fields_of(error).items() if error is not None else ():
                if name not in ("failures", "env_index", "batch"):
                    with contextlib.suppress(Exception):
                        setattr(made, name, value)
    if made is None:
        made = EnvError(failures, batch)
    made.__cause__ = error
    return made


@functools.lru_cache(maxsize=256)
def _combined(kind: Any) -> type[EnvError]:
    """EnvError and this class in one; EnvError itself for what is in it already, or must not be caught by chance."""
    if not issubclass(kind, Exception) or issubclass(EnvError, kind):
        return EnvError
    if issubclass(kind, EnvError):  # of a vector within the env
        return _combined(kind.__bases__[1]) if len(kind.__bases__) == 2 else EnvError
    namespace = {"__module__": EnvError.__module__, "__qualname__": "EnvError", "__doc__": EnvError.__doc__}
    return types.new_class("EnvError", (EnvError, kind), exec_body=lambda body: body.update(namespace))


def fields_of(error: BaseException) -> dict[str, Any]:
    """The attributes of an exception beside its arguments.

    They are its own, those in slots, and those that its class keeps in C (``errno`` of OSError, for instance).
    """
    fields: dict[str, Any] = {}
    for cls in type(error).__mro__:
        for name, member in vars(cls).items():
            is_kept = isinstance(member, (types.MemberDescriptorType, types.GetSetDescriptorType))
            if is_kept and not name.startswith("__") and name != "args":
                with contextlib.suppress(Exception):
                    value = getattr(error, name)
                    if value is not None:
                        fields[name] = value
    return {**fields, **getattr(error, "__dict__", {})}


def pack(error: BaseException | None, dumps: Callable[[Any], bytes] = pickle.dumps) -> bytes | None:
    """The exception as bytes from which :func:`unpack` surely makes it again; None if nothing can.

    Args:
        dumps: pickles a value.
    """
    if error is None:
        return None

    def can_travel(value: Any) -> bool:
        with contextlib.suppress(Exception):
            pickle.loads(dumps(value))
            return True
        return False

    with contextlib.suppress(Exception):  # many can be pickled and do not come back, or not as they were
        data = dumps(error)
        if _looks(_unpacked(data)) == _looks(error):
            return data
    with contextlib.suppress(Exception):
        fields = {name: value for name, value in fields_of(error).items() if can_travel(value)}
        data = dumps((type(error), error.args if can_travel(error.args) else (str(error),), fields))
        if type(_unpacked(data)) is type(error):
            return data
    return None


def unpack(data: bytes | None) -> BaseException | None:
    """What :func:`pack` was given, or None where it cannot be made (its module may be out of reach)."""
    with contextlib.suppress(Exception):
        return None if data is None else _unpacked(data)
    return None


def _looks(error: BaseException) -> tuple[type, str, str]:
    return type(error), repr(error.args), repr(sorted(fields_of(error).items()))


def _unpacked(data: bytes) -> BaseException:
    made = pickle.loads(data)
    return made if isinstance(made, BaseException) else _rebuilt(*made)


def _unpacked_env_error(failures: Failures, batch: Any, data: bytes | None) -> EnvError:
    return env_error(failures, batch, unpack(data))


def _rebuilt(kind: type[BaseException], args: tuple[Any, ...], fields: dict[str, Any]) -> BaseException:
    """An exception of this class with these arguments and attributes, made without the class's own constructor."""
    base: Any = next(cls for cls in kind.__mro__ if cls.__module__ == "builtins")
    try:
        error = base.__new__(kind, *args)
    except TypeError:
        error = base.__new__(kind)
    BaseException.args.__set__(error, args)  # type: ignore[attr-defined]  # the class may refuse changes
    for name, value in fields.items():
        with contextlib.suppress(Exception):
            object.__setattr__(error, name, value)
    return error
