"""The checks by name: what each of them needs, and what it looks for."""

from __future__ import annotations

__all__ = ["CHECKS", "PYTHON_CHECKS"]

_Table = dict[str, tuple[tuple[str, ...], str]]

# name: (what must have passed for it to say something, what it checks)
CHECKS: _Table = {
    "memory": ((), "nothing is written but an env's own rows and members"),
    "steps": (("memory",), "random actions are survived"),
    "observations": (("steps",), "finite and inside the observation space"),
    "rewards": (("steps",), "finite"),
    "actions": (("observations", "rewards"), "the corners of the action space are survived"),
    "masks": (("steps",), "action masks have an entry per action, and allow one"),
    "determinism": (("steps",), "the same seed and actions give the same bytes"),
    "another day": (("determinism",), "so they do in another process, by another clock"),
    "reset": (("determinism",), "reset leaves nothing of the episode before"),
    "seeding": (("reset",), "other seeds give other episodes"),
    "independence": (("reset",), "an env does not depend on its neighbours"),
    "threads": (("reset", "independence"), "any number of threads gives the same bytes"),
    "engine": (("threads",), "so do the engine's own, which share the envs out as they go"),
    "observe": (("reset",), "observing changes nothing"),
    "state": (("reset", "observe"), "get_state and set_state resume bit for bit"),
    "autoreset": (("reset", "observe"), "all autoreset modes tell the same episodes"),
    "infos": (("steps",), "infos are arrays with masks"),
    "render": (("steps",), "pictures are uint8 and change nothing"),
    "endurance": (("observations", "rewards"), "tens of thousands of steps without a time limit are survived"),
    "resuming": (("state",), "thousands of steps after set_state, nothing differs"),
    "waiting": (("steps",), "a step neither sleeps nor waits"),
    "throughput": (("steps",), "speed, and whether a step allocates"),
}
# Those of an env in Python, which one process plays after the other.
PYTHON_CHECKS: _Table = {
    "types": ((), "observations, rewards and flags are of the types that the spaces promise"),
    "steps": ((), "random actions are survived"),
    **{name: CHECKS[name] for name in ("observations", "rewards", "actions", "masks", "determinism", "another day")},
    **{name: CHECKS[name] for name in ("reset", "seeding", "independence")},
    "autoreset": (("reset",), CHECKS["autoreset"][1]),
    **{name: CHECKS[name] for name in ("infos", "render", "endurance", "waiting")},
    "throughput": (("steps",), "speed"),
}
