"""eval, plot and export on a finished run."""

from __future__ import annotations

import json
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import SyncVectorEnv
from PIL import Image

from fastvec.cli.eval import main as eval_main
from fastvec.cli.export import main as export_main
from fastvec.cli.plot import main as plot_main
from fastvec.cli.train import main
from fastvec.train import PPO
from fastvec.train.checkpoint import read_checkpoint, write_checkpoint
from fastvec.train.env import source
from fastvec.train.export import GreedyPolicy
from fastvec.train.run.plot import group_runs, read_curve, seeds_band
from fastvec.train.run.video import write_frames

SHORT = ["--total-timesteps", "1024", "--num-envs", "4", "--num-steps", "64", "--num-minibatches", "4"]


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


@pytest.mark.parametrize("command", [eval_main, export_main])
def test_a_run_on_a_gpu_with_many_environments_is_used_on_a_machine_without(command, runs, tmp_path, monkeypatch):
    content = read_checkpoint(runs[0] / "checkpoint.pt")
    content["config"] |= {"device": "cuda:7", "num_envs": 4096, "num_minibatches": 1, "env_groups": 2}
    write_checkpoint(tmp_path / "checkpoint.pt", content)
    made = []
    make = source.make_vec
    monkeypatch.setattr(source, "make_vec", lambda *a, **k: made.append(k["num_envs"]) or make(*a, **k))
    assert command([str(tmp_path), *(["--episodes", "3"] if command is eval_main else [])]) == 0
    assert made == ([1, 3] if command is eval_main else [1])


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


def write_run(path, algorithm="ppo", env_id="CartPole-v1", **settings):
    path.mkdir()
    config = {"seed": 1, "total_timesteps": 100, "learning_rate": 0.1, "device": "cpu", **settings}
    (path / "config.json").write_text(json.dumps({"env_id": env_id, "algorithm": algorithm, "config": config}))
    return path


def test_runs_are_grouped_by_what_tells_them_apart(tmp_path):
    a = write_run(tmp_path / "a")
    b = write_run(tmp_path / "b", seed=2, total_timesteps=200, device="cuda")
    c = write_run(tmp_path / "c", learning_rate=0.2)
    d = write_run(tmp_path / "d", env_id="Pendulum-v1", seed=3)
    assert group_runs([a, b]) == {"CartPole-v1": [a, b]}
    assert group_runs([a, d]) == {"CartPole-v1": [a], "Pendulum-v1": [d]}
    e = write_run(tmp_path / "e", "pqn", learning_rate=0.3, q_lambda=0.5)
    assert group_runs([a, e]) == {"CartPole-v1, ppo": [a], "CartPole-v1, pqn": [e]}
    assert group_runs([a, b, c]) == {"CartPole-v1, learning_rate 0.1": [a, b], "CartPole-v1, learning_rate 0.2": [c]}


def test_evaluations_can_be_drawn(runs, tmp_path, capsys):
    assert plot_main([str(runs[0]), "--evaluations", "--out", str(tmp_path / "none.png")]) == 2
    assert "there are no evaluations (see --eval-every)" in capsys.readouterr().err
    run = write_run(tmp_path / "run")
    rows = [{"global_step": 10, "seconds": 0.5, "mean_return": 1.0}, {"global_step": 20, "mean_return": None}]
    rows += [{"global_step": 20, "seconds": 2.5, "mean_return": 3.0}]
    (run / "evaluations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    steps, returns = read_curve(run, evaluations=True)
    assert (steps.tolist(), returns.tolist()) == ([10.0, 20.0], [1.0, 3.0])
    assert read_curve(run, evaluations=True, over="time")[0].tolist() == [0.5, 2.5]
    assert plot_main([str(run), "--evaluations", "--over", "time", "--out", str(tmp_path / "some.png")]) == 0
    assert (tmp_path / "some.png").read_bytes().startswith(b"\x89PNG")


def read_policy(path):
    """What an exported file computes, by a library that knows nothing of fastvec."""
    if path.suffix == ".pt2":
        module = torch.export.load(path).module()
        return lambda obs: module(torch.from_numpy(obs)).numpy()
    session = pytest.importorskip("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda obs: session.run(None, {"obs": obs})[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("format", ["torch", "onnx"])
def test_an_exported_policy_chooses_what_predict_chooses(format, runs, tmp_path, capsys):
    if format == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)
    out = tmp_path / f"policy.{'pt2' if format == 'torch' else 'onnx'}"
    assert export_main([str(runs[0]), "--format", format, "--out", str(out)]) == 0
    assert "checked against the original" in capsys.readouterr().out
    policy = read_policy(out)
    ppo = PPO.load(runs[0])
    assert ppo.obs_normalizer is not None
    assert not torch.allclose(ppo.obs_normalizer.mean, torch.zeros(3), atol=1e-3)
    for batch in (1, 5):
        obs = np.random.default_rng(batch).normal(scale=3.0, size=(batch, 3)).astype(np.float32)
        np.testing.assert_allclose(policy(obs), ppo.predict(obs), rtol=1e-5, atol=1e-6)
    ppo.close()


class Pictures(gym.Env):
    """Small random pictures, and actions that do not count from 0."""

    observation_space = gym.spaces.Box(0, 255, (6, 5, 3), np.uint8)
    action_space = gym.spaces.MultiDiscrete([3, 2], start=[-1, 4])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.integers(0, 256, (6, 5, 3), np.uint8), {}

    def step(self, action):
        return self.np_random.integers(0, 256, (6, 5, 3), np.uint8), 0.0, False, False, {}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("format", ["torch", "onnx"])
def test_a_policy_on_pictures_is_exported(format, tmp_path):
    if format == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)
    ppo = PPO(SyncVectorEnv([Pictures] * 2), num_steps=8, num_minibatches=2, compile=False)
    with torch.no_grad():  # the last layer starts near zero, where all pictures are alike
        ppo.network.actor_layer.weight.normal_(generator=torch.Generator().manual_seed(1))
    out = tmp_path / f"policy.{'pt2' if format == 'torch' else 'onnx'}"
    ppo.export(out, format=format)
    obs = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 3), np.uint8)
    chosen = read_policy(out)(obs)
    np.testing.assert_array_equal(chosen, ppo.predict(obs))
    assert len(np.unique(chosen, axis=0)) > 2


