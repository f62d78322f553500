"""Evaluations during a run, and what trackers are told."""

from __future__ import annotations

import io
import json
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from fastvec.cli.train import main
from fastvec.train import PPO
from fastvec.train.run.run import train_run
from fastvec.train.run.rundir import read_evaluations

SETTINGS = {
    "total_timesteps": 6 * 256,
    "num_envs": 4,
    "num_steps": 64,
    "num_minibatches": 2,
    "update_epochs": 2,
    "compile": False,
    "eval_episodes": 3,
}


def run(directory, **settings):
    ppo = PPO(settings.pop("env_id", "Pendulum-v1"), **{**SETTINGS, **settings})
    summary = train_run(ppo, directory, stream=io.StringIO(), started=time.monotonic())
    ppo.close()
    return ppo, summary


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
def test_training_is_the_same_bit_for_bit_with_evaluations(env_id, tmp_path):
    settings = {"env_id": env_id, "normalize_obs": True, "normalize_reward": True}
    without, _ = run(tmp_path / "without", **settings)
    evaluated, _ = run(tmp_path / "with", **settings, eval_every=256)
    assert len(read_evaluations(tmp_path / "with")) == 6
    assert torch.equal(without.learner.state.flat_parameters, evaluated.learner.state.flat_parameters)
    assert torch.equal(without.generator.get_state(), evaluated.generator.get_state())
    for module in ("obs_normalizer", "reward_normalizer"):
        for name, value in getattr(without, module).state_dict().items():
            assert torch.equal(value, getattr(evaluated, module).state_dict()[name]), name
    assert torch.equal(without.collector.obs[-1], evaluated.collector.obs[-1])


def test_drawn_actions_of_an_evaluation_leave_the_noise_of_training_alone():
    ppo = PPO("CartPole-v1", **SETTINGS)
    ppo.iterate()
    before = ppo.generator.get_state()
    first, second = (ppo.evaluate(5, deterministic=False) for _ in range(2))
    ppo.close()
    assert torch.equal(ppo.generator.get_state(), before)
    assert first == second
    assert len(set(first.lengths)) > 1


def test_evaluations_are_written_down_and_the_best_policy_is_kept(tmp_path):
    _, summary = run(tmp_path, eval_every=500, learning_rate=0.05)
    rows = read_evaluations(tmp_path)
    assert [row["global_step"] for row in rows] == [
        512,
        1024,
        1536,
    ]  # the iterations in which 500, 1000, 1500 are passed
    best = max(rows, key=lambda row: row["mean_return"])
    assert summary["best_mean_return"] == best["mean_return"]
    assert summary["best_step"] == best["global_step"]
    assert summary["mean_return"] == rows[-1]["mean_return"]
    kept = PPO.load(tmp_path / "best.pt")
    assert kept.global_step == best["global_step"]
    assert kept.evaluate(3).mean_return == best["mean_return"]  # the same seed every time
    kept.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(tmp_path)).Reload()
    drawn = {event.step: event.value for event in board.Scalars("eval/mean_return")}
    assert drawn == pytest.approx({row["global_step"]: row["mean_return"] for row in rows})


def test_a_resumed_run_compares_with_the_best_before(tmp_path):
    _, first = run(tmp_path, eval_every=256, total_timesteps=768)
    path = tmp_path / "evaluations.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["mean_return"] = 1e6
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    kept = (tmp_path / "best.pt").read_bytes()
    ppo = PPO.load(tmp_path, total_timesteps=1536)
    second = train_run(ppo, tmp_path, stream=io.StringIO(), started=time.monotonic())
    ppo.close()
    assert first["best_mean_return"] < 0
    assert (second["best_mean_return"], second["best_step"]) == (1e6, 256)
    assert (tmp_path / "best.pt").read_bytes() == kept
    assert [row["global_step"] for row in read_evaluations(tmp_path)] == [256, 512, 768, 1024, 1280, 1536]


def test_evaluating_often_without_episodes_is_a_mistake(capsys):
    assert main(["CartPole-v1", "--eval-every", "1000", "--eval-episodes", "0"]) == 2
    assert "eval_every is 1000, but eval_episodes is 0" in capsys.readouterr().err


class FakeRun:
    def __init__(self):
        self.logged, self.finished = {}, False

    def log(self, values, step):
        for name, value in values.items():
            self.logged[name, step] = value

    def finish(self):
        self.finished = True


def test_weights_and_biases_gets_what_tensorboard_gets(tmp_path, monkeypatch, capfd):
    started, fake = [], FakeRun()
    module = SimpleNamespace(init=lambda **kwargs: (started.append(kwargs), fake)[1], Error=RuntimeError)
    monkeypatch.setitem(sys.modules, "wandb", module)
    flags = ["--total-timesteps", "512", "--num-envs", "4", "--num-steps", "64", "--no-compile", "--eval-episodes", "2"]
    flags += ["--eval-every", "256", "--wandb", "cartpoles", "--run-dir", str(tmp_path / "name"), "--json"]
    assert main(["CartPole-v1", *flags]) == 0
    assert started[0]["project"] == "cartpoles"
    assert started[0]["id"] == "name"
    assert started[0]["config"]["env_id"] == "CartPole-v1"
    assert started[0]["config"]["num_steps"] == 64
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(tmp_path / "name")).Reload()
    drawn = {(name, e.step): e.value for name in board.Tags()["scalars"] for e in board.Scalars(name)}
    assert fake.logged == pytest.approx(drawn)
    assert ("eval/mean_return", 512) in drawn
    assert ("losses/value_loss", 256) in drawn
    assert fake.finished


def test_a_wandb_that_does_not_know_the_user_is_explained(tmp_path, monkeypatch, capsys):
    def init(**_):
        raise RuntimeError("no API key configured")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Error=RuntimeError))
    assert main(["CartPole-v1", "--wandb", "x", "--run-dir", str(tmp_path / "run"), "--no-compile"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("fastvec train: Weights & Biases: no API key configured")
    assert len(err.splitlines()) == 1


def test_a_missing_wandb_is_explained_before_anything_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert main(["CartPole-v1", "--wandb", "x", "--run-dir", str(tmp_path / "run")]) == 2
    assert "pip install wandb" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
