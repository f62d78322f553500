"""PPO as a script in one file: PyTorch without compiling, Gymnasium's SyncVectorEnv, one optimiser for one loss.

What people write by hand, with the usual details (the 37 of "The 37 implementation details of PPO"): orthogonal
weights, one Adam, gradients clipped by their norm, advantages normalised per minibatch, values bootstrapped where a
rollout ends. The benchmarks time it; it is no part of the package.

    python benchmarks/peers/plain_ppo.py CartPole-v1 --total-timesteps 50000
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal


def layer(inputs: int, outputs: int, gain: float = 2**0.5) -> nn.Linear:
    """A linear layer with orthogonal weights."""
    linear = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(linear.weight, gain)
    nn.init.zeros_(linear.bias)
    return linear


class Agent(nn.Module):
    """Two towers of 64-64 with tanh, or for images one CNN of 32-64-64 channels and 512 features under both heads."""

    def __init__(self, envs: gym.vector.VectorEnv) -> None:
        super().__init__()
        seen, actions = envs.single_observation_space, envs.single_action_space
        self.discrete = isinstance(actions, gym.spaces.Discrete)
        outputs = int(actions.n) if self.discrete else int(np.prod(actions.shape))
        self.pictures = len(seen.shape) == 3
        if self.pictures:
            self.body = nn.Sequential(
                nn.Conv2d(seen.shape[0], 32, 8, stride=4),
                nn.ReLU(),
                nn.Conv2d(32, 64, 4, stride=2),
                nn.ReLU(),
                nn.Conv2d(64, 64, 3, stride=1),
                nn.ReLU(),
                nn.Flatten(),
                layer(64 * 7 * 7, 512),
                nn.ReLU(),
            )
            self.actor, self.critic = layer(512, outputs, 0.01), layer(512, 1, 1.0)
        else:
            size = int(np.prod(seen.shape))
            self.actor, self.critic = (
                nn.Sequential(layer(size, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, n, gain))
                for n, gain in ((outputs, 0.01), (1, 1.0))
            )
        self.log_std = nn.Parameter(torch.zeros(outputs), requires_grad=not self.discrete)

    def forward(self, obs: Tensor) -> tuple[Distribution, Tensor]:
        """The distribution of actions, and values ``[B]``."""
        if self.pictures:
            obs = self.body(obs / 255.0)
        params, values = self.actor(obs), self.critic(obs).squeeze(-1)
        if self.discrete:
            return Categorical(logits=params), values
        return Independent(Normal(params, self.log_std.exp().expand_as(params)), 1), values


def make_envs(env_id: str, num_envs: int, *, normalize: bool) -> gym.vector.VectorEnv:
    """The environments; games as ale-py's own vector, which gives four grey pictures of 84x84."""
    if env_id.startswith("ALE/"):
        import ale_py

        gym.register_envs(ale_py)
        return gym.make_vec(env_id, num_envs, vectorization_mode="vector_entry_point")

    def make() -> gym.Env[Any, Any]:
        return gym.make(env_id)

    envs: Any = gym.vector.SyncVectorEnv([make] * num_envs)
    if normalize:
        envs = gym.wrappers.vector.NormalizeObservation(envs)
        envs = gym.wrappers.vector.TransformObservation(envs, lambda x: np.clip(x, -10, 10))
        envs = gym.wrappers.vector.NormalizeReward(envs)
    return envs


def train(args: argparse.Namespace, envs: gym.vector.VectorEnv | None = None) -> dict[str, float]:
    """A whole run; returns env steps per second of wall time and of CPU time, without what comes before them."""
    envs = envs or make_envs(args.env_id, args.num_envs, normalize=args.normalize)
    torch.manual_seed(args.seed)
    agent = Agent(envs)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    steps, count = args.num_steps, args.num_envs
    space = envs.single_action_space
    obs = torch.zeros(steps, count, *envs.single_observation_space.shape)
    actions = torch.zeros(steps, count, *space.shape, dtype=torch.int64 if agent.discrete else torch.float32)
    log_probs, rewards, dones, values = (torch.zeros(steps, count) for _ in range(4))
    next_obs = torch.as_tensor(np.asarray(envs.reset(seed=args.seed)[0]), dtype=torch.float32)
    next_done = torch.zeros(count)
    start, cpu = time.perf_counter(), time.process_time()
    iterations = args.total_timesteps // (steps * count)
    for iteration in range(iterations):
        optimizer.param_groups[0]["lr"] = args.learning_rate * (1.0 - iteration / iterations)
        for t in range(steps):
            obs[t], dones[t] = next_obs, next_done
            with torch.no_grad():
                distribution, values[t] = agent(next_obs)
                actions[t] = distribution.sample()
                log_probs[t] = distribution.log_prob(actions[t])
            action = actions[t].numpy()
            if isinstance(space, gym.spaces.Box):
                action = action.clip(space.low, space.high)
            seen, reward, terminated, truncated, _ = envs.step(action)
            next_obs = torch.as_tensor(np.asarray(seen), dtype=torch.float32)
            rewards[t] = torch.as_tensor(reward)
            next_done = torch.as_tensor(terminated | truncated, dtype=torch.float32)
        with torch.no_grad():
            next_value, advantage = agent(next_obs)[1], torch.zeros(count)
            advantages = torch.zeros_like(rewards)
            for t in reversed(range(steps)):
                going_on = 1.0 - (next_done if t == steps - 1 else dones[t + 1])
                following = next_value if t == steps - 1 else values[t + 1]
                delta = rewards[t] + args.gamma * following * going_on - values[t]
                advantages[t] = advantage = delta + args.gamma * args.gae_lambda * going_on * advantage
            returns = advantages + values
        rows = [x.flatten(0, 1) for x in (obs, actions, log_probs, advantages, returns)]
        for _ in range(args.update_epochs):
            for chosen in torch.randperm(steps * count).chunk(args.num_minibatches):
                b_obs, b_actions, b_log_probs, b_advantages, b_returns = (x[chosen] for x in rows)
                distribution, b_values = agent(b_obs)
                ratio = (distribution.log_prob(b_actions) - b_log_probs).exp()
                b_advantages = (b_advantages - b_advantages.mean()) / (b_advantages.std() + 1e-8)
                clipped = ratio.clamp(1.0 - args.clip_coef, 1.0 + args.clip_coef)
                policy_loss = -torch.min(ratio * b_advantages, clipped * b_advantages).mean()
                value_loss = 0.5 * (b_values - b_returns).square().mean()
                loss = policy_loss + 0.5 * value_loss - args.ent_coef * distribution.entropy().mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
    done = iterations * steps * count
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    envs.close()
    return {"steps_per_second": done / seconds, "steps_per_cpu_second": done / cpu}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env_id")
    parser.add_argument("--total-timesteps", type=int, default=50_000)
    parser.add_argument("--num-envs", type=int, default=64)
    parser.add_argument("--num-steps", type=int, default=32)
    parser.add_argument("--num-minibatches", type=int, default=8)
    parser.add_argument("--update-epochs", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--gamma", type=float, default=0.99)
    parser.add_argument("--gae-lambda", type=float, default=0.95)
    parser.add_argument("--clip-coef", type=float, default=0.2)
    parser.add_argument("--ent-coef", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="PyTorch's threads: one is fastest for small networks")
    parser.add_argument("--normalize", action="store_true", help="Gymnasium's wrappers for observations and rewards")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    settings = parse()
    torch.set_num_threads(settings.threads)
    print(json.dumps(train(settings)))
