"""The gradient steps of soft actor-critic: who owns what they change, and how they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fastvec.train.compiled.function import CompiledFunction, Program
from fastvec.train.compiled.library import find_gemm
from fastvec.train.compiled.loop import CompiledLoop, Phase, RowArguments
from fastvec.train.config import SACConfig
from fastvec.train.devices import soft_threads_for
from fastvec.train.distributed import ALONE, World
from fastvec.train.jit import builds_ahead, jit
from fastvec.train.learner.adam import AdamSettings
from fastvec.train.learner.captured_steps import CapturedSteps
from fastvec.train.learner.learner import flatten
from fastvec.train.learner.minibatch_threads import shards_for
from fastvec.train.networks.soft import SoftActorCritic
from fastvec.train.rollout.replay import Transitions
from fastvec.train.soft_step import METRICS, Layouts, SoftState, SoftStep

LEAST_ROWS = 32
"""Rows below which products of matrices slow down too much for a part of a batch to gain: its threads meet in native
code, so that less is enough than for minibatches."""


def soft_parts_for(network: nn.Module, config: SACConfig) -> int:
    """Into how many equal parts, each for a thread, a compiled gradient step cuts its batch on a CPU."""
    threads = config.torch_threads or soft_threads_for(network, config)
    return shards_for(config.batch_size, threads, min_rows=LEAST_ROWS)


class Temperature(nn.Module):
    """The weight of the entropy, by its logarithm."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log_alpha = nn.Parameter(torch.tensor([initial]).log())


