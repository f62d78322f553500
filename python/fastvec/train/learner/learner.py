"""Making gradient steps on the rows of a rollout.

The parameters of a network are views of one flat tensor, and Adam's state is flat as well: an optimiser's step is a
handful of operations whatever the network is made of. A step is a pure function of :class:`LearnerState` and a batch
(:mod:`fastvec.train.learner.minibatch_step`), so it can be compiled or captured as a whole.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any

import torch
from torch import Tensor, nn

from fastvec.train.compiled.function import CompiledFunction, Program
from fastvec.train.distributed import ALONE, World
from fastvec.train.jit import builds_ahead, jit
from fastvec.train.learner.adam import AdamSettings, LearnerState
from fastvec.train.learner.captured_pass import CapturedPass
from fastvec.train.learner.flat import FlatLayout
from fastvec.train.learner.minibatch_step import Loss, MinibatchStep, Rows
from fastvec.train.learner.minibatch_threads import MinibatchThreads
from fastvec.train.networks.modes import modules_in_training, set_training, training_mode


class Learner:
    """Owns the parameters of a network and Adam's state, and updates them. It knows no algorithm.

    Args:
        network: the module; its parameters become views of this object's state.
        loss: what its steps make smaller.
        adam: how.
        num_minibatches: into how many parts each pass over a batch is cut.
        scalars: numbers of the loss that may change over the run, by name, as they are at its start.
        stateless: whether the network's calls draw no random numbers and change nothing but what they return.
        compiles: whether its steps go through torch.compile.
        captures: whether passes are captured as graphs on CUDA.
        threads: threads that share the work on each minibatch, whose size their number must divide.
        world: the ranks whose minibatches together are one.
        training_modules: the parts of the network that are in training mode while a gradient is taken, and in
            evaluation mode otherwise; by default those that are in training mode now.

    Attributes:
        metrics: names of what :meth:`update` returns.
        state: all that an update changes.
        learning_rate: the current one.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        adam: AdamSettings,
        *,
        num_minibatches: int,
        scalars: Mapping[str, float] | None = None,
        stateless: bool = False,
        compiles: bool = False,
        captures: bool = True,
        threads: MinibatchThreads | None = None,
        world: World = ALONE,
        training_modules: Sequence[nn.Module] | None = None,
    ) -> None:
        self.loss = loss
        self.training_modules = modules_in_training(network) if training_modules is None else training_modules
        self.metrics = (*loss.metrics, "grad_norm")
        self.num_minibatches = num_minibatches
        self.threads = threads
        self.world = world
        self.learning_rate = adam.learning_rate
        self.layout, self.state = flatten(network, adam, scalars or {}, num_metrics=len(self.metrics), world=world)
        device = self.state.flat_parameters.device

        traced = compiles and not builds_ahead(device, stateless=stateless)
        step = MinibatchStep(network, self.layout, loss, adam, traced=traced)
        compiled = partial(jit, enabled=compiles, device=device, stateless=stateless)
        self._on_rows = compiled(step.on_rows)
        self._on_part = compiled(step.on_part)
        self._apply = compiled(step.apply)
        self._gradient: Callable[..., Tensor] = compiled(step.gradient)
        if threads is not None and not compiles:
            with training_mode(self.training_modules):
                self._gradient = with_module_per_thread(step.gradient, network, threads.count)
        self.captured_pass: CapturedPass | None = None
        if device.type == "cuda":
            one_pass = self.one_pass if world.size > 1 else self._pass_in_order
            self.captured_pass = CapturedPass(one_pass, self.state.variables, capture=captures)
        set_training(self.training_modules, False)

    def set_learning_rate(self, value: float) -> None:
        """Take steps of this size from now on."""
        self.learning_rate = value
        self.state.learning_rate.fill_(value)

    def set_scalar(self, name: str, value: float) -> None:
        """Change a number of the loss."""
        self.state.scalars[name].fill_(value)

    @torch.no_grad()
    def update(
        self,
        batch: Rows,
        generator: torch.Generator,
        *,
        epochs: int,
        stop_above: tuple[str, float] | None = None,
    ) -> Tensor:
        """Make the passes over a batch.

        Args:
            batch: the rows of a rollout.
            generator: of the orders of its rows, on the device.
            epochs: how many passes.
            stop_above: a metric and a bound: the pass in which its mean was above that is the last one.

        Returns:
            The means of :attr:`metrics`, float32 ``[len(metrics)]``, on the device: without ``stop_above``, the host
            has not waited for it.
        """
        self.state.metrics.zero_()
        device = self.state.flat_parameters.device
        if stop_above is None:
            orders = [torch.randperm(batch.num_rows, generator=generator, device=device) for _ in range(epochs)]
            self._passes(batch, orders)
            return self.state.metrics / (epochs * self.num_minibatches)
        name, bound = stop_above
        count, before = 0, 0.0
        for _ in range(epochs):
            self._passes(batch, [torch.randperm(batch.num_rows, generator=generator, device=device)])
            count += self.num_minibatches
            total = float(self.state.metrics[self.metrics.index(name)])
            if (total - before) / self.num_minibatches > bound:
                break
            before = total
        return self.state.metrics / count

    def prepare(self, batch: Rows) -> list[Program]:
        """Begin to build the programs that :meth:`update` calls for such a batch, where that can be done ahead of it.

        Args:
            batch: rows like those to come; what they hold does not matter. All ranks call this.
        """
        if not isinstance(self._on_rows, CompiledFunction):
            return []
        with training_mode(self.training_modules):
            minibatches = torch.arange(batch.num_rows).view(self.num_minibatches, -1)
            if self.threads is None and self.world.size == 1:
                return [self._on_rows.prepare(self.state, batch, minibatches[0])]
            assert isinstance(self._gradient, CompiledFunction)
            assert isinstance(self._apply, CompiledFunction)
            moments = self.loss.moments(batch, minibatches, self.world)[0]
            count = 1 if self.threads is None else self.threads.count
            part = torch.zeros(len(self.state.flat_parameters) + len(self.loss.metrics))
            parts = [part] * (count if self.world.size == 1 else 1)
            rows = minibatches[0].chunk(count)[0]
            return [self._gradient.prepare(self.state, batch, rows, moments), self._apply.prepare(self.state, parts)]

    def _passes(self, batch: Rows, orders: list[Tensor]) -> None:
        with training_mode(self.training_modules):
            self._make_passes(batch, orders)

    def _make_passes(self, batch: Rows, orders: list[Tensor]) -> None:
        if self.captured_pass is not None:
            for order in orders:
                self.captured_pass(batch, order)
            return
        for order in orders:
            self.one_pass(batch, order)

    def one_pass(self, batch: Rows, order: Tensor) -> None:
        """Every minibatch once, with rows in the given order. Waits for nothing, so that it can be captured."""
        minibatches = order.view(self.num_minibatches, -1)
        if self.threads is None and self.world.size == 1:
            for rows in minibatches:
                self._on_rows(self.state, batch, rows)
            return
        moments = self.loss.moments(batch, minibatches, self.world)
        for rows, moment in zip(minibatches, moments, strict=True):
            self._shared_step(batch, rows, moment)

    def _pass_in_order(self, batch: Rows, order: Tensor) -> None:
        """:meth:`one_pass` for a device on which every operation is a launch.

        Rows are gathered once, and each minibatch is a view. But for images, of which there is memory for one copy.
        """
        images = batch.obs.dtype == torch.uint8
        ordered = (batch.without_obs() if images else batch).take(order)
        size = len(order) // self.num_minibatches
        for start in range(0, len(order), size):
            part = ordered.between(start, size)
            if images:
                part = part.with_obs(batch.take_obs(order[start : start + size]))
            self._on_part(self.state, part)

    def _shared_step(self, batch: Rows, rows: Tensor, moments: Any) -> None:
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


