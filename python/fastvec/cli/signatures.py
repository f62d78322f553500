"""The keyword arguments that the user of an env may give, as Gymnasium's own class (or the env's author) names them."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator

from fastvec.ale.backend import ARGUMENTS_OF_MAKE_VEC
from fastvec.native.env_type import NativeEnvType

__all__ = ["Argument", "ale_arguments", "gymnasium_arguments", "native_arguments", "registered_arguments"]

_OF_EVERY_ENV = {"render_mode"}  # what make_vec itself takes


@dataclass(frozen=True)
class Argument:
    """A keyword argument of an env.

    Attributes:
        default: :attr:`REQUIRED` where there is none.
        doc: one line, or nothing.
    """

    REQUIRED: ClassVar[Any] = inspect.Parameter.empty

    name: str
    default: Any
    doc: str = ""

    def __str__(self) -> str:
        return self.name if self.default is self.REQUIRED else f"{self.name}={self.default!r}"


def native_arguments(native: NativeEnvType) -> list[Argument]:
    """Those of a native env: Gymnasium's own where it has the env, else those that the C++ declares."""
    declared = {name: (default, doc) for name, _, default, doc in native.kwargs if not name.startswith("_")}
    entry, counterpart = native.resources, native.counterpart
    describe = entry.describe_kwargs if entry is not None and entry.is_installed() else None
    defaults: Mapping[str, Any] = {name: default for name, (default, _) in declared.items()}
    try:
        if describe is not None:
            defaults = describe()
        elif counterpart is not None:
            spec = gymnasium.spec(counterpart.gymnasium_id)
            defaults = {**_signature(_creator(spec)), **spec.kwargs}
    except (ImportError, gymnasium.error.DependencyNotInstalled):
        pass  # a package that its class needs is missing: what the C++ declares will have to do
    docs = {name: doc for name, (_, doc) in declared.items() if doc}
    docs = {**({} if entry is None else entry.kwargs_docs), **docs}
    return _arguments(defaults, docs)


def registered_arguments(spec: EnvSpec) -> list[Argument]:
    """Those that an env of Gymnasium's registry is registered with; its class is not imported."""
    return _arguments(spec.kwargs, {})


def gymnasium_arguments(spec: EnvSpec) -> list[Argument]:
    """Those that the class of an env of Gymnasium's registry names, with what its docstring says of them.

    Raises:
        ImportError: the class cannot be imported.
    """
    creator = _creator(spec)
    return _arguments({**_signature(creator), **spec.kwargs}, _documented(creator))


def ale_arguments(spec: EnvSpec) -> list[Argument]:
    """Those of ale-py's vector env, with the defaults of this id."""
    from ale_py.vector_env import AtariVectorEnv

    fixed = {"game", *ARGUMENTS_OF_MAKE_VEC}
    defaults = {**_signature(AtariVectorEnv), **spec.kwargs}
    return _arguments({name: value for name, value in defaults.items() if name not in fixed}, {})


def _arguments(defaults: Mapping[str, Any], docs: Mapping[str, str]) -> list[Argument]:
    return [
        Argument(name, default, docs.get(name, ""))
        for name, default in defaults.items()
        if name not in _OF_EVERY_ENV and not name.startswith("_")
    ]


def _creator(spec: EnvSpec) -> Callable[..., Any]:
    """The class (or function) that makes the env."""
    if callable(spec.entry_point):
        return spec.entry_point
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Box2D's import does not survive one that is an error
        return load_env_creator(str(spec.entry_point))


def _signature(creator: Callable[..., Any]) -> dict[str, Any]:
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    parameters: list[inspect.Parameter] = list(inspect.signature(creator).parameters.values())
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind not in variadic}


def _documented(creator: Callable[..., Any]) -> dict[str, str]:
    """``name: what it means`` of an ``Args:`` section in the docstring of a class or of its constructor."""
    docs: dict[str, str] = {}
    for text in (inspect.getdoc(creator), inspect.getdoc(getattr(creator, "__init__", None))):
        section = re.search(r"^Arg(?:ument)?s:\n((?:[ \t]+.*\n?|\n)+)", text or "", re.MULTILINE)
        if section is None:
            continue
        lines = inspect.cleandoc(section[1]).splitlines()
        name = ""
        for line in lines:
            entry = re.match(r"(\w+)(?:\s*\([^)]*\))?:\s*(.*)", line)
            if entry is not None:
                name = entry[1]
                docs[name] = entry[2]
            elif name and line.startswith(" "):
                docs[name] = f"{docs[name]} {line.strip()}".strip()
    return docs
