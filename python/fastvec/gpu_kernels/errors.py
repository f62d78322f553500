"""What an env's source has that no kernel can have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["KernelError", "Reason"]


@dataclass(frozen=True)
class Reason:
    """One thing that cannot go, and where it stands.

    Attributes:
        message: what it is, and what to write instead.
        file: name of the file, as the compiler gives it; empty where it says nothing.
        line: from 1; 0 where the compiler says nothing.
    """

    message: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.file else self.message


class KernelError(ValueError):
    """The source does not compile to a kernel.

    Attributes:
        env_class: the env's class.
        reasons: what cannot go, each once; at least one.
        log: what the compiler wrote.
    """

    def __init__(self, env_class: str, reasons: Sequence[Reason], log: str) -> None:
        self.env_class = env_class
        self.reasons = tuple(reasons)
        self.log = log
        super().__init__("\n  ".join([f"{env_class} cannot be a kernel:", *map(str, self.reasons)]))
