"""Every public name says what it is: its arguments, the shapes and dtypes of its arrays, its errors."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

MODULES = ["fastvec", "fastvec.errors", "fastvec.resources", "fastvec.testing", "fastvec.process", "fastvec.train"]
SECTIONS = re.compile(r"^\s*(Args|Attributes|Raises|Returns|Yields):", re.MULTILINE)
SAYS_WHAT_AN_ARRAY_IS = re.compile(
    r"shape|dtype|\(num_envs|\[|float(32|64)|u?int(8|32|64)|\bbool|[Oo]ne per|a tuple with"
)


def public_callables() -> Iterator[tuple[str, Any]]:
    """``(dotted name, object)`` of what ``__all__`` names, and of the public methods of its classes."""
    for module in MODULES:
        found = importlib.import_module(module)
        for name in found.__all__:
            thing = getattr(found, name)
            if inspect.ismodule(thing) or not callable(thing):
                continue
            yield f"{module}.{name}", thing
            if not inspect.isclass(thing):
                continue
            for attribute, member in vars(thing).items():
                if isinstance(member, (staticmethod, classmethod)):
                    member = member.__func__
                if not attribute.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                    yield f"{module}.{name}.{attribute}", member


def parameters(function: Callable[..., Any]) -> list[str]:
    """Names of the parameters that a caller passes; ``*args`` and ``**kwargs`` say nothing themselves."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = inspect.signature(function).parameters.values()
    return [one.name for one in found if one.kind not in kinds and one.name not in ("self", "cls")]


def raises(function: Callable[..., Any]) -> set[str]:
    """Names of the exceptions that the body of a function raises itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = {
        ast.unparse(node.exc).partition("(")[0] for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc
    }
    return {name for name in found if name != "NotImplementedError" and name[0].isupper()}


def faults(thing: Any) -> list[str]:
    """What a docstring lacks."""
    doc = inspect.getdoc(thing) or ""
    if not doc:
        return ["no docstring"]
    function = thing.fget if isinstance(thing, property) else thing
    if inspect.isclass(thing) and (dataclasses.is_dataclass(thing) or issubclass(thing, BaseException)):
        return []  # each field has words of its own; exceptions are caught, not made
    found = []
    is_told_elsewhere = re.search(r"([Aa]rguments as|As|See) (for )?:(meth|func|attr|class):", doc)
    if is_told_elsewhere:
        return []
    unnamed = [name for name in parameters(function) if not re.search(rf"\b{name}\b", doc)]
    if unnamed:
        found.append(f"says nothing of {', '.join(unnamed)}")
    if inspect.isclass(thing):
        return found
    if raises(function) and "Raises:" not in doc and "Error" not in doc:
        found.append(f"does not say that it raises {', '.join(sorted(raises(function)))}")
    returned = str(inspect.signature(function).return_annotation)
    if re.search(r"ndarray|Tensor|StepReturn", returned) and not SAYS_WHAT_AN_ARRAY_IS.search(doc):
        found.append(f"says neither shape nor dtype of what it returns ({returned})")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_public_module_says_what_it_is(module):
    assert (importlib.import_module(module).__doc__ or "").strip()


def test_every_public_name_says_what_it_takes_gives_and_raises():
    things = dict(public_callables())
    assert {"fastvec.make_vec", "fastvec.VectorEnv.step", "fastvec.train.PPO"} <= set(things)
    assert {name: wrong for name, thing in things.items() if (wrong := faults(thing))} == {}


def test_what_a_docstring_lacks_is_found():
    def undocumented():
        pass

    def unnamed(first, second):
        """Give it the first."""

    def raising(value):
        """Check a value."""
        raise ValueError(value)

    def array() -> np.ndarray:  # noqa: F821
        """Count them."""

    def good(value) -> np.ndarray:  # noqa: F821
        """A value's rows, float32 of shape ``(num_envs, 3)``.

        Raises:
            ValueError: it has none.
        """
        raise ValueError(value)

    assert [len(faults(one)) for one in (undocumented, unnamed, raising, array, good)] == [1, 1, 1, 1, 0]