def test_an_export_that_chooses_otherwise_is_refused(runs, tmp_path, monkeypatch, capsys):
    forward = GreedyPolicy.forward
    monkeypatch.setattr(GreedyPolicy, "forward", lambda self, obs: forward(self, obs) + 0.01)
    ppo = PPO.load(runs[0])
    with pytest.raises(RuntimeError, match="chooses other actions than the original"):
        ppo.export(tmp_path / "policy.pt2")
    ppo.close()


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (eval_main, ["--episodes", "1", "--video", "film.avi"], "must end in .gif or .mp4"),
        (eval_main, ["--episodes", "0"], "expected --episodes to be at least 1, got 0"),
        (eval_main, ["--video", "nowhere/film.gif"], "there is no directory nowhere"),
        (export_main, ["--out", "nowhere/policy.pt2"], "there is no directory nowhere"),
    ],
)
def test_mistakes_are_explained(command, arguments, message, runs, capsys):
    assert command([str(runs[0]), *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("package", "command", "arguments", "message"),
    [
        ("imageio_ffmpeg", eval_main, ["--video", "film.mp4"], "pip install imageio-ffmpeg"),
        ("pygame", eval_main, ["--episodes", "1", "--video", "film.gif"], "pip install 'fastvec[render]'"),
        ("onnxruntime", export_main, ["--format", "onnx"], "pip install onnx onnxscript onnxruntime"),
    ],
)
def test_a_missing_package_is_named(package, command, arguments, message, runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.chdir(tmp_path)
    assert command([str(runs[0]), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_film_shows_the_first_episode_of_the_evaluation(runs, tmp_path, monkeypatch):
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    written = []
    monkeypatch.setattr("fastvec.train.run.video.write_frames", lambda frames, path, fps: written.append((frames, fps)))
    assert eval_main([str(runs[0]), "--episodes", "1", "--video", str(tmp_path / "film.gif")]) == 0
    [(frames, fps)] = written
    ppo = PPO.load(runs[0])
    env = gym.make("Pendulum-v1", render_mode="rgb_array")
    observation, _ = env.reset(seed=ppo.evaluation_seed)
    assert (len(frames), fps) == (200, 30)
    for frame in frames[:20]:
        observation, *_ = env.step(ppo.predict(observation))
        np.testing.assert_array_equal(frame, env.render())
    ppo.close(), env.close()


@pytest.mark.parametrize("name", ["film.gif", "film.mp4"])
def test_a_film_has_its_frames(name, tmp_path):
    frames = [np.full((31, 48, 3), 12 * i, np.uint8) for i in range(20)]
    path = tmp_path / name
    if name.endswith("mp4"):
        ffmpeg = pytest.importorskip("imageio_ffmpeg")
        write_frames(frames, path, fps=10)
        assert ffmpeg.count_frames_and_secs(str(path)) == (20, 2.0)
        return
    write_frames(frames, path, fps=10)
    with Image.open(path) as film:
        assert film.n_frames == 20
        assert film.size == (48, 31)
        assert film.info["duration"] == 100


@pytest.mark.parametrize(
    ("command", "name"),
    [(eval_main, "eval"), (plot_main, "plot"), (export_main, "export")],
    ids=["eval", "plot", "export"],
)
def test_help_names_the_run(command, name, capsys):
    with pytest.raises(SystemExit) as stopped:
        command(["--help"])
    out = capsys.readouterr().out
    assert stopped.value.code == 0
    assert out.startswith(f"usage: fastvec {name} [-h] ")
    assert "RUN" in out.splitlines()[0]
    assert "Run director" in out
