"""Env ids that were registered here, for workers that know only those of the modules that they import."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec

from fastvec.process.wire.pickling import dumps_by_value

__all__ = ["Registrations"]


@dataclass
class Registrations:
    """Specs on their way to a worker.

    Attributes:
        main_names: what entry points of the form ``"__main__:name"`` mean.
        main_specs: pickled specs of what lives in ``__main__``.
        other_specs: pickled specs that a module of the worker may still register by itself.
    """

    main_names: dict[str, bytes] = field(default_factory=dict)
    main_specs: list[bytes] = field(default_factory=list)
    other_specs: list[bytes] = field(default_factory=list)

    @classmethod
    def of_this_process(cls, env_fns: Sequence[Callable[[], Any]]) -> Registrations:
        """All registered specs that can be pickled, and the names in ``__main__`` that they and the envs' own need."""
        made = cls()
        given = [spec for spec in (getattr(env_fn, "spec", None) for env_fn in env_fns) if isinstance(spec, EnvSpec)]
        for spec in gymnasium.registry.values():
            try:
                data = dumps_by_value(spec)
            except Exception:  # the worker has it from a module, or not at all
                continue
            if b"__main__" in data:
                made.main_specs.append(data)
                given.append(spec)
            else:
                made.other_specs.append(data)
        main = sys.modules.get("__main__")
        for name in {name for spec in given for name in _names_in_main(spec)}:
            if hasattr(main, name):
                made.main_names[name] = dumps_by_value(getattr(main, name))
        return made

    def install(self) -> None:
        """Make known, in a worker, what lives in the parent's ``__main__``; what the worker has already stays."""
        main = sys.modules["__main__"]
        for name, data in self.main_names.items():
            if not hasattr(main, name):
                setattr(main, name, pickle.loads(data))
        _register(self.main_specs)

    def install_others(self) -> bool:
        """Register the other ids, too; whether there were any that were not known."""
        return _register(self.other_specs)


def _register(pickled: Iterable[bytes]) -> bool:
    is_new = False
    for data in pickled:
        try:
            spec = pickle.loads(data)
        except Exception:  # of a module that cannot be imported here
            continue
        if spec.id not in gymnasium.registry:
            gymnasium.registry[spec.id] = spec
            is_new = True
    return is_new


def _names_in_main(spec: EnvSpec) -> Iterable[str]:
    entry_points = [spec.entry_point, *(wrapper.entry_point for wrapper in spec.additional_wrappers)]
    for entry_point in entry_points:
        if isinstance(entry_point, str) and entry_point.startswith("__main__:"):
            yield entry_point.partition(":")[2]
