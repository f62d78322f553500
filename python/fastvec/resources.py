"""What a vector of native envs needs from Python for as long as it lives: the public face of the factories.

See :mod:`fastvec.native.resources`, whose names these are.
"""

from __future__ import annotations

from fastvec.native.registry import register_resources as register
from fastvec.native.resources import Request, Resources

__all__ = ["Request", "Resources", "register"]
