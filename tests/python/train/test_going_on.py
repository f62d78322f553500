"""Going on: learn again, with callbacks, schedules and a return to stop at; and runs that are resumed otherwise."""

from __future__ import annotations

import io
import json
import math
import time

import gymnasium as gym
import numpy as np
import pytest
import torch

from fastvec.cli.train import main
from fastvec.train import PPO, SAC
from fastvec.train.report import TrainingDiverged
from fastvec.train.run.run import train_run
from fastvec.train.run.rundir import read_metrics
from support.train_envs import Counting, sync

SETTINGS = {"num_envs": 4, "num_steps": 16, "num_minibatches": 2, "update_epochs": 1, "compile": False, "seed": 3}


def parameters(ppo):
    return ppo.learner.state.flat_parameters.clone()


def test_learning_again_goes_on_from_where_it_is():
    with_anneal_off = {**SETTINGS, "anneal_lr": False}
    whole = PPO("CartPole-v1", total_timesteps=6 * 64, **with_anneal_off).learn()
    parts = PPO("CartPole-v1", total_timesteps=2 * 64, **with_anneal_off).learn()
    assert parts.learn(4 * 64).global_step == 6 * 64
    assert parts.learn().global_step == 6 * 64
    assert torch.equal(parameters(whole), parameters(parts))


def test_a_callback_that_returns_false_stops():
    ppo = PPO("CartPole-v1", total_timesteps=100 * 64, **SETTINGS)
    ppo.learn(callback=lambda report: report.iteration < 3)
    assert ppo.iteration == 3


def test_a_callback_sees_the_rollout_and_adds_to_the_log(tmp_path):
    ppo = PPO("CartPole-v1", total_timesteps=4 * 64, eval_episodes=0, **SETTINGS)

    def look(report):
        assert report.rollout.rewards.shape == (16, 4)
        report.metrics["mean_reward"] = float(report.rollout.rewards.mean())
        return report.iteration < 2

    summary = train_run(ppo, tmp_path, stream=io.StringIO(), started=time.monotonic(), callback=look)
    rows = read_metrics(tmp_path)
    assert summary["stopped"] == "callback"
    assert [row["global_step"] for row in rows] == [64, 128]
    assert all(0.0 < row["mean_reward"] <= 1.0 for row in rows)


def test_training_stops_at_a_return():
    ppo = PPO(sync("NextStep", *[lambda: Counting(terminate_at=2)] * 4), **SETTINGS, stop_at_return=3.0)
    ppo.learn()  # each episode returns 1 + 2
    finished = ppo.episodes.finished
    assert ppo.done
    assert 100 <= finished < 200
    never = PPO(sync("NextStep", *[lambda: Counting(terminate_at=2)] * 4), **SETTINGS, stop_at_return=3.1)
    never.learn(10 * 64)
    assert never.global_step == 640


def test_drawing_actions_in_a_callback_changes_nothing_that_is_learned():
    whole = PPO("CartPole-v1", total_timesteps=4 * 64, **SETTINGS).learn()
    watched = PPO("CartPole-v1", total_timesteps=4 * 64, **SETTINGS)
    watched.learn(callback=lambda _: bool(len(watched.predict(np.zeros((5, 4), np.float32), deterministic=False))))
    assert torch.equal(parameters(whole), parameters(watched))


@pytest.mark.parametrize("shape", ["linear", "cosine", None])
def test_learning_rates_follow_their_schedule(shape):
    settings = {"anneal_lr": shape is not None, "anneal_shape": shape or "linear", "warmup_steps": 3 * 64}
    ppo = PPO("CartPole-v1", total_timesteps=8 * 64, learning_rate=0.01, **SETTINGS, **settings)
    rates = []
    ppo.learn(callback=lambda report: rates.append(report.schedules["learning_rate"]))
    left = np.arange(8, 0, -1) / 8
    factors = {"linear": left, "cosine": (1 - np.cos(math.pi * left)) / 2, None: np.ones(8)}[shape]
    np.testing.assert_allclose(rates, 0.01 * factors * np.minimum(1, np.arange(1, 9) / 3), rtol=1e-12)


