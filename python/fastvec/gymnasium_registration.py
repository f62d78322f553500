"""Native envs in Gymnasium's registry, for ``gymnasium.make`` and ``gymnasium.make_vec``."""

from __future__ import annotations

from typing import Any

import gymnasium

from fastvec import _core
from fastvec.make import make_vec
from fastvec.native.env_type import NativeEnvType
from fastvec.native.single_env import SingleEnv
from fastvec.vector.spec import RECORDED_WRAPPERS, VECTOR_ENTRY_POINT

__all__ = [
    "forget_in_gymnasium",
    "make_single",
    "make_vector",
    "missing_counterpart",
    "owner_in_gymnasium",
    "register_with_gymnasium",
]

_ENTRY_POINT = "fastvec.gymnasium_registration:make_single"


def owner_in_gymnasium(native: NativeEnvType) -> str | None:
    """Who else has registered the Gymnasium id of this native env: an entry point, or None."""
    known = gymnasium.registry.get(native.registered_id)
    return None if known is None or known.entry_point == _ENTRY_POINT else str(known.entry_point)


def missing_counterpart(native: NativeEnvType) -> str | None:
    """Why this native env cannot be offered: the installed Gymnasium lacks the env whose numbers it gives. Or None.

    Such an env would have no spec, no pictures and nothing to be compared with.
    """
    counterpart = native.counterpart
    if counterpart is None or counterpart.gymnasium_id in gymnasium.registry:
        return None
    return (
        f"the native env {native.id!r} gives the numbers of Gymnasium's {counterpart.gymnasium_id!r}, "
        f"which the installed Gymnasium {gymnasium.__version__} does not have: install one that does "
        "(pip install --upgrade gymnasium)"
    )


def forget_in_gymnasium(native: NativeEnvType) -> None:
    """Undo :func:`register_with_gymnasium` for one env type."""
    known = gymnasium.registry.get(native.registered_id)
    if known is not None and known.entry_point == _ENTRY_POINT:
        del gymnasium.registry[known.id]


def register_with_gymnasium(native: NativeEnvType) -> None:
    """Register a native env (as :attr:`NativeEnvType.registered_id`) with the limits of Gymnasium's own or of the env.

    Args:
        native: the env type; it is in the registry of native types.
    """
    if native.counterpart is not None:
        known = gymnasium.spec(native.counterpart.gymnasium_id)
        limit, threshold = known.max_episode_steps, known.reward_threshold
    else:
        limit, threshold = native.core.limits or _limits_of_a_vector(native)
    gymnasium.register(
        id=native.registered_id,
        entry_point=_ENTRY_POINT,
        vector_entry_point=VECTOR_ENTRY_POINT,
        max_episode_steps=limit,
        reward_threshold=threshold,
        kwargs={"native_id": native.id},
    )


def _limits_of_a_vector(native: NativeEnvType) -> tuple[int | None, float | None]:
    """Time limit and reward threshold of an env whose library is older than ABI minor 2, whose table has none.

    They are read from a vector of one env, made from the default arguments: this runs the library's code. None where
    it cannot be made (a file that has to be named, for instance).
    """
    defaults = [default for _, _, default, _ in native.kwargs]
    try:
        vector = _core.VectorCore(
            native.core,
            defaults,
            num_envs=1,
            num_threads=1,
            pin_threads=False,
            autoreset_mode=0,
            max_episode_steps=-1,
            copy=True,
            batch_size=1,
        )
    except Exception:  # whatever its author throws: make_vec will tell whoever wants this env
        return None, None
    limit, threshold = vector.max_episode_steps, vector.spec.reward_threshold
    vector.close()
    return limit or None, None if threshold != threshold else threshold


def make_vector(num_envs: int = 1, *, native_id: str, **kwargs: Any) -> Any:
    """What ``gymnasium.make_vec("fastvec/<id>")`` calls."""
    if RECORDED_WRAPPERS in kwargs:  # a spec is made again
        kwargs["wrappers"] = kwargs.pop(RECORDED_WRAPPERS)
    return make_vec(native_id, num_envs, **kwargs)


def make_single(*, native_id: str, **kwargs: Any) -> Any:
    """What ``gymnasium.make("fastvec/<id>")`` calls."""
    return SingleEnv(native_id, **kwargs)
