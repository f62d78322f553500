"""Ctrl-C in the threads of a minibatch, inside a rollout, and while code is compiled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import gymnasium as gym
import numpy as np
import pytest
import torch

from fastvec.train import PPO
from fastvec.train.jit import can_compile
from fastvec.train.learner.minibatch_threads import MinibatchThreads
from fastvec.train.run.interrupts import interruptible
from support.train_envs import sync

SETTINGS = {"num_steps": 8, "num_minibatches": 2, "update_epochs": 1, "compile": False, "total_timesteps": 10**6}


def test_an_answer_that_ctrl_c_left_behind_is_not_taken_for_one_of_the_next_call():
    threads = MinibatchThreads(2, torch_threads=1)
    at_work, release = threading.Event(), threading.Event()

    def double(x):
        return 2 * x

    def held(x):
        if threading.current_thread() is threading.main_thread():
            at_work.set()
        else:  # Ctrl-C, while the main thread waits for what this one makes of its share
            at_work.wait(30)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            release.wait(30)
        return x

    for function in (double, held):  # the first call of each is made in the caller's thread
        threads.map(function, [(0,)])
    with pytest.raises(KeyboardInterrupt):
        threads.map(held, [(1,), (2,)])
    release.set()
    assert threads.map(double, [(10,), (20,)]) == [20, 40]
    assert threads.map(double, [(11,), (21,)]) == [22, 42]


class Numbered(gym.Env):
    """Observes how many steps were taken since the reset; the 20th step of all is interrupted."""

    observation_space = gym.spaces.Box(0, np.inf, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)
    steps = 0

    def __init__(self):
        self.t = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        Numbered.steps += 1
        if Numbered.steps == 20:
            raise KeyboardInterrupt
        self.t += 1
        return np.full(1, self.t, np.float32), 1.0, False, False, {}


def test_after_ctrl_c_inside_a_rollout_training_goes_on_from_observations_that_are_the_environments():
    Numbered.steps = 0
    ppo = PPO(sync("NextStep", Numbered, Numbered), **SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        ppo.learn()
    rows = []
    ppo.learn(16, callback=lambda report: rows.append(report.rollout.obs[:, :, 0].clone()))
    for row in rows:
        steps = row.diff(dim=0)
        assert torch.equal(steps, torch.ones_like(steps))
    assert rows[0][0].tolist() == [0.0, 0.0]  # new episodes: the old ones cannot be gone on with
    assert ppo.global_step == ppo.iteration * 16


def test_a_signal_while_code_is_compiled_ends_it_where_it_is():
    with interruptible() as signals:
        signal.raise_signal(signal.SIGINT)  # in between, it is noted
        assert signals == [signal.SIGINT]
    with interruptible() as signals:
        signals.at_once = True
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with interruptible(patient=True) as signals:  # of several ranks, none leaves alone
        signals.at_once = False
        signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
@pytest.mark.skipif(not can_compile(), reason="this PyTorch cannot compile whole updates")
def test_ctrl_c_while_code_is_compiled_does_not_wait_for_the_end_of_it(tmp_path):
    words = ["train", "CartPole-v1", "--compile", "--total-timesteps", "100000000", "--run-dir", str(tmp_path / "run")]
    process = subprocess.Popen(
        [sys.executable, "-m", "fastvec", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")},
    )
    with process:
        for line in process.stdout:
            if line.startswith("compiling") and line.endswith(" s)\n"):  # some seconds already
                break
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "\n0 steps in" in out  # of the first iteration, nothing
    assert "Traceback" not in out
