"""What each rank of test_distributed.py does: a few iterations, and its numbers in a file."""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium as gym
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from fastvec.train import PPO, SACConfig
from fastvec.train.distributed import ALONE, join_world, leave_world
from fastvec.train.networks.soft import SoftActorCritic
from fastvec.train.rollout.replay import Transitions
from fastvec.train.soft_update import SoftUpdate

ENVS = 4
ITERATIONS = 4


RECURRENT = {"lstm_size": 6, "target_kl": 2e-5, "update_epochs": 8, "learning_rate": 3e-3}
"""Ranks must carry their memories, and stop their passes together."""


def train(world=ALONE, *, ranks: int, **settings) -> PPO:
    """A run of ``ranks`` ranks with ``ENVS`` environments each, or one with those of all of them.

    The noise of all is drawn from one generator, so that both choose the same actions.
    """
    envs = ENVS * ranks // world.size
    makers = [lambda: gym.make("CartPole-v1", max_episode_steps=30, disable_env_checker=True)] * envs
    ppo = PPO(
        SyncVectorEnv(makers, autoreset_mode=AutoresetMode.NEXT_STEP),
        world=world,
        **{
            "num_steps": 32,
            "num_minibatches": 1,
            "update_epochs": 3,
            "total_timesteps": ITERATIONS * 32 * ENVS * ranks,
            "learning_rate": 1e-3,
            "normalize_obs": True,
            "normalize_reward": True,
            "compile": False,
            **settings,
        },
    )
    draw, generator = ppo.head.draw_noise, torch.Generator().manual_seed(5)
    mine = slice(world.rank * envs, (world.rank + 1) * envs)
    ppo.head.draw_noise = lambda shape, _: draw((shape[0], ENVS * ranks), generator)[:, mine]
    return ppo


def outcome(ppo: PPO) -> dict[str, object]:
    """Everything that ranks must agree on."""
    return {
        "theta": ppo.learner.state.flat_parameters,
        "step": ppo.learner.state.step,
        "obs_mean": ppo.obs_normalizer.mean,
        "obs_var": ppo.obs_normalizer.var,
        "obs_count": ppo.obs_normalizer.count,
        "reward_var": ppo.reward_normalizer.moments.var,
    }


def native(world, **settings) -> PPO:
    """A short run on native environments, which can be saved and loaded."""
    settings = {"num_envs": 4, "num_steps": 32, "total_timesteps": 4 * 2 * 4 * 32, "compile": False, **settings}
    return PPO("CartPole-v1", world=world, normalize_reward=True, **settings)


def resumes_exactly(world, path: Path) -> bool:
    """Whether a run that stops after two of four iterations and is loaded ends as one that does not stop."""
    whole = native(world).learn()
    first = native(world)
    first.iterate(), first.iterate()
    first.save(path)
    world.any(True)  # the first rank has written
    second = PPO.load(path, world=world).learn()
    pairs = [
        (whole.learner.state.flat_parameters, second.learner.state.flat_parameters),
        (whole.collector.obs, second.collector.obs),
        (whole.reward_normalizer.returns, second.reward_normalizer.returns),
    ]
    for ppo in (whole, first, second):
        ppo.close()
    return second.iteration == 4 and all(torch.equal(a, b) for a, b in pairs)


def soft_outcome(world=ALONE) -> dict[str, torch.Tensor]:
    """What gradient steps of SAC lead to, where each rank has its part of every batch and of the noise."""
    torch.manual_seed(0)
    config = SACConfig(network="mlp", scale_rewards=False, hidden_sizes=(8,), learning_rate=3e-3)
    update = SoftUpdate(SoftActorCritic(3, 2, config), 2, config, world=world)
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).chunk(world.size, -1)[world.rank].contiguous()

    count, rows = 5, 32
    obs, next_obs, actions = (draw(count, width, rows).transpose(1, 2).contiguous() for width in (3, 3, 2))
    noise = draw(count, 2, 2, rows).transpose(2, 3).contiguous()
    rewards = draw(count, rows)
    batches = Transitions(obs, actions.tanh(), rewards, next_obs, torch.full_like(rewards, 0.9))
    metrics = update(batches, noise)
    return {
        "soft_actor": update.state.actor.flat_parameters,
        "soft_target": update.state.target,
        "soft_log_alpha": update.temperature.log_alpha.detach(),
        "soft_metrics": metrics,
    }


def main() -> None:
    """Run as a rank."""
    world = join_world()
    resumed = resumes_exactly(world, Path(sys.argv[1]) / "checkpoint.pt")
    ppo = train(world, ranks=world.size)
    reports = []
    ppo.learn(callback=reports.append)
    report = reports[-1]
    numbers = {"mean_return": report.mean_return, "episodes": report.episodes, "global_step": report.global_step}
    numbers |= {"metrics": report.metrics, "resumed": resumed}
    numbers |= {"recurrent": outcome(train(world, ranks=world.size, **RECURRENT).learn())}
    numbers |= {"soft": soft_outcome(world)}
    torch.save(outcome(ppo) | numbers, Path(sys.argv[1]) / f"{world.rank}.pt")
    leave_world(world)


if __name__ == "__main__":
    main()
