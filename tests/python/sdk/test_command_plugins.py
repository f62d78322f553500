"""``--plugin`` of the commands: an env library that is not installed, in a process that has not seen it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

ENV_ID = "sdk/Plain-v0"


def _fastvec(*words, status=0):
    command = [sys.executable, "-m", "fastvec", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == status, done.stderr
    return done


def test_bench_measures_an_env_of_a_library(everything):
    quick = ["--num-envs", 2, "--seconds", 0.001, "--rounds", 1, "--against", "none", "--quiet", "--json"]
    report = json.loads(_fastvec("bench", ENV_ID, "--plugin", everything, *quick).stdout)
    assert {result["env_id"] for result in report["results"]} == {ENV_ID}
    assert "there is no env with the id 'sdk/Plain-v0'" in _fastvec("bench", ENV_ID, *quick, status=1).stderr
    assert "cannot load env library" in _fastvec("bench", ENV_ID, "--plugin", "none.so", status=1).stderr


def test_train_and_eval_play_an_env_of_a_library(everything, tmp_path):
    pytest.importorskip("torch")
    run = tmp_path / "run"
    small = ["--total-timesteps", 64, "--num-envs", 2, "--num-steps", 16, "--eval-episodes", 1, "--json"]
    words = ["train", ENV_ID, "--plugin", everything, "--run-dir", run, *small]
    assert json.loads(_fastvec(*words).stdout.splitlines()[-1])["stopped"] is None
    words = ["eval", run, "--plugin", everything, "--episodes", 2, "--json"]
    assert json.loads(_fastvec(*words).stdout.splitlines()[-1])["env_id"] == ENV_ID


def test_train_says_which_library_cannot_be_loaded(capsys):
    pytest.importorskip("torch")
    from fastvec.cli.main import main

    assert main(["train", ENV_ID, "--plugin", "none.so"]) == 2
    assert "fastvec train: cannot load env library" in capsys.readouterr().err
