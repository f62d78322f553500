"""Proximal policy optimisation, from top to bottom: act, estimate advantages, update."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from fastvec.train.advantages import gae
from fastvec.train.checkpoint import read_checkpoint, write_checkpoint
from fastvec.train.config import PPOConfig, config_from_dict
from fastvec.train.distributions import head_for, mask_logits
from fastvec.train.envs import Stepper, make_envs
from fastvec.train.evaluate import Evaluation, evaluate
from fastvec.train.jit import jit
from fastvec.train.networks import ActorCritic, build_network
from fastvec.train.normalize import ObservationNormalizer, RewardNormalizer
from fastvec.train.presets import preset
from fastvec.train.rollout import Collector, Rollout
from fastvec.train.update import Batch, Learner, masked_mean


@dataclass(frozen=True)
class Report:
    """One iteration: a rollout and the update on it."""

    iteration: int
    """Iterations done, this one included."""
    global_step: int
    """Environment steps done."""
    mean_return: float
    """Mean return of the last 100 finished training episodes; NaN before the first has finished."""
    mean_length: float
    episodes: int
    """Episodes finished since the run began."""
    metrics: dict[str, float]
    """Losses and statistics of the update; empty where the iteration only primed the normaliser."""
    env_seconds: float
    inference_seconds: float
    update_seconds: float


class TrainingDiverged(RuntimeError):
    """A number became infinite or NaN; ``quantity`` names it."""

    def __init__(self, quantity: str, global_step: int) -> None:
        super().__init__(f"{quantity} is not finite after {global_step} steps")
        self.quantity = quantity


class PPO:
    """A policy, and what it takes to train it.

    Args:
        env: the id of an environment, or any ``gymnasium.vector.VectorEnv`` (whose autoreset mode is read
        from it). config: all settings; by default those of :func:`fastvec.train.preset` for the id.
        network: a :class:`fastvec.train.networks.ActorCritic` of your own in place of the built-in one. It is
        moved to the device and trained in place. env_kwargs: passed on to the environments when ``env`` is an
        id. **overrides: single settings, by the names of :class:`PPOConfig`.
    """

    def __init__(
        self,
        env: str | VectorEnv,
        *,
        config: PPOConfig | None = None,
        network: ActorCritic | None = None,
        env_kwargs: dict[str, Any] | None = None,
        **overrides: Any,
    ) -> None:
        self.env_id = env if isinstance(env, str) else (env.spec.id if env.spec is not None else None)
        self.env_kwargs = dict(env_kwargs or {})
        config = config or (preset(self.env_id) if self.env_id else PPOConfig())
        if not isinstance(env, str):
            overrides = {"num_envs": env.num_envs, **overrides}
            if overrides["num_envs"] != env.num_envs:
                raise ValueError(f"num_envs is {overrides['num_envs']}, but env has {env.num_envs} environments")
        self.config = config = dataclasses.replace(config, **overrides)
        self.device = pick_device(config.device)

        self.envs = make_envs(env, config, **self.env_kwargs) if isinstance(env, str) else env
        stepper = Stepper(self.envs)
        self.encoder = stepper.encoder
        self.head = head_for(self.envs.single_action_space)
        self.has_own_network = network is not None
        if network is None:
            network = build_network(stepper.encoder.shape, stepper.encoder.dtype, self.head, config)
        self.network = network.to(self.device)
        self.obs_normalizer: ObservationNormalizer | None = None
        if config.normalize_obs and not stepper.encoder.is_image:
            self.obs_normalizer = ObservationNormalizer(stepper.encoder.shape).to(self.device)
        self.reward_normalizer: RewardNormalizer | None = None
        if config.normalize_reward:
            self.reward_normalizer = RewardNormalizer(config.num_envs, config.gamma).to(self.device)

        self.torch_threads = config.torch_threads or threads_for(self.network, config)
        self.learner = Learner(self.network, self.head, config)
        self.collector = Collector(stepper, self.head, num_steps=config.num_steps, device=self.device)
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.iteration = 0
        self._started = False
        self._act = jit(self._choose_actions, enabled=config.compiles)

    @property
    def global_step(self) -> int:
        """Environment steps taken so far, over all environments."""
        return self.iteration * self.config.rollout_size

    @property
    def done(self) -> bool:
        """Whether ``config.total_timesteps`` have been taken."""
        return self.iteration >= self.config.num_iterations

    def learn(self, *, callback: Callable[[Report], None] | None = None) -> PPO:
        """Train up to ``config.total_timesteps``, calling ``callback`` after each iteration. Returns
        itself."""
        while not self.done:
            report = self.iterate()
            if callback is not None:
                callback(report)
        return self

    def iterate(self) -> Report:
        """One rollout and the update on it. Raises :class:`TrainingDiverged` when a number is not finite."""
        with torch_threads(self.torch_threads):
            return self._iterate()

    def _iterate(self) -> Report:
        if not self._started:
            self.collector.reset(self.config.seed)
            self._started = True
        self.learner.anneal(1.0 - self.iteration / self.config.num_iterations)

        start = perf_counter()
        shape = (self.config.num_steps, self.config.num_envs)
        rollout = self.collector.collect(self._act, self.head.draw_noise(shape, self.generator))
        self._check_finite(obs=float(self.collector.obs.sum()), reward=float(self.collector.rewards.sum()))
        collected = perf_counter()

        metrics: dict[str, float] = {}
        primed = self.obs_normalizer is None or self.obs_normalizer.count > 0
        if primed:
            batch = self._estimate(rollout)
            metrics = self.learner.update(batch, self.generator)
            metrics["explained_variance"] = explained_variance(batch)
        if self.obs_normalizer is not None:
            rows = rollout.obs[:-1].flatten(0, 1)
            self.obs_normalizer.update(rows, rollout.weights.flatten())
        self._check_finite(**metrics)
        self.iteration += 1
        episodes = self.collector.episodes
        return Report(
            iteration=self.iteration,
            global_step=self.global_step,
            mean_return=episodes.mean_return,
            mean_length=episodes.mean_length,
            episodes=episodes.finished,
            metrics=metrics,
            env_seconds=self.collector.env_seconds,
            inference_seconds=collected - start - self.collector.env_seconds,
            update_seconds=perf_counter() - collected,
        )

    def _normalize(self, obs: Tensor) -> Tensor:
        return obs if self.obs_normalizer is None else self.obs_normalizer(obs)

    def _choose_actions(self, obs: Tensor, noise: Tensor, mask: Tensor | None) -> Tensor:
        params = self.network.actor(self._normalize(obs))
        if mask is not None:
            params = mask_logits(params, mask)
        return self.head.sample(params, noise)

    @torch.no_grad()
    def _estimate(self, rollout: Rollout) -> Batch:
        """Values, log-probabilities and advantages of a rollout, as the flat rows of an update."""
        config = self.config
        steps, envs = rollout.rewards.shape
        obs = self._normalize(rollout.obs.flatten(0, 1))
        params, values = self.network(obs)
        values = values.view(steps + 1, envs)
        next_values = values[1:].clone()
        for t, final in rollout.finals:
            env_ids = torch.from_numpy(final.env_ids).to(self.device)
            final_obs = torch.from_numpy(final.observations).to(self.device)
            next_values[t, env_ids] = self.network.critic(self._normalize(final_obs))
        rewards = rollout.rewards
        if self.reward_normalizer is not None:
            rewards = self.reward_normalizer(rewards, rollout.done, rollout.weights)
        advantages, returns = gae(
            rewards,
            values[:-1],
            next_values,
            rollout.terminated,
            rollout.done,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
        )
        rows = steps * envs
        params = params[:rows]
        masks = None if rollout.masks is None else rollout.masks.flatten(0, 1)
        if masks is not None:
            params = mask_logits(params, masks)
        actions = rollout.actions.flatten(0, 1)
        return Batch(
            obs=obs[:rows],
            actions=actions,
            log_probs=self.head.log_prob(params, actions),
            values=values[:-1].flatten(),
            advantages=advantages.flatten(),
            returns=returns.flatten(),
            weights=rollout.weights.flatten(),
            masks=masks,
        )

    def _check_finite(self, **quantities: float) -> None:
        for name, value in quantities.items():
            if not math.isfinite(value):
                raise TrainingDiverged(name, self.global_step)

    @torch.no_grad()
    def predict(self, observation: Any, *, deterministic: bool = True, mask: Any = None) -> Any:
        """Actions for a batch of observations, as a VectorEnv returns them, or for a single one.

        Returns:
            A NumPy array of the action space's dtype: ``[N, *action_shape]``, or one action for one
            observation.
        """
        single = self.envs.single_observation_space.contains(observation)
        if single:
            rows = self.encoder.encode_list([observation])
        else:
            rows = self.encoder.encode_batch(observation, count_rows(observation))
        params = self.network.actor(self._normalize(torch.from_numpy(rows).to(self.device)))
        if mask is not None:
            allowed = torch.as_tensor(np.asarray(mask).astype(bool).reshape(len(rows), -1), device=self.device)
            params = mask_logits(params, allowed)
        if deterministic:
            actions = self.head.mode(params)
        else:
            actions = self.head.sample(params, self.head.draw_noise((len(rows),), self.generator))
        decoded = self.collector.decoder(actions)
        return decoded[0] if single else decoded

    @torch.no_grad()
    def act_greedily(self, obs: Tensor) -> np.ndarray[Any, Any]:
        """The likeliest actions for encoded observations ``[B, *obs_shape]``, as the environments take them."""
        return self.collector.decoder(self.head.mode(self.network.actor(self._normalize(obs))))

    def evaluate(
        self,
        episodes: int = 100,
        *,
        envs: VectorEnv | None = None,
        seed: int | None = None,
        deterministic: bool = True,
    ) -> Evaluation:
        """Play whole episodes in environments of their own; training is not disturbed.

        Args:
            envs: the environments to play in, left open; by default new ones of the same id.
            seed: of the environments' first reset; by default one that training did not use.
        """
        own = envs is None
        if envs is None:
            envs = self.make_evaluation_envs(episodes)
        noise = self.generator.get_state()
        try:
            with torch_threads(self.torch_threads):
                return evaluate(
                    self.predict,
                    envs,
                    episodes=episodes,
                    seed=self.evaluation_seed if seed is None else seed,
                    deterministic=deterministic,
                )
        finally:
            self.generator.set_state(noise)
            if own:
                envs.close()

    @property
    def evaluation_seed(self) -> int:
        """What environments of an evaluation are seeded with by default: far from those of training."""
        return self.config.seed + 1_000_003

    def make_evaluation_envs(self, episodes: int) -> VectorEnv:
        """New environments of the same id, as many as ``episodes`` keep busy, 100 at most."""
        if self.env_id is None:
            raise ValueError("these environments have no id to make others by; pass envs=...")
        return make_envs(self.env_id, self.config, num_envs=min(episodes, 100), **self.env_kwargs)

    def save(self, path: str | Path) -> None:
        """Write everything that :meth:`load` needs to go on, atomically."""
        get_state = getattr(self.envs, "get_state", None)
        write_checkpoint(
            Path(path),
            {
                "env_id": self.env_id,
                "env_kwargs": self.env_kwargs,
                "config": dataclasses.asdict(self.config),
                "own_network": self.has_own_network,
                "network": self.network.state_dict(),
                "learner": self.learner.state_dict(),
                "obs_normalizer": None if self.obs_normalizer is None else self.obs_normalizer.state_dict(),
                "reward_normalizer": None if self.reward_normalizer is None else self.reward_normalizer.state_dict(),
                "generator": self.generator.get_state(),
                "collector": self.collector.state_dict() if self._started else None,
                "envs": get_state() if get_state is not None and self._started else None,
                "iteration": self.iteration,
            },
        )

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        env: str | VectorEnv | None = None,
        network: ActorCritic | None = None,
        **overrides: Any,
    ) -> PPO:
        """Continue from a checkpoint or a run directory.

        Where the environments offer ``get_state`` and ``set_state``, as fastvec's do, training goes on
        exactly as if it had never stopped. Others start new episodes.

        Args:
            env: needed only where the checkpoint was made with environments that have no id.
            network: needed only where it was made with a network of your own.
            **overrides: settings to change.
        """
        content = read_checkpoint(Path(path))
        if content["own_network"] and network is None:
            raise ValueError("this checkpoint was made with a network of its own; pass network=...")
        if env is None and content["env_id"] is None:
            raise ValueError("this checkpoint's environments have no id; pass env=...")
        config = config_from_dict(content["config"])
        ppo = cls(
            content["env_id"] if env is None else env,
            config=config,
            network=network,
            env_kwargs=content["env_kwargs"],
            **overrides,
        )
        ppo._restore(content)
        return ppo

    def _restore(self, content: dict[str, Any]) -> None:
        with torch.no_grad():
            for name, value in content["network"].items():
                self.network.state_dict()[name].copy_(value)
        self.learner.load_state_dict(content["learner"])
        for module, state in (
            (self.obs_normalizer, content["obs_normalizer"]),
            (self.reward_normalizer, content["reward_normalizer"]),
        ):
            if module is not None and state is not None:
                module.load_state_dict(state)
        self.generator.set_state(content["generator"])
        self.iteration = content["iteration"]
        set_state = getattr(self.envs, "set_state", None)
        if content["envs"] is not None and set_state is not None:
            self.collector.reset(self.config.seed)
            set_state(content["envs"])
            self.collector.load_state_dict(content["collector"])
            self._started = True

    def export(self, path: str | Path, *, format: str = "torch") -> None:
        """Write the greedy policy as :func:`fastvec.train.export.export_policy` describes ("torch" or
        "onnx")."""
        from fastvec.train.export import export_policy

        export_policy(self, Path(path), format=format)

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def threads_for(network: nn.Module, config: PPOConfig) -> int:
    """CPU threads that pay for themselves.

    A minibatch of a small network is many operations of some microseconds each. A second thread gains little
    on them, and where another program wants the core too, waiting for it at each operation costs more than it
    gains (measured on 2 cores, minibatch 512, two 64-64 networks: 17% gained alone, three times slower under
    load).
    """
    multiplications = config.minibatch_size * sum(p.numel() for p in network.parameters())
    return 1 if multiplications < 12_000_000 else torch.get_num_threads()


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """PyTorch's number of CPU threads for a while; the process's own setting comes back."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def explained_variance(batch: Batch) -> float:
    """How much of the returns' variance the critic knew: 1 is all of it."""
    errors = batch.returns - batch.values
    error_var = masked_mean((errors - masked_mean(errors, batch.weights)).square(), batch.weights)
    return_var = masked_mean((batch.returns - masked_mean(batch.returns, batch.weights)).square(), batch.weights)
    return float(1.0 - error_var / return_var.clamp(min=1e-8))


def count_rows(observations: Any) -> int:
    """How many observations a batch holds."""
    while isinstance(observations, dict | tuple):
        observations = next(iter(observations.values())) if isinstance(observations, dict) else observations[0]
    return len(observations)