class SoftUpdate:
    """Owns what a :class:`SoftActorCritic` learns with, and takes gradient steps.

    On a CPU, compiled steps are one native loop; on CUDA, they are captured as graphs.

    Args:
        network: its parameters become views of this object's state.
        num_actions: A, numbers in an action.
        config: the settings.
        compiles: whether a step is compiled.
        captures: whether steps are captured as graphs on CUDA.
        num_threads: into how many equal parts compiled steps cut a batch on a CPU, each in a thread of its own.
        world: the ranks whose batches together are one.

    Attributes:
        state: all that a gradient step changes.
        num_parts: into how many parts a batch is cut.
    """

    def __init__(
        self,
        network: SoftActorCritic,
        num_actions: int,
        config: SACConfig,
        *,
        compiles: bool = False,
        captures: bool = True,
        num_threads: int = 1,
        world: World = ALONE,
    ) -> None:
        device = next(network.parameters()).device
        self.temperature = Temperature(config.initial_temperature).to(device)
        adam = AdamSettings(config.learning_rate, config.adam_eps, config.max_grad_norm)
        modules: tuple[nn.Module, ...] = (network.actor_net, network.critic_net, self.temperature)
        flat = [flatten(module, adam, {}, num_metrics=0, world=world) for module in modules]
        self.layouts = Layouts(*(layout for layout, _ in flat))
        actor, critic, temperature = (state for _, state in flat)
        self.state = SoftState(
            actor,
            critic,
            temperature,
            target=critic.flat_parameters.clone(),
            metrics=torch.zeros(len(METRICS), device=device),
        )
        self.learning_rate = config.learning_rate
        stateless = world.size == 1  # what ranks tell each other is no part of a program that is built ahead
        ahead = compiles and builds_ahead(device, stateless=stateless)
        self.num_parts = num_threads if ahead and find_gemm() is not None else 1
        step = SoftStep(
            network,
            self.layouts,
            num_actions,
            config,
            num_parts=self.num_parts,
            traced=compiles and not ahead,
            world=world,
        )
        self.loop: CompiledLoop | None = None
        self.captured_steps: CapturedSteps | None = None
        if ahead:
            self.loop = CompiledLoop(self._phases(step), num_threads=self.num_parts)
            return
        self._one_step = jit(step.whole, enabled=compiles, device=device)
        if device.type == "cuda":
            self.captured_steps = CapturedSteps(self._one_by_one, self.state.variables, capture=captures)

    def _phases(self, step: SoftStep) -> list[Phase]:
        state, count = self.state, self.num_parts
        if count == 1:
            return [Phase(CompiledFunction(step.whole), fixed=[(state,)], into=[()])]

        def parts_of(state: Tensor) -> list[Tensor]:  # behind a gradient, two metrics
            return [torch.zeros(len(state) + 2) for _ in range(count)]

        of_critic, of_actor = parts_of(state.critic.flat_parameters), parts_of(state.actor.flat_parameters)
        each = [(state,)] * count
        return [
            Phase(CompiledFunction(step.critic_gradient), fixed=each, into=[(x,) for x in of_critic]),
            Phase(CompiledFunction(step.apply_critic), fixed=[(state, of_critic)], into=[()]),
            Phase(CompiledFunction(step.actor_gradient), fixed=each, into=[(x,) for x in of_actor]),
            Phase(CompiledFunction(step.apply_actor), fixed=[(state, of_critic, of_actor)], into=[()]),
        ]

    def _arguments(self, batches: Transitions, noise: Tensor) -> RowArguments:
        """What the loop's phases take of K batches."""
        if self.num_parts == 1:
            return [[(batches, noise)]]
        size = noise.shape[2] // self.num_parts
        parts = [slice(i * size, (i + 1) * size) for i in range(self.num_parts)]
        of_critic = [(Transitions(*(x[:, part] for x in batches)), noise[:, 0, part]) for part in parts]
        of_actor = [(batches.obs[:, part], noise[:, 1, part]) for part in parts]
        return [of_critic, [()], of_actor, [()]]

    def prepare(self, batches: Transitions, noise: Tensor) -> list[Program]:
        """Begin to build the programs that such batches need, where that can be done ahead of them."""
        return [] if self.loop is None else self.loop.prepare(self._arguments(batches, noise))

    def set_learning_rate(self, value: float) -> None:
        """Take steps of this size from now on."""
        self.learning_rate = value
        for state in (self.state.actor, self.state.critic, self.state.temperature):
            state.learning_rate.fill_(value)

    @torch.no_grad()
    def __call__(self, batches: Transitions, noise: Tensor) -> Tensor:
        """Take K gradient steps.

        Args:
            batches: K batches ``[K, B, ...]``, with observations as the network sees them and rewards scaled.
            noise: standard normal, ``[K, 2, B, A]``.

        Returns:
            The means of METRICS over the steps and the ranks, float32 ``[len(METRICS)]``, on the device.
        """
        self.state.metrics.zero_()
        if self.loop is not None:
            self.loop.run(self._arguments(batches, noise), len(noise))
        else:
            (self.captured_steps or self._one_by_one)((*batches, noise))
        return self.state.metrics / len(noise)

    def _one_by_one(self, inputs: Sequence[Tensor]) -> None:
        """A step for each row of a batch's tensors and of its noise. Waits for nothing, so that it can be captured."""
        for *batch, noise in zip(*inputs, strict=True):
            self._one_step(self.state, Transitions(*batch), noise)

    def state_dict(self) -> dict[str, Any]:
        """What gradient steps go on from; the parameters of actor and critics are in the network's."""
        state, (_, critic, _) = self.state, self.layouts
        adam = [
            {
                **{name: layout.pack(getattr(part, name)).cpu() for name in ("exp_avg", "exp_avg_sq")},
                "step": part.step.cpu().clone(),
            }
            for layout, part in zip(self.layouts, state[:3], strict=True)
        ]
        return {
            "adam": adam,
            "target": critic.pack(state.target).cpu(),
            "log_alpha": self.temperature.log_alpha.detach().cpu().clone(),
        }

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        with torch.no_grad():
            for layout, part, saved in zip(self.layouts, self.state[:3], content["adam"], strict=True):
                part.step.copy_(saved["step"])
                for name in ("exp_avg", "exp_avg_sq"):
                    getattr(part, name).copy_(layout.unpack(saved[name]))
            self.state.target.copy_(self.layouts[1].unpack(content["target"]))
            self.temperature.log_alpha.copy_(content["log_alpha"])
