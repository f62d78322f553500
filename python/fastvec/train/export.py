"""Writing a trained policy for use elsewhere, and checking that what was written chooses the same actions."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from fastvec.train.distributions import ScaledActionDecoder, mask_logits
from fastvec.train.policy import Policy

FORMATS = ("torch", "onnx")


class GreedyPolicy(nn.Module):
    """Observations to the likeliest actions, with the normaliser and the action space's bounds inside.

    Takes encoded observations ``[B, *obs_shape]``: float32 rows (Discrete one-hot, parts of a Dict or Tuple
    side by side), or uint8 images. Gives actions ``[B, *action_shape]``, as the environment takes them.
    A recurrent policy also takes what it remembers, float32 ``[B, memory_size]`` (zeros where an episode starts), and
    gives what it remembers next. A policy that was trained with action masks takes them last, bool ``[B, A]``.

    Args:
        policy: whose network and normaliser this module shares.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.network = policy.network
        self.normalizer = policy.obs_normalizer
        self.head = policy.head
        space = policy.action_space
        self.middle: Tensor
        self.half_range: Tensor
        self.low: Tensor
        self.high: Tensor
        self.start: Tensor
        self.shape = tuple(space.shape or ())
        self.bounded = isinstance(space, gym.spaces.Box)
        self.rescaled = isinstance(policy.decoder, ScaledActionDecoder)
        if isinstance(policy.decoder, ScaledActionDecoder):
            self.register_buffer("middle", torch.as_tensor(policy.decoder.middle, dtype=torch.float32))
            self.register_buffer("half_range", torch.as_tensor(policy.decoder.half_range, dtype=torch.float32))
        if isinstance(space, gym.spaces.Box):
            self.register_buffer("low", torch.as_tensor(space.low, dtype=torch.float32))
            self.register_buffer("high", torch.as_tensor(space.high, dtype=torch.float32))
        else:
            self.register_buffer("start", torch.as_tensor(getattr(space, "start", 0), dtype=torch.int64))

    def forward(self, obs: Tensor, memory: Tensor | None = None, mask: Tensor | None = None) -> Any:
        """Actions, and with a memory the next one: see the class."""
        if self.normalizer is not None:
            obs = self.normalizer(obs)
        if memory is None:
            params = self.network.actor(obs)
        else:
            going_on = torch.zeros_like(memory[:, 0]).unsqueeze(0)
            params, _, memories = self.network(obs.unsqueeze(0), memory, going_on)
            params, memory = params[0], memories[0]
        if mask is not None:
            params = mask_logits(params, mask)
        actions = self.head.mode(params).reshape(-1, *self.shape)
        if self.rescaled:
            actions = self.middle + self.half_range * actions
        actions = actions.clamp(self.low, self.high) if self.bounded else actions + self.start
        return actions if memory is None else (actions, memory)


def export_policy(
    policy: Policy, path: Path, *, format: str = "torch", with_mask: bool = False, batch: int = 256
) -> None:
    """Write the greedy policy, read it back, and compare its actions on random observations with the original's.

    Args:
        policy: the original; it is not changed.
        path: the file to write.
        format: "torch" for ``torch.export.load(path).module()``, "onnx" for any ONNX runtime (needs the packages
            onnx and onnxscript, and onnxruntime for the comparison). The size of the batch is free in both.
        with_mask: whether what is written takes a mask of the actions that are allowed.
        batch: observations to compare on.

    Raises:
        ValueError: an unknown format, or a directory that is not there. ImportError: a package is missing; the message
            names it. RuntimeError: the file chooses other actions than the original.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"there is no directory {path.parent} to write {path.name} to")
    greedy = copy.deepcopy(GreedyPolicy(policy)).eval().cpu().requires_grad_(False)
    inputs = example_inputs(policy, batch, with_mask=with_mask)
    expected = as_tuple(greedy(**inputs))
    if not policy.network.memory_size and not with_mask:
        expected = (torch.from_numpy(policy.greedy(inputs["obs"].to(policy.device))),)
    arguments, keywords = as_call(inputs)
    rows = torch.export.Dim("batch")
    dynamic: Any = {name: {0: rows} for name in inputs}
    if format == "torch":
        with quiet():
            torch.export.save(torch.export.export(greedy, arguments, keywords, dynamic_shapes=dynamic), path)
            actual = as_tuple(torch.export.load(path).module()(*arguments, **keywords))
    else:
        actual = write_onnx(greedy, inputs, path, dynamic)
    for mine, other in zip(actual, expected, strict=True):
        if not torch.allclose(mine.float(), other.float(), rtol=1e-4, atol=1e-5):
            raise RuntimeError(f"the policy written to {path} chooses other actions than the original")


def as_call(inputs: dict[str, Tensor]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    """Arguments by place and by name: a mask has a name, since a memory may stand before it or not."""
    arguments = tuple(value for name, value in inputs.items() if name != "mask")
    return arguments, {name: value for name, value in inputs.items() if name == "mask"}


def as_tuple(value: Any) -> tuple[Tensor, ...]:
    """One output or several, as a tuple."""
    return value if isinstance(value, tuple) else (value,)


def write_onnx(policy: nn.Module, inputs: dict[str, Tensor], path: Path, dynamic: Any) -> tuple[Tensor, ...]:
    """Write an ONNX file and return what it gives for ``inputs``."""
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - what torch.onnx.export writes with
    except ImportError as error:
        raise ImportError(f"exporting to ONNX needs {error.name}: pip install onnx onnxscript onnxruntime") from error
    arguments, keywords = as_call(inputs)
    with quiet():
        program = torch.onnx.export(
            policy,
            arguments,
            kwargs=keywords,
            dynamo=True,
            dynamic_shapes=dynamic,
            verbose=False,
            input_names=list(inputs),
            output_names=["actions", "next_memory"] if "memory" in inputs else ["actions"],
        )
    assert program is not None
    program.save(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = {name: value.numpy() for name, value in inputs.items()}
    return tuple(torch.from_numpy(output) for output in session.run(None, feed))


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


def example_inputs(policy: Policy, batch: int, *, with_mask: bool) -> dict[str, Tensor]:
    """Random inputs of :class:`GreedyPolicy`, those that this policy needs, by name and in order."""
    generator = torch.Generator().manual_seed(1)
    inputs = {"obs": example_observations(policy, batch)}
    if policy.network.memory_size:
        inputs["memory"] = torch.rand(batch, policy.network.memory_size, generator=generator) - 0.5
    if with_mask:
        inputs["mask"] = torch.rand(batch, policy.head.num_params, generator=generator) < 0.7
    return inputs


def example_observations(policy: Policy, batch: int) -> Tensor:
    """Random encoded observations, spread as the normaliser has seen them."""
    generator = torch.Generator().manual_seed(0)
    shape = policy.encoder.shape
    if policy.encoder.is_image:
        return torch.randint(0, 256, (batch, *shape), generator=generator, dtype=torch.uint8)
    obs = torch.randn(batch, *shape, generator=generator)
    if policy.obs_normalizer is not None:
        obs = policy.obs_normalizer.mean.cpu() + 2.0 * policy.obs_normalizer.var.cpu().sqrt() * obs
    return obs
