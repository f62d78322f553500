"""PPO's update: loss, gradients, clipping and Adam of one minibatch in one function, and so in one compiled
graph. Where a minibatch is cut into parts (threads, ranks), the gradient is one graph and Adam another.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fastvec.train.config import PPOConfig
from fastvec.train.distributed import ALONE, World
from fastvec.train.distributions import Head, mask_logits
from fastvec.train.jit import jit
from fastvec.train.shards import Workers

METRICS = ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "grad_norm")


class Batch(NamedTuple):
    """A rollout, or a minibatch of it. float32 but for uint8 images and integer actions.

    For a feed-forward network the rows are single steps, ``[B, ...]``. For a recurrent one they are whole sequences,
    one per environment: every field is ``[T, B, ...]``, only ``memory`` is ``[B, memory_size]``.
    """

    obs: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor
    weights: Tensor
    """1, or 0 for steps that are no decision of the policy: they count nowhere."""
    masks: Tensor | None
    memory: Tensor | None = None
    """What the network remembered before the first step; None for a feed-forward network."""
    starts: Tensor | None = None
    """1 where an episode starts, and the network is to forget; None for a feed-forward network."""

    @property
    def num_rows(self) -> int:
        """What minibatches are drawn from: steps, or sequences."""
        return self.weights.shape[-1]

    def take(self, rows: Tensor) -> Batch:
        """The minibatch of the given rows, int64 ``[B]``."""
        if self.memory is None:
            return Batch(*[None if x is None else x[rows] for x in self])  # type: ignore[arg-type]
        steps = self._replace(memory=None)
        taken = [None if x is None else x[:, rows] for x in steps]
        return Batch(*taken)._replace(memory=self.memory[rows])  # type: ignore[arg-type]


class LearnerState(NamedTuple):
    """Everything that an update changes or reads, on the device. All are updated in place, never replaced:
    numbers that are annealed would otherwise freeze in a compiled graph.
    """

    theta: Tensor
    """float32 ``[P]``: all parameters side by side; the network's own parameters are views of it."""
    exp_avg: Tensor
    exp_avg_sq: Tensor
    step: Tensor
    """int64 ``[]``: gradient steps taken."""
    learning_rate: Tensor
    clip_coef: Tensor
    metrics: Tensor
    """float32 ``[len(METRICS)]``: sums over the minibatches since they were last read."""


class Moments(NamedTuple):
    """What a minibatch must know about itself as a whole before any part of it can be worked on; float32
    scalars."""

    scale: Tensor
    """1 / (sum of the weights): what turns a sum over rows into the mean."""
    mean: Tensor
    """Of the advantages; 0 where they are not to be normalised."""
    inverse_std: Tensor
    """1 / standard deviation of the advantages; 1 where they are not to be normalised."""


def masked_mean(x: Tensor, weights: Tensor) -> Tensor:
    """Mean of ``x`` over the rows whose weight is 1, 0 where there is none."""
    return (x * weights).sum() / weights.sum().clamp(min=1.0)


def minibatch_moments(batch: Batch, minibatches: Tensor, *, normalize: bool, world: World = ALONE) -> list[Moments]:
    """The moments of each minibatch, int64 rows ``[K, B]``, over all ranks."""
    weights = batch.weights[..., minibatches]
    axes = [axis for axis in range(weights.ndim) if axis != weights.ndim - 2]
    counts = world.sum_(weights.sum(axes)).clamp(min=1.0)
    if normalize:
        advantages = batch.advantages[..., minibatches]
        means = world.sum_((advantages * weights).sum(axes)) / counts
        deviations = (advantages - means.unsqueeze(-1)) * weights
        variances = world.sum_(deviations.square().sum(axes)) / counts
        inverse = 1.0 / (variances.sqrt() + 1e-8)
    else:
        means, inverse = torch.zeros_like(counts), torch.ones_like(counts)
    return [Moments(*m) for m in zip(counts.reciprocal().unbind(), means.unbind(), inverse.unbind(), strict=True)]


