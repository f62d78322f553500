"""What the caller is told of envs that failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from fastvec.env_error import env_error
from fastvec.process.wire.protocol import Failure

__all__ = ["raise_failures"]


def raise_failures(failures: Sequence[Failure], batch: Any) -> NoReturn:
    """Raise EnvError for the failures of envs, from the exception of the first one by index.

    Args:
        failures: at least one.
        batch: for ``EnvError.batch``: what the call would have returned; None if nothing.
    """
    ordered = sorted(failures, key=lambda failure: failure.env)
    kinds = [None if one.error is None else type(one.error) for one in ordered]
    raise env_error([(one.env, one.message) for one in ordered], batch, ordered[0].error, kinds)
