"""Checkpoints: exact continuation, atomic writing, interruption and divergence."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

import fastvec
from fastvec.cli.train import main
from fastvec.train import PPO
from fastvec.train.checkpoint import read_checkpoint, write_checkpoint
from fastvec.train.report import TrainingDiverged
from fastvec.train.run.run import train_run
from fastvec.train.run.rundir import read_metrics
from support.train_envs import Counting, Snapshotting, sync

SETTINGS = {
    "total_timesteps": 6 * 128,
    "num_steps": 32,
    "num_minibatches": 2,
    "update_epochs": 2,
    "compile": False,
    "eval_episodes": 0,
}


def snapshotting(mode):
    makers = [lambda: gym.make("CartPole-v1", max_episode_steps=40, disable_env_checker=True)] * 4
    return Snapshotting(makers, autoreset_mode=AutoresetMode(mode))


def everything(ppo):
    """All numbers that training depends on."""
    tensors = {**ppo.network.state_dict(), **ppo.learner.state_dict(), "generator": ppo.generator.get_state()}
    for name in ("obs_normalizer", "reward_normalizer"):
        tensors |= {f"{name}.{k}": v for k, v in getattr(ppo, name).state_dict().items()}
    return tensors | {"obs": ppo.collector.obs[-1]}, ppo.collector.episodes.state_dict()


@pytest.mark.parametrize("stop_after", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_resumed_run_is_the_same_bit_for_bit(autoreset_mode, stop_after, tmp_path):
    settings = {**SETTINGS, "normalize_obs": True, "normalize_reward": True}
    whole = PPO(snapshotting(autoreset_mode), **settings).learn()
    first = PPO(snapshotting(autoreset_mode), **settings)
    for _ in range(stop_after):
        first.iterate()
    first.save(tmp_path / "checkpoint.pt")
    second = PPO.load(tmp_path, env=snapshotting(autoreset_mode), trust=True)
    assert second.iteration == stop_after
    second.learn()
    (tensors, episodes), (others, other_episodes) = everything(whole), everything(second)
    for name, tensor in tensors.items():
        assert torch.equal(tensor, others[name]), name
    for name in ("running_return", "running_length"):
        np.testing.assert_array_equal(episodes[name], other_episodes[name])
    assert episodes["recent"] == other_episodes["recent"]


class Unsaveable(gym.Wrapper):
    """Holds what cannot be pickled, as Box2D's environments do; notes the seeds of its resets in a file."""

    def __init__(self, path):
        super().__init__(gym.make("CartPole-v1", max_episode_steps=9, disable_env_checker=True))
        self.path, self.lock = path, threading.Lock()

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            with open(self.path, "a") as file:
                file.write(f"{seed}\n")
        return self.env.reset(seed=seed, options=options)


def test_environments_that_cannot_be_saved_begin_new_episodes(tmp_path):
    def envs():
        return fastvec.make_vec([lambda: Unsaveable(tmp_path / "seeds")] * 2, num_workers=1)

    settings = {**SETTINGS, "seed": 10, "normalize_obs": True, "normalize_reward": True}
    first = PPO(envs(), **settings)
    first.iterate(), first.iterate()
    first.save(tmp_path / "checkpoint.pt")
    assert not first.resumes_exactly
    second = PPO.load(tmp_path, env=envs())
    for name, value in first.learner.state_dict().items():
        assert torch.equal(value, second.learner.state_dict()[name]), name
    assert second.iterate().iteration == 3
    first.close(), second.close()
    assert (tmp_path / "seeds").read_text().split() == ["10", "11", "14", "15"]  # other ones than at the start


def test_a_run_says_that_it_cannot_be_resumed_exactly(tmp_path):
    for vector, said in ((sync("NextStep", Counting), True), (snapshotting("NextStep"), False)):
        stream = io.StringIO()
        train_run(PPO(vector, **SETTINGS), tmp_path / str(said), stream=stream, started=time.monotonic())
        assert ("these environments cannot be saved: --resume will begin new episodes" in stream.getvalue()) == said


def test_a_loaded_policy_predicts_the_same(tmp_path):
    ppo = PPO(sync("NextStep", lambda: gym.make("Pendulum-v1")), **SETTINGS, normalize_obs=True)
    ppo.iterate(), ppo.iterate()
    ppo.save(tmp_path / "p.pt")
    other = PPO.load(tmp_path / "p.pt", env=sync("NextStep", lambda: gym.make("Pendulum-v1")))
    batch = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_array_equal(ppo.predict(batch), other.predict(batch))
    one = ppo.predict(np.zeros(3, np.float32))
    assert one.shape == (1,)
    assert -2 <= one[0] <= 2


