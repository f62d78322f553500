"""The model and the data of one vector's envs."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import mujoco
import numpy as np

from fastvec.envs.mujoco.arguments import env_arguments, native_arguments
from fastvec.envs.mujoco.handles import pack_handles
from fastvec.envs.mujoco.renderers import Renderers
from fastvec.native.resources import Request, Resources

__all__ = ["Simulation"]


class Simulation(Resources):
    """One ``mujoco.MjModel`` for all envs of a vector, and one ``mujoco.MjData`` per env.

    Gymnasium's own env of this id is made with the user's arguments: it finds and loads the model, checks the
    arguments and raises its own errors. The native envs get what it found, so whatever Gymnasium's constructor
    decides holds for them too.

    Attributes:
        model: the model, shared: a change to it is seen by all envs of this vector.
        datas: the data of each env, live.

    Raises:
        ValueError: the model's XML is bad (the message names the file), or it does not suit this env.
    """

    def __init__(self, request: Request) -> None:
        assert request.gymnasium_env is not None
        arguments = env_arguments(request.env_id, request.env_kwargs)
        try:
            base: Any = request.gymnasium_env().unwrapped
        except (ValueError, mujoco.FatalError) as error:
            file = arguments.get("xml_file")
            if file is None or str(file) in str(error):
                raise
            raise type(error)(f"{request.env_id}, xml_file={str(file)!r}: {error}") from error
        observed, space = base._get_obs().shape, base.observation_space.shape
        if observed != space:
            raise ValueError(
                f"{request.env_id}: expected a model with observations of shape {space}, got one with {observed}"
            )
        self.model = base.model
        self.datas = [mujoco.MjData(self.model) for _ in range(request.num_envs)]
        first = self.datas[0]
        self._renderers = Renderers()
        self._warning_kinds = len(first.warning.number)
        self._alerts = np.zeros(1 + request.num_envs * self._warning_kinds, np.int64)
        self._count = 0  # of alerts that were reported
        self._reported = self._alerts[1:] >> 32
        self.native_kwargs = native_arguments(request.env_id, base, arguments) | {
            "_handles": pack_handles(
                self.model,
                self.datas,
                frame_skip=base.frame_skip,
                alerts=self._alerts,
                bytes_per_data=int(first.nbuffer) + int(first.narena),
            )
        }
        self.fingerprint = {"mujoco": mujoco.__version__, "model": _digest(self.model)}

    def after_batch(self, stacklevel: int = 2) -> None:
        """Warn of what MuJoCo has warned of since the last call: the first warning of each kind in an episode."""
        if self._alerts[0] == self._count:
            return
        self._count = int(self._alerts[0])
        entries = self._alerts[1:].copy()
        for at in np.flatnonzero(entries >> 32 != self._reported):
            env, kind = divmod(int(at), self._warning_kinds)
            self._reported[at] = entries[at] >> 32
            text = mujoco.mju_warningText(kind, int(entries[at]) & 0xFFFFFFFF)
            warnings.warn(f"env {env}: MuJoCo: {text}", RuntimeWarning, stacklevel=stacklevel + 1)

    def before_draw(self, gymnasium_env: Any, env: int) -> None:
        """Let it draw with this env's own renderer."""
        self._renderers.select(gymnasium_env.unwrapped, env)

    def close(self) -> None:
        """Close the renderers."""
        self._renderers.close()

    def attribute(self, name: str, env: int) -> Any:
        """``model`` and ``data`` themselves, not copies."""
        if name == "model":
            return self.model
        return self.datas[env] if name == "data" else NotImplemented


def _digest(model: Any) -> str:
    """A hash of the compiled model: the same file, loaded by the same version, has the same."""
    size = mujoco.mj_sizeModel(model)
    buffer = np.zeros(size, np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return hashlib.sha256(buffer.tobytes()).hexdigest()[:16]
