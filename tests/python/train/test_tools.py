"""eval, plot and export on a finished run."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from fastvec.train import PPO
from fastvec.train.cli import eval_main, export_main, main, plot_main
from fastvec.train.plot import seeds_band

SHORT = ["--total-timesteps", "512", "--num-envs", "4", "--num-steps", "64", "--num-minibatches", "4"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two short runs on Pendulum with normalised observations."""
    base = tmp_path_factory.mktemp("runs")
    for seed in (1, 2):
        flags = [*SHORT, "--seed", str(seed), "--run-dir", str(base / str(seed)), "--eval-episodes", "0"]
        assert main(["Pendulum-v1", "--no-compile", "--normalize-obs", "--json", *flags]) == 0
    return [base / "1", base / "2"]


def test_eval_prints_what_the_library_finds(runs, capfd):
    assert eval_main([str(runs[0]), "--episodes", "6", "--seed", "5", "--json"]) == 0
    summary = json.loads(capfd.readouterr().out)
    ppo = PPO.load(runs[0])
    expected = ppo.evaluate(6, seed=5)
    ppo.close()
    assert summary["episodes"] == 6
    assert summary["mean_return"] == pytest.approx(expected.mean_return)
    assert summary["mean_length"] == 200


def test_eval_of_a_missing_run_is_explained(tmp_path, capsys):
    assert eval_main([str(tmp_path / "nothing")]) == 2
    assert "there is no checkpoint at" in capsys.readouterr().err


def test_plot_writes_a_picture(runs, tmp_path):
    out = tmp_path / "curves.png"
    assert plot_main([str(runs[0]), str(runs[1]), "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_band_is_mean_and_deviation_over_seeds():
    steps = np.array([0.0, 10.0])
    grid, mean, deviation = seeds_band([(steps, np.array([0.0, 10.0])), (steps, np.array([2.0, 12.0]))], points=3)
    assert grid.tolist() == [0.0, 5.0, 10.0]
    assert mean.tolist() == [1.0, 6.0, 11.0]
    assert deviation.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_an_exported_policy_chooses_what_predict_chooses(runs, tmp_path):
    out = tmp_path / "policy.pt2"
    assert export_main([str(runs[0]), "--out", str(out)]) == 0
    policy = torch.export.load(out).module()
    ppo = PPO.load(runs[0])
    for batch in (1, 5):
        obs = np.random.default_rng(batch).normal(scale=3.0, size=(batch, 3)).astype(np.float32)
        np.testing.assert_allclose(policy(torch.from_numpy(obs)).numpy(), ppo.predict(obs), rtol=1e-5, atol=1e-6)
    ppo.close()


def test_a_video_of_an_unknown_kind_is_refused(runs, capsys):
    assert eval_main([str(runs[0]), "--episodes", "1", "--video", "film.avi"]) == 2
    assert "must end in .gif or .mp4" in capsys.readouterr().err
