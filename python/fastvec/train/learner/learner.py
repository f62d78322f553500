"""PPO's update: loss, gradients, clipping and Adam of one minibatch in one function, and so in one compiled graph.

On a CPU, all minibatches of all passes are one graph. Where a minibatch is cut into parts (threads, ranks), the
gradient is one graph and Adam another.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fastvec.train.config import PPOConfig
from fastvec.train.distributed import ALONE, World
from fastvec.train.distributions import ActionDistribution
from fastvec.train.jit import jit, while_loop
from fastvec.train.learner.cuda_update import CapturedPass
from fastvec.train.learner.flat import FlatLayout
from fastvec.train.learner.minibatch_threads import MinibatchThreads
from fastvec.train.loss import METRICS, Batch, Moments, minibatch_moments, ppo_loss
from fastvec.train.networks import ActorCritic


class LearnerState(NamedTuple):
    """Everything that an update changes or reads, on the device.

    All are updated in place, never replaced: numbers that are annealed would otherwise freeze in a compiled graph.

    Attributes:
        theta: float32 ``[P]``: all parameters side by side, each at a multiple of ALIGNMENT; the network's own
            parameters are views of it.
        exp_avg: float32 ``[P]``: Adam's mean of the gradients.
        exp_avg_sq: float32 ``[P]``: Adam's mean of their squares.
        step: int64 ``[]``: gradient steps taken.
        learning_rate: float32 ``[]``.
        clip_coef: float32 ``[]``.
        metrics: float32 ``[len(METRICS)]``: sums over the minibatches since they were last read.
    """

    theta: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor
    step: Tensor
    learning_rate: Tensor
    clip_coef: Tensor
    metrics: Tensor

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """What a gradient step changes."""
        return self.theta, self.exp_avg, self.exp_avg_sq, self.step, self.metrics

    def with_variables(self, variables: Sequence[Tensor]) -> LearnerState:
        """A state with others in the place of :attr:`variables`."""
        theta, exp_avg, exp_avg_sq, step, metrics = variables
        return self._replace(theta=theta, exp_avg=exp_avg, exp_avg_sq=exp_avg_sq, step=step, metrics=metrics)


class Learner:
    """Owns the parameters of ``network`` and Adam's state, and updates them.

    Args:
        compiles: whether its steps go through torch.compile.
        threads: threads that share the work on each minibatch, whose size their number must divide.
        world: the ranks whose minibatches together are one.
    """

    def __init__(
        self,
        network: ActorCritic,
        head: ActionDistribution,
        config: PPOConfig,
        *,
        compiles: bool = False,
        threads: MinibatchThreads | None = None,
        world: World = ALONE,
    ) -> None:
        parameters = dict(network.named_parameters())
        device = next(iter(parameters.values())).device
        self.layout = layout = FlatLayout({name: p.shape for name, p in parameters.items()}, device)
        theta = world.broadcast_(layout.join([p.detach() for p in parameters.values()]))
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
        self.threads = threads
        self.world = world
        self.learning_rate = config.learning_rate
        for name, view in layout.split(theta).items():
            parameters[name].data = view

        differentiate = transform_gradients if compiles else recorded_gradients

        def gradient_of(state: LearnerState, part: Batch, moments: Moments, module: nn.Module = network) -> Tensor:
            """The gradient of a part of a minibatch's loss, and behind it its part of the metrics."""
            inputs = (part.obs,) if part.memory is None else (part.obs, part.memory, part.episode_starts)

            def loss(leaves: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
                params, values = torch.func.functional_call(module, leaves, inputs)[:2]
                return ppo_loss(params, values, part, moments, state.clip_coef, head, config)

            grads, metrics = differentiate(loss, layout.split(state.theta))
            return layout.join(grads, metrics)

        def gradient(
            state: LearnerState, batch: Batch, rows: Tensor, moments: Moments, module: nn.Module = network
        ) -> Tensor:
            """:func:`gradient_of` the given rows."""
            return gradient_of(state, batch.take(rows), moments, module)

        def apply(state: LearnerState, parts: list[Tensor]) -> None:
            """Adam's step on the sum of what :func:`gradient` gave."""
            with torch.no_grad():
                total = parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)
                grad, metrics = total.split([len(state.theta), len(METRICS) - 1])
                norm = adam_step(state, grad, max_grad_norm=config.max_grad_norm, eps=config.adam_eps)
                state.metrics.add_(torch.cat([metrics, norm.view(1)]))

        def step_on(state: LearnerState, part: Batch) -> None:
            valid, advantages = part.valid.unsqueeze(-2), part.advantages.unsqueeze(-2)
            (moments,) = minibatch_moments(valid, advantages, normalize=config.norm_adv)
            apply(state, [gradient_of(state, part, moments)])

        def step(state: LearnerState, batch: Batch, rows: Tensor) -> None:
            step_on(state, batch.take(rows))

        def loop(state: LearnerState, batch: Batch, minibatches: Tensor) -> None:
            """:func:`step` for all minibatches, int64 rows ``[K, B]``, in turn."""
            variables = state.variables

            def unfinished(k: Tensor, *variables: Tensor) -> Tensor:
                return k < len(minibatches)

            def body(k: Tensor, *variables: Tensor) -> tuple[Tensor, ...]:
                # What a loop is given must stay as it is; what it gives back are new tensors.
                now = state.with_variables([x.clone() for x in variables])
                step(now, batch, minibatches.index_select(0, k.view(1))[0])
                return (k + 1, *now.variables)

            start = torch.zeros((), dtype=torch.int64)
            _, *results = while_loop(unfinished, body, (start, *variables))
            for x, result in zip(variables, results, strict=True):
                x.copy_(result)

        self._step = jit(step, enabled=compiles, device=device)
        self._step_on = jit(step_on, enabled=compiles, device=device)
        looped = jit(loop, enabled=compiles, device=device)
        whole = device.type == "cpu" and threads is None and world.size == 1 and network.pure
        self.loop = looped if whole and looped is not loop else None
        self._gradient: Callable[..., Tensor] = jit(gradient, enabled=compiles, device=device)
        if threads is not None and self._gradient is gradient:
            # Calling a module with other parameters swaps its own for a moment, so each thread needs a module.
            modules: SimpleQueue[nn.Module] = SimpleQueue()
            for _ in range(threads.count):
                modules.put(copy.deepcopy(network))

            def gradient_in_a_thread(state: LearnerState, batch: Batch, rows: Tensor, moments: Moments) -> Tensor:
                module = modules.get()
                try:
                    return gradient(state, batch, rows, moments, module)
                finally:
                    modules.put(module)

            self._gradient = gradient_in_a_thread
        self._apply = jit(apply, enabled=compiles, device=device)
        self.captured_pass: CapturedPass | None = None
        if device.type == "cuda":
            one_pass = self.one_pass if world.size > 1 else self._pass_in_order
            self.captured_pass = CapturedPass(one_pass, self.state.variables, capture=config.cuda_graphs)

    def anneal(self, remaining: float) -> None:
        """Set the annealed numbers for ``remaining``, the part of the run that lies ahead (1 at its start)."""
        if self.config.anneal_lr:
            self.learning_rate = self.config.learning_rate * remaining
            self.state.learning_rate.fill_(self.learning_rate)
        if self.config.anneal_clip:
            self.state.clip_coef.fill_(self.config.clip_coef * remaining)

    @torch.no_grad()
    def update(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Make the passes over a batch.

        Args:
            batch: the rows of a rollout.
            generator: of the orders of its rows, on the device.

        Returns:
            The means of METRICS, float32 ``[len(METRICS)]``, on the device: without ``target_kl``, the host has not
            waited for it.
        """
        config = self.config
        self.state.metrics.zero_()
        device = batch.valid.device
        count, kl = 0, 0.0
        if config.target_kl is None:
            orders = [
                torch.randperm(batch.num_rows, generator=generator, device=device) for _ in range(config.update_epochs)
            ]
            self._passes(batch, orders)
            count = config.update_epochs * config.num_minibatches
        else:
            for _ in range(config.update_epochs):
                self._passes(batch, [torch.randperm(batch.num_rows, generator=generator, device=device)])
                count += config.num_minibatches
                total = float(self.state.metrics[METRICS.index("approx_kl")])
                if (total - kl) / config.num_minibatches > config.target_kl:
                    break
                kl = total
        return self.state.metrics / count

    def _passes(self, batch: Batch, orders: list[Tensor]) -> None:
        if self.captured_pass is not None:
            for order in orders:
                self.captured_pass(batch, order)
            return
        if self.loop is not None:
            self.loop(self.state, batch, torch.stack(orders).view(-1, self.config.minibatch_size))
            return
        for order in orders:
            self.one_pass(batch, order)

    def one_pass(self, batch: Batch, order: Tensor) -> None:
        """Every minibatch once, with rows in the given order. Waits for nothing, so that it can be captured."""
        minibatches = order.view(self.config.num_minibatches, -1)
        if self.threads is None and self.world.size == 1:
            for rows in minibatches:
                self._step(self.state, batch, rows)
            return
        valid, advantages = batch.valid[..., minibatches], batch.advantages[..., minibatches]
        moments = minibatch_moments(valid, advantages, normalize=self.config.norm_adv, world=self.world)
        for rows, moment in zip(minibatches, moments, strict=True):
            self._shared_step(batch, rows, moment)

    def _pass_in_order(self, batch: Batch, order: Tensor) -> None:
        """:meth:`one_pass` for a device on which every operation is a launch.

        Rows are gathered once, and each minibatch is a view. But for images, of which there is memory for one copy.
        """
        images = batch.obs.dtype == torch.uint8
        ordered = (batch._replace(obs=batch.valid) if images else batch).take(order)
        size = len(order) // self.config.num_minibatches
        for start in range(0, len(order), size):
            part = ordered.between(start, size)
            if images:
                part = part._replace(obs=batch.take_obs(order[start : start + size]))
            self._step_on(self.state, part)

    def _shared_step(self, batch: Batch, rows: Tensor, moments: Moments) -> None:
        """A step on a minibatch that threads or ranks share; ``rows`` are this rank's part of it."""
        if self.threads is None:
            parts = [self._gradient(self.state, batch, rows, moments)]
        else:
            chunks = rows.chunk(self.threads.count)
            parts = self.threads.map(self._gradient, [(self.state, batch, chunk, moments) for chunk in chunks])
        if self.world.size > 1:
            parts = [self.world.sum_(torch.stack(parts).sum(0))]
        self._apply(self.state, parts)

    def state_dict(self) -> dict[str, Tensor]:
        """Adam's state; the parameters are in the network's. Moments lie side by side without gaps."""
        moments = {name: self.layout.pack(getattr(self.state, name)).cpu() for name in ("exp_avg", "exp_avg_sq")}
        return {**moments, "step": self.state.step.cpu().clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from :meth:`state_dict`."""
        self.state.step.copy_(state["step"])
        for name in ("exp_avg", "exp_avg_sq"):
            getattr(self.state, name).copy_(self.layout.unpack(state[name]))


Loss = Callable[[dict[str, Tensor]], tuple[Tensor, Tensor]]
"""``loss(parameters) -> (loss, metrics)``"""


def recorded_gradients(loss: Loss, parameters: dict[str, Tensor]) -> tuple[Sequence[Tensor], Tensor]:
    """Gradients in the parameters' order, and the metrics, by PyTorch's usual recording.

    It is the faster way where nothing is compiled.
    """
    leaves = {name: p.detach().requires_grad_() for name, p in parameters.items()}
    with torch.enable_grad():
        value, metrics = loss(leaves)
        # A network of a user's own may have parameters that this loss does not reach.
        grads = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return grads, metrics


def transform_gradients(loss: Loss, parameters: dict[str, Tensor]) -> tuple[Sequence[Tensor], Tensor]:
    """The same by a transform of the function, which can be part of a compiled loop."""
    grads, metrics = torch.func.grad(loss, has_aux=True)(parameters)
    return list(grads.values()), metrics


def adam_step(
    state: LearnerState,
    grad: Tensor,
    *,
    max_grad_norm: float,
    eps: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
) -> Tensor:
    """Clip a gradient and take a step of Adam (Kingma and Ba, 2015), in place.

    Args:
        state: its parameters, both means and ``step`` are changed.
        grad: float32 ``[P]``.
        max_grad_norm: the norm that it is scaled down to.
        eps: Adam's epsilon.
        beta1: Adam's, of the mean.
        beta2: Adam's, of the mean of squares.

    Returns:
        The gradient's norm before, float32 ``[]``.
    """
    norm = torch.linalg.vector_norm(grad)
    grad = grad * (max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
    state.step.add_(1)
    state.exp_avg.lerp_(grad, 1.0 - beta1)
    state.exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1.0 - beta2)
    bias1, bias2 = 1.0 - beta1**state.step, 1.0 - beta2**state.step
    denominator = (state.exp_avg_sq / bias2).sqrt() + eps
    state.theta.sub_(state.learning_rate / bias1 * state.exp_avg / denominator)
    return norm
