"""The list of integers by which the env library finds MuJoCo: cpp/envs/mujoco/handles.hpp and simulator.cpp read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from fastvec.envs.mujoco.library import function_addresses
from fastvec.envs.mujoco.rounding import dot_is_fused, einsum_is_fused

__all__ = ["integration_signature", "pack_handles", "saved_arrays"]

_PROTOCOL = 1

# What the envs read, in the order of `Field` in handles.hpp.
_FIELDS = (
    "qpos",
    "qvel",
    "ctrl",
    "xpos",
    "xipos",
    "cinert",
    "cvel",
    "cfrc_ext",
    "qfrc_actuator",
    "qfrc_constraint",
    "site_xpos",
    "ten_length",
    "ten_velocity",
)
# What a saved state holds beside MuJoCo's integration state: all that the last step left for an env to read, a
# renderer to draw or a user to ask for, and that the next step computes anew.
_SAVED = (
    "xpos",
    "xquat",
    "xmat",
    "xipos",
    "ximat",
    "xiquat",
    "xanchor",
    "xaxis",
    "geom_xpos",
    "geom_xmat",
    "geom_xquat",
    "site_xpos",
    "site_xmat",
    "site_xquat",
    "cam_xpos",
    "cam_xmat",
    "light_xpos",
    "light_xdir",
    "subtree_com",
    "subtree_linvel",
    "subtree_angmom",
    "cdof",
    "cdof_dot",
    "cinert",
    "cvel",
    "cacc",
    "cfrc_int",
    "cfrc_ext",
    "ten_length",
    "ten_velocity",
    "ten_J",
    "wrap_xpos",
    "flexvert_xpos",
    "qacc",
    "qacc_smooth",
    "qfrc_bias",
    "qfrc_passive",
    "qfrc_actuator",
    "qfrc_smooth",
    "qfrc_constraint",
    "actuator_length",
    "actuator_velocity",
    "actuator_force",
    "act_dot",
    "sensordata",
    "energy",
)


def integration_signature() -> int:
    """MuJoCo's name for all that decides how a simulation goes on."""
    return int(mujoco.mjtState.mjSTATE_INTEGRATION)


def saved_arrays(data: Any) -> list[tuple[str, np.ndarray]]:
    """``(name, array)`` of the float64 arrays of ``data`` that a saved state holds, in order.

    A version of MuJoCo that lacks one has one less.
    """
    found = []
    for name in _SAVED:
        array = getattr(data, name, None)
        if isinstance(array, np.ndarray) and array.dtype == np.float64 and array.size and array.flags.c_contiguous:
            found.append((name, array))
    return found


def pack_handles(
    model: Any, datas: Sequence[Any], *, frame_skip: int, alerts: np.ndarray, bytes_per_data: int
) -> list[int]:
    """The handles of a vector of ``len(datas)`` envs.

    They are addresses inside ``model``, ``datas`` and ``alerts``: keep those as long as the env library uses them.
    """
    first = datas[0]
    arrays = [_field(first, name) for name in _FIELDS]
    saved = saved_arrays(first)
    numbers = first.warning.number
    handles = [
        _PROTOCOL,
        len(datas),
        frame_skip,
        *function_addresses().as_tuple(),
        model._address,
        _address(model.body_mass),
        integration_signature(),
        mujoco.mj_stateSize(model, integration_signature()),
        len(numbers),
        numbers.strides[0],
        _address(alerts),
        bytes_per_data,
        int(dot_is_fused()),
        int(einsum_is_fused()),
        *(array.size for array in arrays),
        len(saved),
        *(array.size for _, array in saved),
    ]
    for data in datas:
        handles += [data._address, _address(data.warning.number), _address(data.warning.lastinfo)]
        handles += [_address(_field(data, name)) for name in _FIELDS]
        handles += [_address(getattr(data, name)) for name, _ in saved]
    return handles


def _field(data: Any, name: str) -> np.ndarray:
    array = getattr(data, name)
    if array.dtype != np.float64 or not array.flags.c_contiguous:
        raise TypeError(
            f"expected MjData.{name} to be a contiguous float64 array, got {array.dtype} with strides {array.strides}: "
            f"mujoco {mujoco.__version__} is built in a way that fastvec's native envs cannot use; "
            "use backend='process'"
        )
    return array


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]
