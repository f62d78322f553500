"""PPO's update: loss, gradients, clipping and Adam of one minibatch in one function, and so in one compiled
graph."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fastvec.train.config import PPOConfig
from fastvec.train.distributions import Head, mask_logits
from fastvec.train.jit import jit

METRICS = ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "grad_norm")


class Batch(NamedTuple):
    """A rollout as flat rows, or a minibatch of them. float32 but for uint8 images and integer actions."""

    obs: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor
    weights: Tensor
    """1, or 0 for rows that are no decision of the policy: they count nowhere."""
    masks: Tensor | None

    def take(self, rows: Tensor) -> Batch:
        """The minibatch of the given rows, int64 ``[B]``."""
        taken = [x if x is None else x[rows] for x in self]
        return Batch(*taken)  # type: ignore[arg-type]


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


def masked_mean(x: Tensor, weights: Tensor) -> Tensor:
    """Mean of ``x`` over the rows whose weight is 1, 0 where there is none."""
    return (x * weights).sum() / weights.sum().clamp(min=1.0)


def ppo_loss(params: Tensor, values: Tensor, batch: Batch, clip_coef: Tensor, head: Head, config: PPOConfig) -> Any:
    """The clipped surrogate of Schulman et al. (2017), with the value and entropy terms.

    Args:
        params: the policy's output for ``batch.obs``, ``[B, head.num_params]``.
        values: the critic's, ``[B]``.

    Returns:
        ``(loss, metrics)``: a scalar, and the first five of METRICS, detached.
    """
    weights = batch.weights
    if batch.masks is not None:
        params = mask_logits(params, batch.masks)
    advantages = batch.advantages
    if config.norm_adv:
        advantages = advantages - masked_mean(advantages, weights)
        advantages = advantages / (masked_mean(advantages.square(), weights).sqrt() + 1e-8)
    log_ratio = head.log_prob(params, batch.actions) - batch.log_probs
    ratio = log_ratio.exp()
    clipped = torch.minimum(torch.maximum(ratio, 1.0 - clip_coef), 1.0 + clip_coef)
    policy_loss = -masked_mean(torch.minimum(advantages * ratio, advantages * clipped), weights)

    errors = (values - batch.returns).square()
    if config.clip_vloss:
        near = batch.values + torch.minimum(torch.maximum(values - batch.values, -clip_coef), clip_coef)
        errors = torch.maximum(errors, (near - batch.returns).square())
    value_loss = 0.5 * masked_mean(errors, weights)
    entropy = masked_mean(head.entropy(params), weights)
    loss = policy_loss + config.vf_coef * value_loss - config.ent_coef * entropy
    approx_kl = masked_mean(ratio - 1.0 - log_ratio, weights)
    clip_fraction = masked_mean(((ratio - 1.0).abs() > clip_coef).float(), weights)
    return loss, torch.stack([policy_loss, value_loss, entropy, approx_kl, clip_fraction]).detach()


class Learner:
    """Owns the parameters of ``network`` and Adam's state, and updates them."""

    def __init__(self, network: nn.Module, head: Head, config: PPOConfig) -> None:
        parameters = dict(network.named_parameters())
        device = next(iter(parameters.values())).device
        theta = torch.cat([p.detach().reshape(-1) for p in parameters.values()])
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
        shapes = {name: p.shape for name, p in parameters.items()}
        for name, view in split_flat(theta, shapes).items():
            parameters[name].data = view

        def step(state: LearnerState, batch: Batch, rows: Tensor) -> None:
            minibatch = batch.take(rows)
            leaves = {k: v.detach().requires_grad_() for k, v in split_flat(state.theta, shapes).items()}
            with torch.enable_grad():
                params, values = torch.func.functional_call(network, leaves, (minibatch.obs,))
                loss, metrics = ppo_loss(params, values, minibatch, state.clip_coef, head, config)
                grads = torch.autograd.grad(loss, list(leaves.values()))
            with torch.no_grad():
                grad = torch.cat([g.reshape(-1) for g in grads])
                norm = adam_step(state, grad, max_grad_norm=config.max_grad_norm, eps=config.adam_eps)
                state.metrics.add_(torch.cat([metrics, norm.view(1)]))

        self._step = jit(step, enabled=config.compiles)

    def anneal(self, remaining: float) -> None:
        """Set the annealed numbers for ``remaining``, the part of the run that lies ahead (1 at its
        start)."""
        if self.config.anneal_lr:
            self.state.learning_rate.fill_(self.config.learning_rate * remaining)
        if self.config.anneal_clip:
            self.state.clip_coef.fill_(self.config.clip_coef * remaining)

    def update(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Make the passes over ``batch`` and return the means of METRICS. This is where the host waits,
        once."""
        config = self.config
        self.state.metrics.zero_()
        num_rows, minibatches, kl = len(batch.weights), 0, 0.0
        for _ in range(config.update_epochs):
            order = torch.randperm(num_rows, generator=generator, device=batch.weights.device)
            for rows in order.split(num_rows // config.num_minibatches):
                self._step(self.state, batch, rows)
            minibatches += config.num_minibatches
            if config.target_kl is not None:
                total = float(self.state.metrics[METRICS.index("approx_kl")])
                if (total - kl) / config.num_minibatches > config.target_kl:
                    break
                kl = total
        means = (self.state.metrics / minibatches).tolist()
        return dict(zip(METRICS, means, strict=True))

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
