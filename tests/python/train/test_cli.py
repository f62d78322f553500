"""`fastvec train` from flags to files."""

from __future__ import annotations

import json

import pytest

from fastvec.train.cli import main, parse_flags

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
    ],
)
def test_wrong_settings_are_explained(words, message, capsys):
    assert main(words) == 2
    assert message in capsys.readouterr().err
