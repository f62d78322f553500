"""Writing a trained policy for use elsewhere, and checking that what was written chooses the same actions."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from fastvec.train.ppo import PPO

FORMATS = ("torch", "onnx")


class GreedyPolicy(nn.Module):
    """Observations to the likeliest actions, with the normaliser and the action space's bounds inside.

    Takes encoded observations ``[B, *obs_shape]``: float32 rows (Discrete one-hot, parts of a Dict or Tuple
    side by side), or uint8 images. Gives actions ``[B, *action_shape]``, as the environment takes them.
    """

    def __init__(self, ppo: PPO) -> None:
        super().__init__()
        self.network = ppo.network
        self.normalizer = ppo.obs_normalizer
        self.head = ppo.head
        space = ppo.envs.single_action_space
        self.low: Tensor
        self.high: Tensor
        self.start: Tensor
        self.shape = tuple(space.shape or ())
        self.bounded = isinstance(space, gym.spaces.Box)
        if isinstance(space, gym.spaces.Box):
            self.register_buffer("low", torch.as_tensor(space.low, dtype=torch.float32))
            self.register_buffer("high", torch.as_tensor(space.high, dtype=torch.float32))
        else:
            self.register_buffer("start", torch.as_tensor(getattr(space, "start", 0), dtype=torch.int64))

    def forward(self, obs: Tensor) -> Tensor:
        if self.normalizer is not None:
            obs = self.normalizer(obs)
        actions = self.head.mode(self.network.actor(obs)).reshape(-1, *self.shape)
        return actions.clamp(self.low, self.high) if self.bounded else actions + self.start


def export_policy(ppo: PPO, path: Path, *, format: str = "torch", batch: int = 256) -> None:
    """Write ``ppo``'s greedy policy, read it back, and compare its actions on random observations with ``ppo``'s own.

    Args:
        format: "torch" for ``torch.export.load(path).module()``, "onnx" for any ONNX runtime (needs the packages
            onnx and onnxscript, and onnxruntime for the comparison). The size of the batch is free in both.
        batch: observations to compare on.

    Raises:
        ValueError: an unknown format, or a directory that is not there. ImportError: a package is missing; the message
            names it. RuntimeError: the file chooses other actions than the original.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"there is no directory {path.parent} to write {path.name} to")
    policy = copy.deepcopy(GreedyPolicy(ppo)).eval().cpu().requires_grad_(False)
    obs = example_observations(ppo, batch)
    expected = torch.from_numpy(ppo.act_greedily(obs.to(ppo.device)))
    dynamic: Any = {"obs": {0: torch.export.Dim("batch")}}
    if format == "torch":
        with quiet():
            torch.export.save(torch.export.export(policy, (obs,), dynamic_shapes=dynamic), path)
            actual = torch.export.load(path).module()(obs)
    else:
        actual = write_onnx(policy, obs, path, dynamic)
    if not torch.allclose(actual.float(), expected.float(), rtol=1e-4, atol=1e-5):
        raise RuntimeError(f"the policy written to {path} chooses other actions than the original")


def write_onnx(policy: nn.Module, obs: Tensor, path: Path, dynamic: Any) -> Tensor:
    """Write an ONNX file and return what it gives for ``obs``."""
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - what torch.onnx.export writes with
    except ImportError as error:
        raise ImportError(f"exporting to ONNX needs {error.name}: pip install onnx onnxscript onnxruntime") from error
    names: Any = {"input_names": ["obs"], "output_names": ["actions"]}
    with quiet():
        program = torch.onnx.export(policy, (obs,), dynamo=True, dynamic_shapes=dynamic, verbose=False, **names)
    assert program is not None
    program.save(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"obs": obs.numpy()})[0])


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of the exporters about their own insides."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def example_observations(ppo: PPO, batch: int) -> Tensor:
    """Random encoded observations, spread as the normaliser has seen them."""
    generator = torch.Generator().manual_seed(0)
    if ppo.encoder.is_image:
        return torch.randint(0, 256, (batch, *ppo.encoder.shape), generator=generator, dtype=torch.uint8)
    obs = torch.randn(batch, *ppo.encoder.shape, generator=generator)
    if ppo.obs_normalizer is not None:
        obs = ppo.obs_normalizer.mean.cpu() + 2.0 * ppo.obs_normalizer.var.cpu().sqrt() * obs
    return obs
