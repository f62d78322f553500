"""Several processes under torchrun, with gloo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fastvec.train import PPO
from fastvec.train.checkpoint import read_checkpoint
from fastvec.train.distributed import ALONE, World, join_world
from support import rank_script

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def torchrun(*words):
    """Run two ranks to their end; what they wrote to stdout."""
    result = subprocess.run([*TORCHRUN, *map(str, words)], capture_output=True, text=True, env=QUIET, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The folder in which rank_script.py, run by two ranks, left its results."""
    folder = tmp_path_factory.mktemp("ranks")
    torchrun(Path(rank_script.__file__), folder)
    return folder


@pytest.fixture
def ranks(script):
    """What each rank wrote."""
    return [torch.load(script / f"{rank}.pt", weights_only=False) for rank in (0, 1)]


def test_two_ranks_equal_one_with_the_environments_of_both(ranks):
    alone = rank_script.train(ranks=2)
    reports = []
    alone.learn(callback=reports.append)
    for name, value in rank_script.outcome(alone).items():
        assert torch.equal(ranks[0][name], ranks[1][name]), name
        # The same sums in another order: 1e-5 after 9 gradient steps of 1e-3.
        torch.testing.assert_close(ranks[0][name], value, rtol=1e-4, atol=1e-5, msg=name)
    for rank in ranks:
        assert rank["global_step"] == reports[-1].global_step == 4 * 32 * 8
        assert rank["episodes"] == reports[-1].episodes
        assert rank["metrics"] == pytest.approx(reports[-1].metrics, rel=1e-3, abs=1e-5)
    assert ranks[0]["mean_return"] == ranks[1]["mean_return"]


def test_two_ranks_of_sac_equal_one_with_the_joined_batch(ranks):
    alone = rank_script.soft_outcome()
    for name, value in alone.items():
        assert torch.equal(ranks[0]["soft"][name], ranks[1]["soft"][name]), name
        torch.testing.assert_close(ranks[0]["soft"][name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_two_ranks_with_memory_stop_their_passes_together(ranks):
    alone = rank_script.train(ranks=2, **rank_script.RECURRENT).learn()
    for name, value in rank_script.outcome(alone).items():
        assert torch.equal(ranks[0]["recurrent"][name], ranks[1]["recurrent"][name]), name
        torch.testing.assert_close(ranks[0]["recurrent"][name], value, rtol=1e-4, atol=1e-5, msg=name)
    assert 3 <= int(alone.learner.state.step) < 3 * 8  # some pass was the last one before its time


FLAGS = ["--num-envs", 4, "--num-steps", 32, "--no-compile", "--eval-episodes", 2, "--normalize-reward", "--json"]


def test_ranks_resume_exactly(ranks, script):
    assert [rank["resumed"] for rank in ranks] == [True, True]
    first, second = read_checkpoint(script / "checkpoint.pt")["ranks"]
    assert not torch.equal(first["collector"]["obs"], second["collector"]["obs"])
    assert not torch.equal(first["generator"], second["generator"])


def test_a_checkpoint_of_two_ranks_can_be_used_by_one(script):
    ppo = PPO.load(script / "checkpoint.pt")
    assert ppo.global_step == 2 * 2 * 4 * 32
    assert ppo.iterate().global_step == 2 * 2 * 4 * 32 + 4 * 32
    ppo.close()


def test_torchrun_needs_no_other_command_line(tmp_path):
    words = ["CartPole-v1", *FLAGS, "--total-timesteps", 512, "--run-dir", tmp_path / "run"]
    lines = torchrun("-m", "fastvec", "train", *words).splitlines()
    assert len(lines) == 1
    summary = json.loads(lines[0])
    assert (summary["processes"], summary["total_timesteps"]) == (2, 512)
    assert summary["mean_return_of"] == "greedy evaluation of 2 episodes"


def test_ctrl_c_ends_all_ranks_with_a_checkpoint(tmp_path):
    run = tmp_path / "run"
    words = ["-m", "fastvec", "train", "CartPole-v1", *FLAGS, "--total-timesteps", 10**9, "--run-dir", run]
    process = subprocess.Popen(
        [*TORCHRUN, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=QUIET,
        start_new_session=True,
    )
    try:
        for line in process.stderr:
            if line.startswith("step "):
                break
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to every process
        process.communicate(timeout=60)
    finally:
        process.kill()
    content = read_checkpoint(run)
    assert content["global_step"] > 0
    assert len(content["ranks"]) == 2


def test_a_process_alone_needs_no_torchrun():
    assert join_world({}) == ALONE == World()
    with pytest.raises(ValueError, match="WORLD_SIZE is 2, but RANK, MASTER_ADDR, MASTER_PORT is not set"):
        join_world({"WORLD_SIZE": "2"})


@pytest.mark.parametrize("processes", [1, 2])
def test_environments_in_python_are_shared_out_among_processes(processes, tmp_path):
    words = ["CartPole-v1", "--backend", "process", *FLAGS, "--total-timesteps", 512, "--run-dir", tmp_path / "run"]
    if processes == 1:
        words = [sys.executable, "-m", "fastvec", "train", *words, "--num-threads", 2]
        result = subprocess.run([*map(str, words)], capture_output=True, text=True, env=QUIET, timeout=300, check=False)
        assert result.returncode == 0, result.stderr[-3000:]
        lines = result.stdout.splitlines()
    else:
        lines = torchrun("-m", "fastvec", "train", *words).splitlines()
    assert json.loads(lines[-1])["processes"] == processes