def flatten(
    network: nn.Module, adam: AdamSettings, scalars: Mapping[str, float], *, num_metrics: int, world: World
) -> tuple[FlatLayout, LearnerState]:
    """Make the parameters that are trained views of one flat tensor. The network becomes the same on all ranks.

    Returns:
        How they lie, and the state of a learner that has taken no step.
    """
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
    device = next(iter(parameters.values())).device
    layout = FlatLayout({name: p.shape for name, p in parameters.items()}, device)
    flat = world.broadcast_(layout.join([p.detach() for p in parameters.values()]))
    frozen = [p.data for p in network.parameters() if not p.requires_grad]
    for tensor in (*frozen, *network.buffers()):
        world.broadcast_(tensor)
    state = LearnerState(
        flat_parameters=flat,
        exp_avg=torch.zeros_like(flat),
        exp_avg_sq=torch.zeros_like(flat),
        step=torch.zeros((), dtype=torch.int64, device=device),
        learning_rate=torch.tensor(adam.learning_rate, device=device),
        scalars={name: torch.tensor(value, device=device) for name, value in scalars.items()},
        metrics=torch.zeros(num_metrics, device=device),
    )
    for name, view in layout.split(flat).items():
        parameters[name].data = view
    return layout, state


def with_module_per_thread(gradient: Callable[..., Tensor], network: nn.Module, count: int) -> Callable[..., Tensor]:
    """``gradient`` for ``count`` threads at once, which runs eagerly.

    Calling a module with other parameters swaps its own for a moment, so each thread needs a module.
    """
    modules: SimpleQueue[nn.Module] = SimpleQueue()
    for _ in range(count):
        modules.put(copy.deepcopy(network))

    def in_a_thread(*arguments: Any) -> Tensor:
        module = modules.get()
        try:
            return gradient(*arguments, module)
        finally:
            modules.put(module)

    return in_a_thread
