"""A disk that does not take what a run writes, for a while or for good."""

from __future__ import annotations

import io
import json
import time

import gymnasium as gym
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import record_writer

from fastvec.train import PPO
from fastvec.train.checkpoint import read_checkpoint
from fastvec.train.run import run as run_module
from fastvec.train.run.run import train_run
from fastvec.train.run.writes import RowLog
from support.train_envs import sync

SETTINGS = {"num_steps": 16, "num_minibatches": 1, "update_epochs": 1, "compile": False, "eval_episodes": 0}
SETTINGS |= {"total_timesteps": 6 * 64}


@pytest.fixture(autouse=True)
def checkpoint_each_time(monkeypatch):
    monkeypatch.setattr(run_module, "CHECKPOINT_SECONDS", 0.0)


def train(run_dir, callback):
    ppo = PPO(sync("NextStep", *[lambda: gym.make("CartPole-v1")] * 4), **SETTINGS)
    stream = io.StringIO()
    summary = train_run(ppo, run_dir, stream=stream, started=time.monotonic(), callback=callback)
    return summary, stream.getvalue()


def test_a_checkpoint_that_cannot_be_written_for_a_while_does_not_end_training(tmp_path):
    path = tmp_path / "checkpoint.pt"

    def on_and_off(report):
        if report.iteration == 1:
            path.unlink()
            (path / "in the way").mkdir(parents=True)
        if report.iteration == 4:
            (path / "in the way").rmdir(), path.rmdir()

    summary, said = train(tmp_path, on_and_off)
    assert summary["total_timesteps"] == 384
    assert said.count("warning: checkpoint.pt could not be written") == 1
    assert read_checkpoint(path)["global_step"] == 384


def test_what_was_not_saved_is_said_in_the_end(tmp_path):
    reports = []

    def block(report):
        reports.append(report)
        if report.iteration == 2:
            path = tmp_path / "checkpoint.pt"
            path.unlink()
            (path / "in the way").mkdir(parents=True)

    with pytest.raises(OSError, match=r"could not be saved: checkpoint\.pt \(.*directory"):
        train(tmp_path, block)
    assert reports[-1].global_step == 384


def test_rows_of_the_log_that_the_disk_did_not_take_come_later(tmp_path):
    path = tmp_path / "metrics.jsonl"
    kept = []

    def on_and_off(report):
        if report.iteration == 2:
            kept.append(path.read_text())
            path.unlink()
            path.mkdir()
        if report.iteration == 4:
            path.rmdir()
            path.write_text(kept[0])

    train(tmp_path, on_and_off)
    assert [json.loads(line)["global_step"] for line in path.read_text().splitlines()] == [64, 128, 192, 256, 320, 384]


def test_part_of_a_row_that_fitted_is_taken_back(tmp_path):
    log = RowLog(tmp_path / "rows.jsonl")
    log.add({"a": 1})
    with log.path.open("a") as file:
        file.write('{"a": ')  # all that the disk took of an attempt
    log.add({"a": 2})
    assert log.path.read_text() == '{"a": 1}\n{"a": 2}\n'


def test_a_writer_of_tensorboard_that_failed_is_replaced(tmp_path, monkeypatch):
    write = record_writer.RecordWriter.write
    full = []

    def fail_when_full(self, data):
        if full:
            raise OSError(28, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(record_writer.RecordWriter, "write", fail_when_full)
    # Its thread shows a traceback of its own: that is not what is tested.
    monkeypatch.setattr("threading.excepthook", lambda arguments: None)

    def on_and_off(report):
        full[:] = [True] if report.iteration in (2, 3) else []

    summary, said = train(tmp_path, on_and_off)
    assert summary["total_timesteps"] == 384
    assert "warning: the log of TensorBoard could not be written" in said
    steps = set()
    for file in tmp_path.glob("events*"):
        events = EventAccumulator(str(file)).Reload()
        if "charts/episodes" in events.Tags()["scalars"]:
            steps |= {event.step for event in events.Scalars("charts/episodes")}
    assert steps == {64, 128, 192, 256, 320, 384}
