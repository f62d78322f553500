"""Soft actor-critic, from top to bottom: make the parts, collect a few steps, draw from what was seen, learn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from fastvec.train.checkpoint import (
    read_checkpoint,
    restore_module,
    restore_statistics,
    state_of,
    write_checkpoint,
)
from fastvec.train.compiled.function import CompiledFunction, Program
from fastvec.train.config import SACConfig
from fastvec.train.distributed import ALONE, World
from fastvec.train.distributions import ScaledActionDecoder, TanhGaussian
from fastvec.train.env.source import EnvSource
from fastvec.train.env.stepper import Stepper
from fastvec.train.jit import jit
from fastvec.train.networks.soft import SoftActorCritic
from fastvec.train.normalize import ObservationNormalizer, ReturnScale
from fastvec.train.policy import Policy
from fastvec.train.presets import preset
from fastvec.train.report import Report
from fastvec.train.rollout.collector import Collector
from fastvec.train.rollout.replay import ReplayBuffer, Transitions
from fastvec.train.soft_step import METRICS
from fastvec.train.soft_update import SoftUpdate, soft_parts_for
from fastvec.train.trainer import Trainer

STEPS_PER_REPORT = 1024
"""Environment steps that an iteration takes at least, so that reports, logs and checkpoints cost little."""


class SAC(Trainer[SACConfig]):
    """A policy for Box actions, and what it takes to train it from few steps.

    Args:
        env: the id of an environment, or any ``gymnasium.vector.VectorEnv`` with bounded Box actions, in any autoreset
            mode; or several of those, alike but for their number of environments.
        config: all settings; by default those of :func:`fastvec.train.preset` for the id.
        env_kwargs: passed on to the environments when ``env`` is an id; beside a vector, what others like it are made
            with for evaluations (by default what its ``spec`` says).
        world: the processes that train together, from :func:`fastvec.train.distributed.join_world`; each has
            ``num_envs`` environments, a replay buffer and batches of its own, and gradients are averaged.
        **overrides: single settings, by the names of :class:`SACConfig`.

    Raises:
        ValueError, TypeError: a setting that cannot be; spaces that SAC cannot work with; a replay buffer for which
            there is no memory.
    """

    algorithm = "sac"
    config_type = SACConfig

    def __init__(
        self,
        env: str | VectorEnv | Sequence[VectorEnv],
        *,
        config: SACConfig | None = None,
        env_kwargs: dict[str, Any] | None = None,
        world: World = ALONE,
        **overrides: Any,
    ) -> None:
        source = EnvSource.of(env, env_kwargs)
        if config is None:
            config = preset(source.env_id, algorithm="sac") if source.env_id else SACConfig()
        super().__init__(source, source.configure(config, overrides), world=world)
        config = self.config
        space = check_spaces(self.envs)
        steppers = [Stepper(group) for group in self.groups]
        encoder = steppers[0].encoder
        self.head = TanhGaussian(math.prod(space.shape))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = SoftActorCritic(math.prod(encoder.shape), self.head.size, config)
        self.network.to(self.device)
        self.obs_normalizer = ObservationNormalizer(encoder.shape).to(self.device) if config.normalize_obs else None
        self.return_scale: ReturnScale | None = None
        if config.scale_rewards or (config.scale_rewards is None and config.network == "residual"):
            self.return_scale = ReturnScale(config.num_envs, config.gamma, config.value_range).to(self.device)
        decoder = ScaledActionDecoder(space)
        self.policy = Policy(
            self.network,
            self.head,
            observation_space=self.envs.single_observation_space,
            action_space=space,
            encoder=encoder,
            obs_normalizer=self.obs_normalizer,
            generator=self.predict_generator,
            device=self.device,
            decoder=decoder,
        )
        self.update = SoftUpdate(
            self.network,
            self.head.size,
            config,
            compiles=self.compiles,
            captures=config.cuda_graphs,
            num_threads=soft_parts_for(self.network, config),
            world=world,
        )
        self.torch_threads = max(1, (config.torch_threads or 1) // self.update.num_parts)
        self.replay = ReplayBuffer(
            config.buffer_size,
            config.num_envs,
            obs_shape=encoder.shape,
            obs_dtype=encoder.dtype,
            action_shape=self.head.action_shape,
            action_dtype=self.head.action_dtype,
            n_step=config.n_step,
            gamma=config.gamma,
            seed=config.seed + world.rank * 1_000_003,
            device=self.device,
        )
        where = "" if self.replay.storage == self.device else f" of the host's memory: there is less on {self.device}"
        self.notes.append(
            f"a replay buffer of {config.buffer_size:,} steps takes {self.replay.nbytes / 1e9:.2g} GB{where}"
        )
        last = self.num_iterations * self.steps_per_iteration * world.size
        if last <= config.learning_starts:
            self.notes.append(
                f"no gradient steps: learning_starts is {config.learning_starts:,}, and the run ends after {last:,}"
            )
        self.collector = Collector(
            steppers,
            self.head,
            decoder,
            num_steps=config.num_steps,
            device=self.device,
            cuda_graphs=config.cuda_graphs,
        )
        self.explores = torch.ones((), device=self.device)
        """1 while actions are drawn evenly from all that there are, then 0."""
        self.updates_due = 0.0
        self.fills_until = config.learning_starts
        self.act = jit(self._choose, enabled=self.compiles, device=self.device, stateless=True)

    @property
    def steps_per_iteration(self) -> int:
        """The environment steps between two reports."""
        return self._rounds * self.config.num_envs * self.config.num_steps

    @property
    def _rounds(self) -> int:
        """How often an iteration collects and learns."""
        return -(-STEPS_PER_REPORT // (self.config.num_envs * self.config.num_steps))

    def _choose(
        self, obs: Tensor, noise: Tensor, mask: Tensor | None, memory: Tensor | None, episode_starts: Tensor | None
    ) -> Tensor:
        """The policy's actions, or even ones from the same noise while :attr:`explores` is 1."""
        even = torch.erf(noise * math.sqrt(0.5))
        return torch.where(self.explores > 0, even, self.policy.choose(obs, noise, mask, memory, episode_starts))

    def _begin(self) -> None:
        if self.collector.is_underway:
            self.replay.close_episodes()
            if self.return_scale is not None:
                self.return_scale.returns.zero_()
        super()._begin()

    @torch.no_grad()
    def _prepare(self) -> list[Program]:
        if not isinstance(self.act, CompiledFunction):
            return []
        config = self.config
        obs = self.policy.normalize(self.replay.obs[:1, :1].expand(1, config.batch_size, -1))
        actions, numbers = torch.zeros(1, config.batch_size, self.head.size), torch.zeros(1, config.batch_size)
        batch = Transitions(obs.contiguous(), actions, numbers, obs.contiguous(), numbers)
        noise = torch.zeros(1, 2, config.batch_size, self.head.size)
        return [*self.update.prepare(batch, noise), *self.collector.prepare(self.act)]

    def _iterate(self) -> Report:
        config = self.config
        if config.anneal_lr or config.warmup_steps:
            self.update.set_learning_rate(self.learning_rate_at(self.remaining))
        env_seconds = inference_seconds = update_seconds = 0.0
        sums, rounds = torch.zeros(len(METRICS), device=self.device), 0
        steps = config.num_envs * config.num_steps * self.world.size
        for r in range(self._rounds):
            step = self.global_step + r * steps
            self.explores.fill_(float(step < config.learning_starts))
            start = perf_counter()
            rollout = self.collector.collect(
                self.act, self.head.draw_noise((config.num_steps, config.num_envs), self.generator)
            )
            self._check_rollout()
            collected = perf_counter()
            self._check_finite(obs=float(rollout.obs[-1].sum()), reward=float(rollout.rewards.sum()))
            self.replay.add(rollout)
            if self.obs_normalizer is not None:
                self.obs_normalizer.take_in(rollout.obs, rollout.valid, self.world)
            if self.return_scale is not None:
                self.return_scale.take_in(rollout.rewards, rollout.done, rollout.valid, self.world)
            if step + steps > self.fills_until:
                self.updates_due += config.updates_per_step * steps
                count = int(self.updates_due)
                self.updates_due -= count
                if count:
                    sums += self._learn(count)
                    rounds += 1
            env_seconds += self.collector.env_seconds
            inference_seconds += collected - start - self.collector.env_seconds
            update_seconds += perf_counter() - collected
        self.collector.count_episodes()
        metrics = dict(zip(METRICS, (sums / rounds).tolist(), strict=True)) if rounds else {}
        self._check_finite(**metrics)
        totals = torch.tensor(self.episodes.totals, dtype=torch.float32, device=self.device)
        return self._report(
            self.world.sum_(totals).tolist(),
            metrics,
            env_seconds=env_seconds,
            inference_seconds=inference_seconds,
            update_seconds=update_seconds,
            learning_rate=self.update.learning_rate,
            rollout=rollout,
        )

    def _learn(self, count: int) -> Tensor:
        """So many gradient steps: the means of their metrics."""
        size = self.config.batch_size
        batches = self.replay.sample(count, size)
        obs, next_obs = self.policy.normalize(batches.obs), self.policy.normalize(batches.next_obs)
        rewards = batches.rewards if self.return_scale is None else batches.rewards * self.return_scale.factor
        noise = torch.randn(count, 2, size, self.head.size, generator=self.generator, device=self.device)
        return self.update(Transitions(obs, batches.actions, rewards, next_obs, batches.discounts), noise)

    def _state(self) -> dict[str, Any]:
        return {
            "own_network": False,
            "network": self.network.state_dict(),
            "update": self.update.state_dict(),
            "obs_normalizer": state_of(self.obs_normalizer),
            "return_scale": state_of(self.return_scale),
            "updates_due": self.updates_due,
        }

    def _rank_state(self) -> dict[str, Any]:
        return {
            "returns": None if self.return_scale is None else self.return_scale.returns.cpu(),
            "draws": self.replay.rng.bit_generator.state,
        }

    def _restore(self, content: dict[str, Any], rank: dict[str, Any] | None) -> None:
        restore_module(self.network, content["network"], "network")
        self.update.load_state_dict(content["update"])
        restore_statistics(self.obs_normalizer, content["obs_normalizer"], rank, "observation normaliser")
        restore_statistics(self.return_scale, content["return_scale"], rank, "scale of rewards")
        self.updates_due = content["updates_due"]
        if rank is not None:
            self.replay.rng.bit_generator.state = rank["draws"]
        # An empty buffer is filled before it is learned from.
        self.fills_until = content["global_step"] + self.config.learning_starts

    def save(self, path: str | Path) -> None:
        """Write everything that :meth:`load` needs to go on to ``path``, atomically. All ranks call it, one writes.

        With ``config.save_replay``, the replay buffers of all ranks are written beside it first, as
        ``NAME.replay``: a checkpoint finds them only if they are as old as it is.
        """
        failed: OSError | None = None
        if self.config.save_replay:
            buffers = self.world.gather(self.replay.state_dict())
            if buffers is not None:
                try:
                    write_checkpoint(replay_path(Path(path)), {"global_step": self.global_step, "buffers": buffers})
                except OSError as error:  # the other ranks are on their way to what comes next
                    failed = error
        super().save(path)
        if failed is not None:
            raise failed

    @classmethod
    def load(cls, path: str | Path, **arguments: Any) -> SAC:
        """Continue from a checkpoint or a run directory: arguments as for :meth:`fastvec.train.PPO.load`.

        With the replay buffer beside it, and environments that can be saved, training goes on as if it had never
        stopped. Without, a new buffer is filled with ``config.learning_starts`` steps of the policy first.
        """
        trainer = super().load(path, **arguments)
        path = Path(path)
        beside = replay_path(path / "checkpoint.pt" if path.is_dir() else path)
        if beside.exists() and trainer.resumes_exactly:
            content = read_checkpoint(beside, trust=arguments.get("trust", False))
            same = content["global_step"] == trainer.global_step and len(content["buffers"]) == trainer.world.size
            if same and trainer.has_same_envs:
                trainer.replay.load_state_dict(content["buffers"][trainer.world.rank])
                trainer.fills_until = trainer.config.learning_starts
        return trainer


def replay_path(checkpoint: Path) -> Path:
    """Where the replay buffers of a checkpoint are."""
    return checkpoint.with_suffix(".replay")


def check_spaces(envs: VectorEnv) -> gym.spaces.Box:
    """The action space of one of ``envs``.

    Raises:
        TypeError: SAC cannot choose such actions, or see such observations.
    """
    space, seen = envs.single_action_space, envs.single_observation_space
    if not isinstance(space, gym.spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise TypeError(f"SAC needs float Box actions, got {space}: PPO or PQN may suit")
    if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
        raise TypeError(f"SAC needs actions between finite bounds, got {space}")
    if isinstance(seen, gym.spaces.Box) and seen.dtype == np.uint8 and len(seen.shape) in (2, 3):
        raise TypeError(f"SAC's networks see rows of numbers, not images: got {seen}")
    return space