def ppo_loss(
    params: Tensor, values: Tensor, batch: Batch, moments: Moments, clip_coef: Tensor, head: Head, config: PPOConfig
) -> Any:
    """The clipped surrogate of Schulman et al. (2017), with the value and entropy terms.

    Args:
        params: the policy's output for ``batch.obs``, ``[..., head.num_params]``.
        values: the critic's, ``[...]``.
        moments: of the whole minibatch, of which ``batch`` may be a part: losses of the parts add up.

    Returns:
        ``(loss, metrics)``: a scalar, and the first five of METRICS, detached.
    """

    def mean(x: Tensor) -> Tensor:
        return (x * batch.weights).sum() * moments.scale

    if batch.masks is not None:
        params = mask_logits(params, batch.masks)
    advantages = (batch.advantages - moments.mean) * moments.inverse_std
    log_ratio = head.log_prob(params, batch.actions) - batch.log_probs
    ratio = log_ratio.exp()
    clipped = torch.minimum(torch.maximum(ratio, 1.0 - clip_coef), 1.0 + clip_coef)
    policy_loss = -mean(torch.minimum(advantages * ratio, advantages * clipped))

    errors = (values - batch.returns).square()
    if config.clip_vloss:
        near = batch.values + torch.minimum(torch.maximum(values - batch.values, -clip_coef), clip_coef)
        errors = torch.maximum(errors, (near - batch.returns).square())
    value_loss = 0.5 * mean(errors)
    entropy = mean(head.entropy(params))
    loss = policy_loss + config.vf_coef * value_loss - config.ent_coef * entropy
    approx_kl = mean(ratio - 1.0 - log_ratio)
    clip_fraction = mean(((ratio - 1.0).abs() > clip_coef).float())
    return loss, torch.stack([policy_loss, value_loss, entropy, approx_kl, clip_fraction]).detach()


