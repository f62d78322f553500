"""The check of action masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from fastvec.testing.probe import Yielded
from fastvec.testing.rollout import Frame
from fastvec.vector.action_masks import choices_without_action, mask_rows, mask_width

__all__ = ["mask_faults"]

_KEY = "'action_mask'"


def mask_faults(frames: Sequence[Frame], space: gymnasium.Space[Any]) -> Yielded:
    """What is wrong with ``info["action_mask"]`` in a run with NextStep autoreset."""
    width = mask_width(space)
    parts = sorted({name for content in frames for name in content if name.startswith(f"info {_KEY}")})
    if not parts:
        return
    if not width:
        message = f"info[{_KEY}] is there, but the actions of {space} are no choices"
        yield True, message, "leave the mask out, or make the action space a Discrete or MultiDiscrete"
        return
    for step, content in enumerate(frames):
        for env in np.flatnonzero(content.get(f"mask {parts[0][5:]}", ())):
            when = f"of env {env} {'after reset' if step == 0 else f'at step {step}'}"
            mask = [content[name][env] for name in parts if name in content]
            entries = sum(int(np.size(part)) for part in mask)
            if entries != width:
                message = f"info[{_KEY}] {when} has {entries} entries: expected {width}, one per action of {space}"
                yield True, message, "write the mask with as many entries as there are actions"
                return
            values = np.concatenate([np.ravel(part) for part in mask])
            if not np.isin(values, (0, 1)).all():
                odd = values[~np.isin(values, (0, 1))][0]
                yield True, f"info[{_KEY}] {when} has {odd}: expected 0 or 1", "1 for what is allowed, 0 for the rest"
                return
            has_ended = step > 0 and (content["terminated"][env] or content["truncated"][env])
            if choices_without_action(mask_rows([values], space, 1), space)[0] and not has_ended:
                message = f"info[{_KEY}] {when} allows no action, though the episode goes on"
                yield True, message, "end the episode where there is nothing left to do"
                return
    if not np.any(frames[0].get(f"mask {parts[0][5:]}", False)):
        message = f"info[{_KEY}] comes with steps, but not with a reset"
        yield True, message, "give the mask in reset() too: the first action needs it"
