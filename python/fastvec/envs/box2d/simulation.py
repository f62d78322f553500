"""What a vector of native Box2D envs needs from Python: the library's addresses."""

from __future__ import annotations

from fastvec.envs.box2d.digits import digits
from fastvec.envs.box2d.library import BOX2D_VERSION, addresses
from fastvec.native.resources import Request, Resources

__all__ = ["Races", "Worlds"]


class Worlds(Resources):
    """The library in which a vector's worlds live: one ``b2World`` per env.

    Gymnasium's own env is made with the user's arguments first: it checks them, and raises its own errors.
    """

    def __init__(self, request: Request) -> None:
        assert request.gymnasium_env is not None
        request.gymnasium_env()
        self.native_kwargs = {"_addresses": list(addresses())}
        self.fingerprint = {"box2d": BOX2D_VERSION}


class Races(Worlds):
    """And the digits that are drawn into CarRacing's picture."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._digits = digits()
        self.native_kwargs = {**self.native_kwargs, "_digits": list(self._digits.table)}
