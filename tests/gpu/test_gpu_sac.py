"""SAC on a CUDA device: captured or not the same numbers, and those of a CPU."""

from __future__ import annotations

import gymnasium as gym
import pytest
import torch
from gpu_support import MODES, on_gpu
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from fastvec.train import SAC
from fastvec.train.rollout.replay import Transitions

pytestmark = on_gpu

SETTINGS = {
    "num_steps": 2,
    "learning_starts": 64,
    "updates_per_step": 0.3,  # 4 or 5 gradient steps after every 16 steps
    "batch_size": 32,
    "buffer_size": 512,
    "hidden_sizes": (16, 16),
    "actor_width": 16,
    "critic_width": 16,
    "num_atoms": 21,
    "learning_rate": 1e-3,
    "total_timesteps": 10**6,
    "matmul_precision": "highest",
    "compile": False,
}
NETWORKS = ["mlp", "residual"]


@pytest.fixture(autouse=True)
def short_iterations(monkeypatch):
    monkeypatch.setattr("fastvec.train.sac.STEPS_PER_REPORT", 128)


def make(mode="NextStep", **settings):
    """A trainer on two groups of four Pendulums, whose episodes are cut short."""
    makers = [lambda: gym.make("Pendulum-v1", max_episode_steps=7, disable_env_checker=True)] * 4
    groups = [SyncVectorEnv(makers, autoreset_mode=AutoresetMode(mode)) for _ in range(2)]
    return SAC(groups, **{"device": "cuda", **SETTINGS, **settings})


def train(mode="NextStep", **settings):
    """What two iterations leave."""
    sac = make(mode, **settings)
    for _ in range(2):
        report = sac.iterate()
    variables = [x.clone() for x in (*sac.update.state.variables, sac.replay.obs, sac.replay.rewards)]
    sac.close()
    return variables, report.metrics, sac


def assert_same(some, others):
    for mine, other in zip(some, others, strict=True):
        torch.testing.assert_close(mine.cpu(), other.cpu(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("network", NETWORKS)
def test_captured_or_not_training_is_the_same(network, mode):
    captured, metrics, sac = train(mode, network=network)
    eager, expected, _ = train(mode, network=network, cuda_graphs=False)
    assert sac.update.captured_steps is not None
    assert_same(captured, eager)
    assert metrics == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_compiled_gradient_steps_are_the_eager_ones(network):
    compiled, metrics, _ = train(network=network, compile=True)
    eager, expected, _ = train(network=network)
    for mine, other in zip(compiled, eager, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-2, atol=1e-3)
    assert metrics == pytest.approx(expected, rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("network", NETWORKS)
def test_gradient_steps_are_those_of_a_cpu(network):
    """On the same batches, with the same noise: a device draws other numbers."""
    there, here = make(network=network, seed=3), make(network=network, seed=3, device="cpu")
    other = make(network=network, device="cpu")
    other.iterate()
    batches, noise = other.replay.sample(5, 32), torch.randn(5, 2, 32, 1)
    means = there.update(Transitions(*(x.cuda() for x in batches)), noise.cuda())
    assert_same([means, *there.update.state.variables], [here.update(batches, noise), *here.update.state.variables])
    for sac in (there, here, other):
        sac.close()


@pytest.mark.parametrize("mode", MODES)
def test_a_buffer_in_the_hosts_memory_gives_the_same(mode, monkeypatch):
    expected, _, _ = train(mode, n_step=3)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (1000, 1000))
    found, _, sac = train(mode, n_step=3)
    assert sac.replay.storage == torch.device("cpu")
    assert sac.replay.obs.is_pinned()
    assert_same(found, expected)


def test_a_run_resumes_with_its_replay_buffer(tmp_path):
    whole = SAC("Pendulum-v1", **{**SETTINGS, "device": "cuda", "num_envs": 8, "save_replay": True})
    whole.iterate(), whole.iterate()
    whole.save(tmp_path / "checkpoint.pt")
    second = SAC.load(tmp_path)
    whole.iterate(), second.iterate()
    assert_same(second.update.state.variables, whole.update.state.variables)
    whole.close(), second.close()