@pytest.mark.parametrize("settings", [{"anneal_shape": "cosine", "warmup_steps": 200}, {"anneal_clip": True}])
def test_a_resumed_run_with_schedules_is_the_same_bit_for_bit(settings, tmp_path):
    settings = {**SETTINGS, "total_timesteps": 5 * 64, "normalize_obs": True, **settings}
    whole = PPO("CartPole-v1", **settings).learn()
    first = PPO("CartPole-v1", **settings)
    first.learn(callback=lambda report: report.iteration < 2)
    first.save(tmp_path / "checkpoint.pt")
    second = PPO.load(tmp_path).learn()
    assert torch.equal(parameters(whole), parameters(second))


RUN = ["CartPole-v1", "--num-envs", "4", "--num-minibatches", "1", "--no-compile", "--eval-episodes", "0"]


@pytest.mark.parametrize("num_steps", [40, 512])
def test_a_resume_with_another_rollout_keeps_the_log_and_the_steps(num_steps, tmp_path):
    run = tmp_path / "run"
    assert main([*RUN, "--num-steps", "32", "--total-timesteps", "2304", "--run-dir", str(run)]) == 0
    before = read_metrics(run)
    assert len(before) == 18
    assert main(["--resume", str(run), "--num-steps", str(num_steps), "--total-timesteps", "4000"]) == 0
    rows = read_metrics(run)
    assert rows[:18] == before
    assert rows[18]["global_step"] == 2304 + 4 * num_steps
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds)  # they do not start anew


def test_the_learning_rate_of_a_run_with_a_longer_rollout_goes_on_from_the_steps(tmp_path):
    first = PPO("CartPole-v1", total_timesteps=8 * 64, learning_rate=0.01, **SETTINGS)
    first.learn(callback=lambda report: report.iteration < 4)
    first.save(tmp_path / "checkpoint.pt")
    second = PPO.load(tmp_path, num_steps=32)
    assert second.iterate().schedules["learning_rate"] == pytest.approx(0.005)


class NotANumber(gym.Env):
    """Its third observation is NaN; keeps the actions that it has seen."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, broken=True):
        self.broken, self.actions = broken, []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.actions.append(float(action[0]))
        return np.full(2, np.nan if self.broken and len(self.actions) == 3 else 0.0, np.float32), 0.0, False, False, {}


@pytest.mark.parametrize("make", [PPO, SAC])
def test_a_nan_in_an_observation_stops_before_an_environment_sees_the_action(make):
    envs = [NotANumber(broken=False), NotANumber(broken=True), NotANumber(broken=False)]
    settings = {"num_steps": 16, "compile": False} | ({} if make is PPO else {"normalize_obs": False})
    if make is PPO:
        settings |= {"num_minibatches": 1}
    else:
        settings |= {"learning_starts": 0, "buffer_size": 1000}
    trainer = make(sync("NextStep", *[lambda env=env: env for env in envs]), **settings)
    with pytest.raises(TrainingDiverged, match=r"obs of environment 1 is not finite after 0 steps") as stop:
        trainer.iterate()
    assert (stop.value.quantity, stop.value.env) == ("obs", 1)
    for env in envs:
        assert len(env.actions) == 3
        assert np.isfinite(env.actions).all()


def test_an_evaluation_says_how_many_episodes_it_cut():
    envs = sync("NextStep", Counting, lambda: Counting(terminate_at=2))
    ppo = PPO(sync("NextStep", Counting), num_steps=4, num_minibatches=1, compile=False, eval_max_episode_steps=30)
    result = ppo.evaluate(6, envs=envs)
    assert (sorted(result.lengths), result.cut) == ([2, 2, 2, 30], 1)
    assert ppo.evaluate(6, envs=envs, max_episode_steps=1).cut == 2


def test_the_command_line_says_how_many_episodes_it_cut(tmp_path, capfd):
    run = tmp_path / "run"
    words = [*RUN, "--num-steps", "32", "--total-timesteps", "128", "--run-dir", str(run), "--json"]
    words[words.index("--eval-episodes") + 1] = "3"
    assert main([*words, "--eval-max-episode-steps", "3"]) == 0
    summary = json.loads(capfd.readouterr().out)
    assert (summary["evaluation_cut"], summary["mean_return"]) == (3, 3.0)
