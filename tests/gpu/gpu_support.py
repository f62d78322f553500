"""What the tests on a CUDA device share: trainers, and updates in float64 that nothing makes fast."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from fastvec.train import PPO

on_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device here"),
    pytest.mark.filterwarnings("default"),
]

SETTINGS: dict[str, Any] = {
    "device": "cuda",
    "num_steps": 16,
    "num_minibatches": 2,
    "update_epochs": 2,
    "hidden_sizes": (32, 32),
    "total_timesteps": 10**6,
    "matmul_precision": "highest",
    "compile": False,
}
MODES = [mode.value for mode in AutoresetMode]


class Images(gym.Env):
    """Random 84 x 84 pictures; ends or is cut short now and then."""

    observation_space = gym.spaces.Box(0, 255, (4, 84, 84), np.uint8)
    action_space = gym.spaces.Discrete(6)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._picture(), {}

    def step(self, action):
        chance = self.np_random.random()
        return self._picture(), float(action), chance < 0.1, chance > 0.9, {}

    def _picture(self):
        return self.np_random.integers(0, 256, (4, 84, 84), dtype=np.uint8)


class Masked(gym.Env):
    """Random observations and random masks, with one action or more allowed."""

    observation_space = gym.spaces.Box(-1, 1, (5,), np.float32)
    action_space = gym.spaces.MultiDiscrete([3, 4])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._row()

    def step(self, action):
        observation, info = self._row()
        chance = self.np_random.random()
        return observation, float(np.sum(action)), chance < 0.1, chance > 0.9, info

    def _row(self):
        mask = self.np_random.integers(0, 2, 7, dtype=np.int8)
        mask[[0, 3]] = 1
        return self.np_random.uniform(-1, 1, 5).astype(np.float32), {"action_mask": mask}


def short(name: str, limit: int) -> Any:
    """A maker of Gymnasium's own environment, cut short after ``limit`` steps."""
    return lambda: gym.make(name, max_episode_steps=limit, disable_env_checker=True)


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "categorical": (short("CartPole-v1", 13), {"clip_vloss": True, "ent_coef": 0.01}),
    "gaussian": (short("Pendulum-v1", 7), {"normalize_obs": True, "normalize_reward": True}),
    "masks": (Masked, {}),
    "lstm": (short("CartPole-v1", 13), {"lstm_size": 8}),
    "target_kl": (short("CartPole-v1", 13), {"target_kl": 1e-4, "learning_rate": 1e-3, "update_epochs": 6}),
    "images": (Images, {"num_steps": 8}),
}


def make(
    case: str = "categorical", *, mode: str = "NextStep", num_envs: int = 8, groups: int = 2, **settings: Any
) -> PPO:
    """A trainer on ``groups`` vectors of Gymnasium's, which together have ``num_envs`` environments."""
    maker, more = CASES[case]
    vectors = [SyncVectorEnv([maker] * (num_envs // groups), autoreset_mode=AutoresetMode(mode)) for _ in range(groups)]
    return PPO(vectors, **{**SETTINGS, **more, **settings})


def collect(ppo: PPO) -> Any:
    """One rollout, as an iteration begins."""
    config = ppo.config
    noise = ppo.head.draw_noise((config.num_steps, config.num_envs), ppo.generator)
    rollout = ppo.collector.collect(ppo.act, noise)
    ppo.collector.count_episodes()
    return rollout, noise


def double(tensor: torch.Tensor | None) -> Any:
    """On the CPU, in float64 where it was float32."""
    if tensor is None:
        return None
    tensor = tensor.detach().cpu().clone()
    return tensor.double() if tensor.is_floating_point() else tensor


def exact(network: torch.nn.Module) -> Any:
    """A copy of ``network`` on the CPU, in float64."""
    own = copy.deepcopy(network).cpu()
    for parameter in own.parameters():  # they were views of one tensor
        parameter.data = parameter.data.clone()
    own.double()
    for layer in own.modules():
        if isinstance(layer, torch.nn.Conv2d):  # pixels become float32, whatever the parameters are
            layer.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
    return own


def error(value: torch.Tensor, reference: torch.Tensor) -> float:
    """||value - reference|| / ||reference||"""
    reference = reference.double().cpu()
    value = value.detach().double().cpu()
    return float((value - reference).norm() / reference.norm().clamp(min=1e-30))


def log_prob_and_entropy(ppo: PPO, params: torch.Tensor, actions: torch.Tensor, masks: Any) -> Any:
    """By torch.distributions."""
    if isinstance(ppo.envs.single_action_space, gym.spaces.Box):
        mean, log_std = params.chunk(2, -1)
        normal = torch.distributions.Normal(mean, log_std.exp())
        return normal.log_prob(actions).sum(-1), normal.entropy().sum(-1)
    if masks is not None:
        params = torch.where(masks, params, -1e300)
    if actions.ndim == params.ndim - 1:
        actions = actions.unsqueeze(-1)
    choices = [torch.distributions.Categorical(logits=part) for part in params.split(ppo.head.nvec, -1)]
    log_probs = sum(choice.log_prob(a) for choice, a in zip(choices, actions.unbind(-1), strict=True))
    return log_probs, sum(choice.entropy() for choice in choices)


def plain_update(ppo: PPO, network: Any, batch: Any, orders: list[torch.Tensor]) -> None:
    """PPO's update of ``network`` with torch.optim.Adam and clip_grad_norm_."""
    config = ppo.config
    clip = float(ppo.learner.state.scalars["clip_coef"])
    optimizer = torch.optim.Adam(network.parameters(), lr=float(ppo.learner.state.learning_rate), eps=config.adam_eps)
    for order in orders:
        for rows in order.cpu().view(config.num_minibatches, -1):
            part = batch.take(rows)
            inputs = (part.obs,) if part.memory is None else (part.obs, part.memory, part.episode_starts)
            params, values = network(*inputs)[:2]
            log_probs, entropies = log_prob_and_entropy(ppo, params, part.actions, part.masks)
            kept = part.valid == 1
            advantages = part.advantages[kept]
            advantages = (advantages - advantages.mean()) / (advantages.std(correction=0) + 1e-8)
            ratios = (log_probs - part.log_probs).exp()[kept]
            policy_loss = -torch.minimum(ratios * advantages, ratios.clamp(1 - clip, 1 + clip) * advantages).mean()
            errors = (values - part.returns) ** 2
            if config.clip_vloss:
                near = part.values + (values - part.values).clamp(-clip, clip)
                errors = torch.maximum(errors, (near - part.returns) ** 2)
            loss = policy_loss + config.vf_coef * 0.5 * errors[kept].mean() - config.ent_coef * entropies[kept].mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
            optimizer.step()
