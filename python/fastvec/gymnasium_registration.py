"""Native envs in Gymnasium's registry, for ``gymnasium.make`` and ``gymnasium.make_vec``: see :func:`gymnasium_id`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec

from fastvec.vector.spec import RECORDED_WRAPPERS, VECTOR_ENTRY_POINT

__all__ = [
    "forget_in_gymnasium",
    "gymnasium_id",
    "make_single",
    "make_vector",
    "missing_counterpart",
    "owner_in_gymnasium",
    "register_with_gymnasium",
    "spec_in_gymnasium",
]

_ENTRY_POINT = "fastvec.gymnasium_registration:make_single"


def gymnasium_id(env_id: str) -> str:
    """Gymnasium's id of a native env: ``fastvec/<id>``, or the id itself where it has a namespace of its own.

    >>> gymnasium_id("CartPole-v1"), gymnasium_id("my_envs/GridWalk-v0")
    ('fastvec/CartPole-v1', 'my_envs/GridWalk-v0')
    """
    return env_id if "/" in env_id else f"fastvec/{env_id}"


def owner_in_gymnasium(env_id: str) -> str | None:
    """Who else has registered the Gymnasium id of this native env: an entry point, or None."""
    known = gymnasium.registry.get(gymnasium_id(env_id))
    return None if known is None or known.entry_point == _ENTRY_POINT else str(known.entry_point)


def missing_counterpart(env_id: str) -> str | None:
    """Why this native env cannot be offered: the installed Gymnasium lacks the env whose numbers it gives. Or None.

    Such an env would have no spec, no pictures and nothing to be compared with.
    """
    from fastvec.native.counterpart import companion_for

    companion = companion_for(env_id)
    if companion is None or companion.gymnasium_id in gymnasium.registry:
        return None
    return (
        f"the native env {env_id!r} gives the numbers of Gymnasium's {companion.gymnasium_id!r}, "
        f"which the installed Gymnasium {gymnasium.__version__} does not have: install one that does "
        "(pip install --upgrade gymnasium)"
    )


def forget_in_gymnasium(env_id: str) -> None:
    """Undo :func:`register_with_gymnasium` for one id."""
    known = gymnasium.registry.get(gymnasium_id(env_id))
    if known is not None and known.entry_point == _ENTRY_POINT:
        del gymnasium.registry[known.id]


def register_with_gymnasium(env_ids: Sequence[str]) -> None:
    """Register each native id (see :func:`gymnasium_id`) with the limits of Gymnasium's own or of the env."""
    from fastvec import _core
    from fastvec.native import registry
    from fastvec.native.counterpart import companion_for

    for env_id in env_ids:
        companion = companion_for(env_id)
        if companion is not None:
            known = gymnasium.spec(companion.gymnasium_id)
            limit, threshold = known.max_episode_steps, known.reward_threshold
        else:
            native: Any = registry.find(env_id)
            limit, threshold = native.core.limits or _limits_of_a_vector(_core, native)
        gymnasium.register(
            id=gymnasium_id(env_id),
            entry_point=_ENTRY_POINT,
            vector_entry_point=VECTOR_ENTRY_POINT,
            max_episode_steps=limit,
            reward_threshold=threshold,
            kwargs={"native_id": env_id},
        )


def _limits_of_a_vector(core: Any, native: Any) -> tuple[int | None, float | None]:
    """Time limit and reward threshold of an env whose library is older than ABI minor 2, whose table has none.

    They are read from a vector of one env, made from the default arguments: this runs the library's code. None where
    it cannot be made (a file that has to be named, for instance).
    """
    defaults = [default for _, _, default, _ in native.kwargs]
    try:
        vector = core.VectorCore(
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
    limit, threshold = vector.max_episode_steps, vector.reward_threshold
    vector.close()
    return limit or None, None if threshold != threshold else threshold


def make_vector(num_envs: int = 1, *, native_id: str, **kwargs: Any) -> Any:
    """What ``gymnasium.make_vec("fastvec/<id>")`` calls."""
    from fastvec.make import make_vec

    if RECORDED_WRAPPERS in kwargs:  # a spec is made again
        kwargs["wrappers"] = kwargs.pop(RECORDED_WRAPPERS)
    return make_vec(native_id, num_envs, **kwargs)


def make_single(*, native_id: str, **kwargs: Any) -> Any:
    """What ``gymnasium.make("fastvec/<id>")`` calls."""
    from fastvec.native.single_env import SingleEnv

    return SingleEnv(native_id, **kwargs)


def spec_in_gymnasium(native_id: str) -> EnvSpec:
    """The registered spec of a native env: Gymnasium's own where it has the env."""
    from fastvec.native.counterpart import companion_for

    companion = companion_for(native_id)
    return gymnasium.spec(companion.gymnasium_id if companion else gymnasium_id(native_id))
