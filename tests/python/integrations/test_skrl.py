"""skrl's Gymnasium wrapper on fastvec's vectors, against the same wrapper on Gymnasium's, and its PPO."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import SyncVectorEnv

import fastvec
from fastvec.ale.vector_env import AleVectorEnv
from fastvec.native.vector_env import NativeVectorEnv
from fastvec.process import ProcessVectorEnv

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module", autouse=True)
def skrl():
    """skrl warns of its own accord when it is imported, and puts a name back into NumPy."""
    before = set(vars(np))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield pytest.importorskip("skrl.envs.wrappers.torch", exc_type=ImportError)
    for name in set(vars(np)) - before & {"bool8"}:
        delattr(np, name)


def test_steps_are_those_of_gymnasiums_vector(skrl):
    expected = skrl.wrap_env(SyncVectorEnv([lambda: gym.make("Pendulum-v1", max_episode_steps=20)] * 3))
    env = skrl.wrap_env(fastvec.make_vec("Pendulum-v1", 3, max_episode_steps=20))
    assert env.num_envs == 3
    assert env.observation_space == expected.observation_space
    env._seed = expected._seed = 5
    assert torch.equal(env.reset()[0], expected.reset()[0])
    generator = torch.Generator().manual_seed(0)
    ends = 0
    for _ in range(50):
        actions = torch.rand(3, 1, generator=generator) * 4 - 2
        results, others = env.step(actions), expected.step(actions)
        for one, other in zip(results[:4], others[:4], strict=True):
            assert torch.equal(one, other)
        ends += int(results[3].sum())
    assert ends == 6
    env.close(), expected.close()


@pytest.mark.skipif(find_spec("ale_py") is None, reason="ale-py is not installed")
def test_atari_games_are_seen_as_a_gymnasium_vector(skrl):
    env = skrl.wrap_env(fastvec.make_vec("ALE/Pong-v5", 2))
    assert isinstance(env, type(skrl.wrap_env(SyncVectorEnv([lambda: gym.make("Pendulum-v1")]))))
    observations, _ = env.reset()
    assert observations.shape[0] == 2
    env.close()


@pytest.mark.parametrize("cls", [NativeVectorEnv, ProcessVectorEnv, AleVectorEnv])
def test_every_vector_names_the_base_that_skrl_looks_for(cls):
    assert gym.vector.VectorEnv in cls.__bases__


def test_skrls_ppo_learns_on_it(skrl, tmp_path):
    from skrl.agents.torch.ppo import PPO
    from skrl.memories.torch import RandomMemory
    from skrl.models.torch import CategoricalMixin, DeterministicMixin, Model
    from skrl.trainers.torch import SequentialTrainer

    torch.manual_seed(0)
    envs = fastvec.make_vec("CartPole-v1", 16)
    env = skrl.wrap_env(envs)
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space, "device": env.device}

    def net(outputs):
        return torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.Tanh(), torch.nn.Linear(64, outputs))

    class Policy(CategoricalMixin, Model):
        def __init__(self):
            Model.__init__(self, **spaces)
            CategoricalMixin.__init__(self)
            self.net = net(2)

        def compute(self, inputs, role=""):
            return self.net(inputs["observations"]), {}

    class Value(DeterministicMixin, Model):
        def __init__(self):
            Model.__init__(self, **spaces)
            DeterministicMixin.__init__(self)
            self.net = net(1)

        def compute(self, inputs, role=""):
            return self.net(inputs["observations"]), {}

    agent = PPO(
        models={"policy": Policy(), "value": Value()},
        memory=RandomMemory(memory_size=64, num_envs=16, device=env.device),
        cfg={
            "rollouts": 64,
            "learning_epochs": 4,
            "mini_batches": 4,
            "learning_rate": 1e-2,
            "experiment": {"directory": str(tmp_path), "write_interval": 0, "checkpoint_interval": 0},
        },
        **spaces,
    )
    rewards = []
    step = env.step

    def counting(actions):
        result = step(actions)
        rewards.append(int((result[2] | result[3]).sum()))
        return result

    env.step = counting
    SequentialTrainer(
        env=env,
        agents=agent,
        cfg={"timesteps": 768, "headless": True, "disable_progressbar": True, "close_environment_at_exit": False},
    ).train()
    envs.close()
    # episodes that ended in the first and in the last part: fewer ends in as many steps are longer episodes
    assert sum(rewards[-128:]) < 0.4 * sum(rewards[:128])
