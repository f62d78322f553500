"""`fastvec train` from flags to files."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from fastvec.cli.train import main, parse_flags
from fastvec.train import PPO
from fastvec.train.checkpoint import read_checkpoint

SHORT = [
    "--total-timesteps",
    "512",
    "--num-envs",
    "4",
    "--num-steps",
    "64",
    "--no-compile",
    "--eval-episodes",
    "4",
]


def test_the_last_line_is_json_and_the_run_directory_is_complete(tmp_path, capfd):
    run = tmp_path / "run"
    assert main(["CartPole-v1", "--json", "--seed", "7", "--run-dir", str(run), *SHORT]) == 0
    out = capfd.readouterr().out
    assert len(out.splitlines()) == 1
    summary = json.loads(out)
    assert summary["env_id"] == "CartPole-v1"
    assert summary["seed"] == 7
    assert summary["total_timesteps"] == 512
    assert summary["run_dir"] == str(run)
    assert summary["mean_return_of"] == "greedy evaluation of 4 episodes"
    assert 8.0 < summary["mean_return"] <= 500.0
    assert summary["wall_seconds"] > 0
    assert "steps_per_second" in summary
    names = {path.name.split(".")[0] if "tfevents" in path.name else path.name for path in run.iterdir()}
    assert names == {"config.json", "checkpoint.pt", "metrics.jsonl", "learning_curve.png", "events"}
    assert json.loads((run / "config.json").read_text())["config"]["num_steps"] == 64


def test_progress_is_shown_where_there_is_no_terminal(tmp_path, capfd):
    assert main(["CartPole-v1", "--run-dir", str(tmp_path / "run"), *SHORT]) == 0
    out = capfd.readouterr().out
    assert out.startswith("loading PyTorch")
    assert "step 512/512" in out
    assert "steps/s" in out


def test_learning_from_python_shows_progress_where_it_is_asked_for(capsys):
    ppo = PPO("CartPole-v1", num_envs=4, num_steps=64, num_minibatches=4, total_timesteps=512, compile=False)
    assert ppo.learn() is ppo
    assert capsys.readouterr().out == ""
    again = PPO("CartPole-v1", num_envs=4, num_steps=64, num_minibatches=4, total_timesteps=512, compile=False)
    reports = []
    again.learn(progress=True, callback=reports.append)
    assert "step 512/512" in capsys.readouterr().out
    assert len(reports) == 2
    ppo.close(), again.close()


def test_flags_override_the_preset():
    flags = parse_flags(["--learning-rate", "0.5", "CartPole-v1", "--no-anneal-lr"])
    config = flags.config()
    assert flags.env_id == "CartPole-v1"
    assert (config.learning_rate, config.anneal_lr) == (0.5, False)
    assert config.anneal_clip  # as the preset has it
    assert not parse_flags(["Other-v0"]).config().anneal_clip


def test_a_preset_for_throughput_can_be_overridden():
    config = parse_flags(["CartPole-v1", "--preset", "throughput", "--num-steps", "64"]).config()
    assert (config.num_envs, config.num_steps, config.compile) == (1024, 64, True)
    assert parse_flags(["CartPole-v1"]).config().num_envs < 1024


def test_help_names_the_environment(capsys):
    with pytest.raises(SystemExit) as stop:
        parse_flags(["--help"])
    assert stop.value.code == 0
    assert "ENV_ID" in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize(("words", "value"), [(["--compile"], True), (["--no-compile"], False), ([], None)])
def test_compile_has_three_values(words, value):
    assert parse_flags([*words, "CartPole-v1"]).compile is value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["CartPole-v1", "--num-minibatches", "3", "--num-envs", "4"], "num_minibatches must divide"),
        (["CartPole-v1", "--gamma", "1.5"], "gamma must be between 0 and 1, got 1.5"),
        ([], "which environment"),
        (["CartPole-v1", "--seed", "-1"], "seed must be at least 0, got -1"),
        (["CartPole-v1", "--learning-rate", "nan"], "learning_rate must be at least 0, and finite, got nan"),
        (["CartPol-v1"], "there is no env with the id 'CartPol-v1'; did you mean CartPole-v1"),
        (["CartPole-v1", "--device", "gpu"], "device must be auto, cpu, cuda or cuda:N, got 'gpu'"),
        (["CartPole-v1", "--device", "cuda:99"], "CUDA devices here"),
        (["CartPole-v1", "--backend", "quick"], "expected backend to be None, 'native', 'process' or 'ale'"),
        (["CartPole-v1", "--backend", "gymnasium", "--env-kwargs", "foo", "1"], "unexpected keyword argument 'foo'"),
        (["CartPole-v1", "--env-kwargs", "foo", "1"], "unexpected keyword argument 'foo'"),
        (["Nothing-v0", "--backend", "gymnasium"], "Nothing"),
    ],
)
def test_wrong_settings_are_explained_in_one_line(words, message, capsys):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.startswith("fastvec train: ")
    assert len(err.splitlines()) == 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a run on CartPole that has ended."""
    run = tmp_path_factory.mktemp("runs") / "run"
    assert main(["CartPole-v1", "--json", "--run-dir", str(run), *SHORT]) == 0
    return run


