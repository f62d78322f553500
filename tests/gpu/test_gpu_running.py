"""How training runs on a CUDA device: when the host waits, what it takes of memory, what the checkers say."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from gpu_support import CASES, SETTINGS, make, on_gpu
from torch.profiler import ProfilerActivity, profile

import fastvec
from fastvec.train import PPO

pytestmark = on_gpu

WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaMemcpy", "cudaEventSynchronize")


def waits_of(ppo):
    """How often one iteration waited for the device, by the name of the call."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        with torch.profiler.record_function("iteration"):
            ppo.iterate()
        torch.cuda.synchronize()
    events = profiler.events()
    (span,) = [e.time_range for e in events if e.name == "iteration" and e.device_type.name == "CPU"]
    inside = [e.name for e in events if span.start <= e.time_range.start <= span.end]
    return {name: inside.count(name) for name in WAITS}


@pytest.mark.parametrize("case", [case for case in CASES if case != "target_kl"])
def test_the_host_waits_for_actions_and_once_more(case):
    ppo = make(case)
    for _ in range(3):
        ppo.iterate()
    assert waits_of(ppo) == {
        "cudaStreamSynchronize": 1,
        "cudaDeviceSynchronize": 0,
        "cudaMemcpy": 0,
        "cudaEventSynchronize": 2 * ppo.config.num_steps,
    }


def test_target_kl_adds_one_wait_for_each_pass():
    ppo = make("target_kl")
    for _ in range(3):
        ppo.iterate()
    steps = int(ppo.learner.state.step)
    waits = waits_of(ppo)["cudaStreamSynchronize"]
    assert waits == 1 + (int(ppo.learner.state.step) - steps) // ppo.config.num_minibatches


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_65536_environments(mode):
    settings = {**SETTINGS, "num_envs": 65_536, "num_steps": 8, "num_minibatches": 4, "autoreset_mode": mode}
    ppo = PPO("CartPole-v1", **settings)
    ppo.iterate()
    before = ppo.iterate().episodes
    twins = [fastvec.make_vec("CartPole-v1", 32_768, autoreset_mode=mode) for _ in ppo.groups]
    for twin, group in zip(twins, ppo.groups, strict=True):
        twin.reset(seed=0)
        twin.set_state(group.get_state())
    report = ppo.iterate()
    torch.cuda.synchronize()
    it = ppo.collector
    for columns, twin in zip(it.columns, twins, strict=True):
        for t, actions in enumerate(it.actions[:, columns].cpu().numpy()):
            assert np.array_equal(it.obs_device[t + 1, columns].cpu().numpy(), twin.step(actions)[0])
        twin.close()
    assert np.array_equal(it.rewards.cpu().numpy(), it.raw_rewards)
    assert np.array_equal(it.done.cpu().numpy(), it.raw_terminated | it.raw_truncated)
    assert report.global_step == 3 * 8 * 65_536
    assert report.episodes - before == np.count_nonzero(it.raw_terminated | it.raw_truncated)
    assert all(np.isfinite(value) for value in report.metrics.values())
    ppo.close()


def resident():
    """Bytes of host memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_memory_does_not_grow(mode):
    settings = {**SETTINGS, "num_envs": 1_024, "num_steps": 8, "autoreset_mode": mode}
    ppo = PPO("CartPole-v1", **settings)

    def taken():
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated(), torch.cuda.memory_reserved()

    for _ in range(20):
        ppo.iterate()
    before, resident_before = taken(), resident()
    for _ in range(200):
        ppo.iterate()
    assert taken() == before
    assert resident() - resident_before < 20 << 20
    ppo.close()


def test_the_memory_checker_finds_nothing():
    checker = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if checker is None:
        pytest.skip("compute-sanitizer is not installed")
    script = """
        from fastvec.train import PPO
        ppo = PPO("CartPole-v1", device="cuda", num_envs=64, num_steps=4, num_minibatches=2, update_epochs=1,
                  hidden_sizes=(16,), compile=False)
        for _ in range(3):
            ppo.iterate()
        ppo.close()
        print("trained")
    """
    command = [checker, "--error-exitcode", "9", sys.executable, "-c", textwrap.dedent(script)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert "trained" in result.stdout, result.stdout[-2000:] + result.stderr[-2000:]
    assert result.returncode == 0, result.stdout[-4000:]