def test_a_crash_while_writing_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, {"value": 1})
    with pytest.raises(Exception, match="a checkpoint cannot hold a function, as there is at /value"):
        write_checkpoint(path, {"value": lambda: None})
    assert read_checkpoint(path)["value"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_ctrl_c_saves_and_leaves(tmp_path):
    ppo = PPO(snapshotting("NextStep"), **SETTINGS)
    iterate = ppo.iterate

    def interrupted_iterate():
        if ppo.iteration == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return iterate()

    ppo.iterate = interrupted_iterate
    summary = train_run(ppo, tmp_path, stream=io.StringIO(), started=time.monotonic())
    assert summary["stopped"] == "interrupted"
    assert summary["total_timesteps"] == 256
    assert read_checkpoint(tmp_path)["iteration"] == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Poisoned(Counting):
    """Its third step is worth NaN."""

    def step(self, action):
        obs, reward, *rest = super().step(action)
        return obs, float("nan") if self.t == 3 else reward, *rest


def test_a_reward_that_is_nan_stops_the_run_and_is_named(tmp_path):
    ppo = PPO(sync("NextStep", Poisoned), **SETTINGS)
    with pytest.raises(TrainingDiverged, match="reward is not finite"):
        ppo.iterate()
    ppo = PPO(sync("NextStep", Poisoned), **SETTINGS)
    summary = train_run(ppo, tmp_path, stream=io.StringIO(), started=time.monotonic())
    assert summary["stopped"] == "reward"
    assert read_checkpoint(tmp_path / "diverged.pt")["iteration"] == 0
    assert read_checkpoint(tmp_path)["iteration"] == 0  # a run has a checkpoint from its start on


def test_parameters_that_overflow_are_noticed():
    ppo = PPO(sync("NextStep", lambda: Counting(terminate_at=5)), **{**SETTINGS, "learning_rate": 1e38})
    with pytest.raises(TrainingDiverged, match="is not finite"):
        ppo.learn()


def test_a_resumed_run_takes_back_what_its_log_says_about_later_steps(tmp_path):
    ppo = PPO("CartPole-v1", num_envs=4, **{**SETTINGS, "eval_episodes": 1}, eval_every=128)
    ppo.iterate(), ppo.iterate()
    ppo.save(tmp_path / "early.pt")
    train_run(ppo, tmp_path, stream=io.StringIO(), started=time.monotonic())
    ppo.close()
    log = tmp_path / "metrics.jsonl"
    log.write_text(log.read_text() + '{"global_step": 896, "mean_ret')  # killed while it wrote
    again = PPO.load(tmp_path / "early.pt", total_timesteps=5 * 128)
    train_run(again, tmp_path, stream=io.StringIO(), started=time.monotonic())
    again.close()
    for name, first in (("metrics.jsonl", 384), ("evaluations.jsonl", 384)):
        lines = [json.loads(line)["global_step"] for line in (tmp_path / name).read_text().splitlines()]
        assert lines == list(range(first, 641, 128)), name
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    # TensorBoard reads files in the order of their names, whose counter within a second is written without zeros.
    for number, file in enumerate(sorted(tmp_path.glob("events*"), key=lambda file: file.stat().st_mtime_ns)):
        file.rename(tmp_path / f"events.out.tfevents.{number:010}.run")
    board = EventAccumulator(str(tmp_path)).Reload()
    for tag in ("charts/episodes", "losses/value_loss", "eval/mean_length"):
        assert [event.step for event in board.Scalars(tag)] == [384, 512, 640], tag


def test_native_environments_resume_bit_for_bit_by_id(autoreset_mode, tmp_path):
    settings = {**SETTINGS, "num_envs": 4, "autoreset_mode": autoreset_mode}
    whole = PPO("CartPole-v1", **settings).learn()
    first = PPO("CartPole-v1", **settings)
    first.iterate(), first.iterate()
    first.save(tmp_path / "checkpoint.pt")
    second = PPO.load(tmp_path).learn()
    assert torch.equal(whole.learner.state.flat_parameters, second.learner.state.flat_parameters)
    assert torch.equal(whole.collector.obs, second.collector.obs)
    assert whole.collector.episodes.recent == second.collector.episodes.recent
    for ppo in (whole, first, second):
        ppo.close()


def test_the_command_line_goes_on_where_a_run_ended(tmp_path, capsys):
    flags = ["--num-envs", "4", "--num-steps", "32", "--no-compile", "--eval-episodes", "0", "--json"]
    run = tmp_path / "run"
    assert main(["CartPole-v1", "--run-dir", str(run), "--total-timesteps", "256", *flags]) == 0
    assert main(["--resume", str(run), "--total-timesteps", "512", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (summary["resumed_from"], summary["total_timesteps"], summary["run_dir"]) == (256, 512, str(run))
    assert [row["global_step"] for row in read_metrics(run)] == [128, 256, 384, 512]
    assert main(["--resume", str(tmp_path / "other")]) == 2
    assert "is no run directory" in capsys.readouterr().err
