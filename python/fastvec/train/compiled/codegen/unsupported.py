"""What the code generator raises where another way has to be taken."""

from __future__ import annotations

__all__ = ["Unsupported"]


class Unsupported(Exception):
    """There is something in a graph that this code generator has no code for."""