class Learner:
    """Owns the parameters of ``network`` and Adam's state, and updates them.

    Args:
        workers: threads that share the work on each minibatch, whose size their number must divide.
        world: the ranks whose minibatches together are one.
    """

    def __init__(
        self,
        network: nn.Module,
        head: Head,
        config: PPOConfig,
        *,
        workers: Workers | None = None,
        world: World = ALONE,
    ) -> None:
        parameters = dict(network.named_parameters())
        device = next(iter(parameters.values())).device
        theta = world.broadcast_(torch.cat([p.detach().reshape(-1) for p in parameters.values()]))
        for buffer in network.buffers():
            world.broadcast_(buffer)
        self.state = LearnerState(
            theta=theta,
            exp_avg=torch.zeros_like(theta),
            exp_avg_sq=torch.zeros_like(theta),
            step=torch.zeros((), dtype=torch.int64, device=device),
            learning_rate=torch.tensor(config.learning_rate, device=device),
            clip_coef=torch.tensor(config.clip_coef, device=device),
            metrics=torch.zeros(len(METRICS), device=device),
        )
        self.config = config
        self.workers = workers
        self.world = world
        shapes = {name: p.shape for name, p in parameters.items()}
        for name, view in split_flat(theta, shapes).items():
            parameters[name].data = view

        def gradient(
            state: LearnerState, batch: Batch, rows: Tensor, moments: Moments, module: nn.Module = network
        ) -> Tensor:
            """The gradient of the given rows' part of the loss, and behind it their part of the metrics."""
            part = batch.take(rows)
            leaves = {k: v.detach().requires_grad_() for k, v in split_flat(state.theta, shapes).items()}
            inputs = (part.obs,) if part.memory is None else (part.obs, part.memory, part.starts)
            with torch.enable_grad():
                params, values = torch.func.functional_call(module, leaves, inputs)[:2]
                loss, metrics = ppo_loss(params, values, part, moments, state.clip_coef, head, config)
                # A network of a user's own may have parameters that this loss does not reach.
                grads = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
            return torch.cat([*[g.reshape(-1) for g in grads], metrics])

        def apply(state: LearnerState, parts: list[Tensor]) -> None:
            """Adam's step on the sum of what :func:`gradient` gave."""
            with torch.no_grad():
                total = parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)
                grad, metrics = total.split([len(state.theta), len(METRICS) - 1])
                norm = adam_step(state, grad, max_grad_norm=config.max_grad_norm, eps=config.adam_eps)
                state.metrics.add_(torch.cat([metrics, norm.view(1)]))

        def step(state: LearnerState, batch: Batch, rows: Tensor, moments: Moments) -> None:
            apply(state, [gradient(state, batch, rows, moments)])

        self._step = jit(step, enabled=config.compiles, device=device)
        self._gradient: Callable[..., Tensor] = jit(gradient, enabled=config.compiles, device=device)
        if workers is not None and self._gradient is gradient:
            # Calling a module with other parameters swaps its own for a moment, so each thread needs a module.
            modules: SimpleQueue[nn.Module] = SimpleQueue()
            for _ in range(workers.count):
                modules.put(copy.deepcopy(network))

            def gradient_in_a_thread(state: LearnerState, batch: Batch, rows: Tensor, moments: Moments) -> Tensor:
                module = modules.get()
                try:
                    return gradient(state, batch, rows, moments, module)
                finally:
                    modules.put(module)

            self._gradient = gradient_in_a_thread
        self._apply = jit(apply, enabled=config.compiles, device=device)
        self._captured: Callable[[Batch, list[Tensor]], None] | None = None
        if device.type == "cuda" and config.compiles and world.size == 1:
            from fastvec.train.cuda import CapturedPasses

            self._captured = CapturedPasses(self._pass, self.state)

    def anneal(self, remaining: float) -> None:
        """Set the annealed numbers for ``remaining``, the part of the run that lies ahead (1 at its
        start)."""
        if self.config.anneal_lr:
            self.state.learning_rate.fill_(self.config.learning_rate * remaining)
        if self.config.anneal_clip:
            self.state.clip_coef.fill_(self.config.clip_coef * remaining)

    @torch.no_grad()
    def update(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Make the passes over ``batch`` and return the means of METRICS. This is where the host waits,
        once."""
        config = self.config
        self.state.metrics.zero_()
        device = batch.weights.device
        count, kl = 0, 0.0
        if config.target_kl is None:
            orders = [
                torch.randperm(batch.num_rows, generator=generator, device=device) for _ in range(config.update_epochs)
            ]
            self._passes(batch, orders)
            count = config.update_epochs * config.num_minibatches
        else:
            for _ in range(config.update_epochs):
                self._pass(batch, torch.randperm(batch.num_rows, generator=generator, device=device))
                count += config.num_minibatches
                total = float(self.state.metrics[METRICS.index("approx_kl")])
                if (total - kl) / config.num_minibatches > config.target_kl:
                    break
                kl = total
        means = (self.state.metrics / count).tolist()
        return dict(zip(METRICS, means, strict=True))

    def _passes(self, batch: Batch, orders: list[Tensor]) -> None:
        if self._captured is not None:
            self._captured(batch, orders)
            return
        for order in orders:
            self._pass(batch, order)

    def _pass(self, batch: Batch, order: Tensor) -> None:
        """Every minibatch once, with rows in the given order. Asks the device for nothing, so that it can be
        captured."""
        minibatches = order.view(self.config.num_minibatches, -1)
        moments = minibatch_moments(batch, minibatches, normalize=self.config.norm_adv, world=self.world)
        for rows, moment in zip(minibatches, moments, strict=True):
            self._minibatch(batch, rows, moment)

    def _minibatch(self, batch: Batch, rows: Tensor, moments: Moments) -> None:
        if self.workers is None and self.world.size == 1:
            self._step(self.state, batch, rows, moments)
            return
        if self.workers is None:
            parts = [self._gradient(self.state, batch, rows, moments)]
        else:
            chunks = rows.chunk(self.workers.count)
            parts = self.workers.map(self._gradient, [(self.state, batch, chunk, moments) for chunk in chunks])
        if self.world.size > 1:
            parts = [self.world.sum_(torch.stack(parts).sum(0))]
        self._apply(self.state, parts)

    def state_dict(self) -> dict[str, Tensor]:
        """Adam's state; the parameters are in the network's."""
        return {name: getattr(self.state, name).cpu().clone() for name in ("exp_avg", "exp_avg_sq", "step")}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from :meth:`state_dict`."""
        for name, value in state.items():
            getattr(self.state, name).copy_(value)


def split_flat(flat: Tensor, shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """Views of ``flat`` with the given shapes, one behind the other."""
    pieces = flat.split([math.prod(shape) for shape in shapes.values()])
    return {name: piece.view(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}


def adam_step(
    state: LearnerState,
    grad: Tensor,
    *,
    max_grad_norm: float,
    eps: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
) -> Tensor:
    """Clip ``grad`` to ``max_grad_norm`` and take a step of Adam (Kingma and Ba, 2015) in place; returns the
    norm."""
    norm = torch.linalg.vector_norm(grad)
    grad = grad * (max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
    state.step.add_(1)
    state.exp_avg.lerp_(grad, 1.0 - beta1)
    state.exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1.0 - beta2)
    bias1, bias2 = 1.0 - beta1**state.step, 1.0 - beta2**state.step
    denominator = (state.exp_avg_sq / bias2).sqrt() + eps
    state.theta.sub_(state.learning_rate / bias1 * state.exp_avg / denominator)
    return norm