def test_a_run_is_not_overwritten_by_another(finished, capsys):
    before = (finished / "checkpoint.pt").read_bytes()
    assert main(["CartPole-v1", "--run-dir", str(finished), *SHORT]) == 2
    assert f"{finished} already holds a run" in capsys.readouterr().err
    assert (finished / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Pendulum-v1"], "is a run on CartPole-v1, not on Pendulum-v1"),
        (["--env-kwargs", "sutton_barto_reward", "True"], "leave --env-kwargs out"),
        (["--preset", "throughput"], "leave --preset out"),
        (["--hidden-sizes", "32"], "the checkpoint's network does not fit"),
        (["--run-dir", "."], "already holds a run"),
    ],
)
def test_a_run_cannot_be_resumed_as_another(words, message, finished, capsys, monkeypatch):
    other = finished.with_name("other")
    other.mkdir(exist_ok=True)
    (other / "checkpoint.pt").touch()
    monkeypatch.chdir(other)
    assert main(["--resume", str(finished), "--total-timesteps", "1024", *words]) == 2
    assert message in capsys.readouterr().err


def test_settings_can_change_when_a_run_goes_on(finished, tmp_path, capsys):
    words = ["CartPole-v1", "--num-envs", "8", "--num-steps", "32", "--total-timesteps", "1024", "--eval-episodes", "0"]
    run = tmp_path / "fork"
    assert main(["--resume", str(finished / "checkpoint.pt"), *words, "--run-dir", str(run), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["resumed_from"], summary["total_timesteps"]) == (512, 1024)
    config = json.loads((run / "config.json").read_text())["config"]
    assert (config["num_envs"], config["num_steps"]) == (8, 32)
    assert json.loads((finished / "config.json").read_text())["config"]["num_envs"] == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "config.json is damaged"), ("[]", "config.json is damaged"), ("{}", "config.json is damaged")],
)
def test_a_damaged_run_directory_is_named(content, message, tmp_path, capsys):
    (tmp_path / "config.json").write_text(content)
    assert main(["--resume", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_a_run_directory_that_cannot_be_made_is_explained(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["CartPole-v1", "--run-dir", str(tmp_path / "file"), *SHORT]) == 1
    err = capsys.readouterr().err
    assert err.startswith("fastvec train: ")
    assert "File exists" in err


class Poisoned(gym.Env):
    """Its rewards are infinite."""

    observation_space, action_space = gym.spaces.Box(-1, 1, (1,), np.float32), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), float("inf"), False, False, {}


def test_a_run_that_diverges_says_what_and_ends_with_status_1(tmp_path, capsys):
    gym.register("Poisoned-v0", entry_point=Poisoned, disable_env_checker=True)
    try:
        words = ["Poisoned-v0", "--backend", "gymnasium", "--run-dir", str(tmp_path), *SHORT]
        assert main(words) == 1
    finally:
        del gym.registry["Poisoned-v0"]
    out = capsys.readouterr().out
    assert "stopped: reward is not finite after 0 steps" in out
    assert f"saving {tmp_path}/diverged.pt" in out
    assert (tmp_path / "checkpoint.pt").exists()


def train_in_a_process(run, *words):
    """``fastvec train``, in a process that signals can be sent to."""
    command = [sys.executable, "-m", "fastvec", "train", *words, "--run-dir", str(run)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process, text):
    """Read what it prints up to a line with ``text``."""
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"{text!r} never came: {process.stderr.read()}")


def train_until(run, words, text, number):
    """Train until a line with ``text`` is printed, then send that signal: exit status, the rest of what is printed, and
    of the errors."""
    with train_in_a_process(run, *words) as process:
        try:
            wait_for(process, text)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, out, err


def test_a_signal_ends_a_run_with_a_checkpoint_and_status_130(tmp_path):
    run = tmp_path / "run"
    words = ["CartPole-v1", "--total-timesteps", "100000000", "--no-compile"]
    status, out, err = train_until(run, words, "step ", signal.SIGTERM)
    assert status == 130, err
    assert "Traceback" not in err
    assert "stopped: interrupted" in out
    assert read_checkpoint(run)["global_step"] > 0


def test_a_signal_breaks_off_an_evaluation(tmp_path):
    run = tmp_path / "run"
    words = ["Pendulum-v1", *SHORT[:-1], "1000000"]  # episodes: it would take minutes
    status, out, err = train_until(run, words, "evaluating", signal.SIGINT)
    assert status == 130, err
    assert "stopped: interrupted" in out
    assert read_checkpoint(run)["global_step"] == 512
