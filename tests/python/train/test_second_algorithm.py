"""The command line, run directories, evaluations and films serve a trainer that is not PPO: random search for the
parameters of a linear policy, without a network."""

from __future__ import annotations

import io
import json
import sys
import time
from collections import deque
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest

import fastvec
from fastvec.cli.eval import main as eval_main
from fastvec.cli.train import main
from fastvec.train import algorithms, presets
from fastvec.train.algorithms import Algorithm
from fastvec.train.checkpoint import read_checkpoint, write_checkpoint
from fastvec.train.distributed import ALONE
from fastvec.train.evaluate import evaluate
from fastvec.train.report import Report, TrainingDiverged
from fastvec.train.run.run import train_run
from fastvec.train.run.rundir import read_evaluations, read_metrics, read_settings
from fastvec.train.run.video import record_video


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    total_timesteps: int = 20_000
    seed: int = 1
    compile: bool | None = None
    eval_episodes: int = 5
    eval_every: int = 0
    device: str = "cpu"
    spread: float = 1.0


class Episodes:
    def __init__(self):
        self.recent = deque(maxlen=100)

    @property
    def mean_return(self):
        return sum(value for value, _ in self.recent) / len(self.recent) if self.recent else float("nan")


class RandomSearch:
    STEPS = 2_000
    device, compiles, resumes_exactly, notes = "cpu", False, True, ()

    def __init__(self, env_id, *, config, env_kwargs=None, world=ALONE):
        self.env_id, self.config, self.env_kwargs, self.world = env_id, config, env_kwargs or {}, world
        self.iteration, self.episodes = 0, Episodes()
        self.best, self.best_return = np.zeros(4), -np.inf

    @property
    def global_step(self):
        return self.iteration * self.STEPS

    @property
    def num_iterations(self):
        return -(-self.config.total_timesteps // self.STEPS)

    @property
    def done(self):
        return self.iteration >= self.num_iterations

    def iterate(self):
        if not np.isfinite(self.config.spread):
            raise TrainingDiverged("spread", self.global_step)
        rng = np.random.default_rng((self.config.seed, self.iteration))
        weights = rng.normal(0.0, self.config.spread, 4)
        with closing(self.make_evaluation_envs(4)) as envs:
            result = evaluate(self._predict(weights), envs, episodes=4, seed=1)
        self.episodes.recent.extend(zip(result.returns, result.lengths, strict=True))
        if result.mean_return > self.best_return:
            self.best, self.best_return = weights, result.mean_return
        self.iteration += 1
        mean_length = float(np.mean(result.lengths))
        counts = (self.iteration, self.global_step, self.episodes.mean_return, mean_length, 4 * self.iteration)
        return Report(*counts, {"best_return": self.best_return}, 0.5, 0.25, 0.25, {"spread": self.config.spread})

    @staticmethod
    def _predict(weights):
        return lambda observations, **_: (observations @ weights > 0).astype(np.int64)

    def evaluate(self, episodes, *, envs=None, seed=None, deterministic=True, on_step=None):
        seed = 1000 if seed is None else seed
        with nullcontext(envs) if envs is not None else closing(self.make_evaluation_envs(episodes)) as envs:
            return evaluate(self._predict(self.best), envs, episodes=episodes, seed=seed, on_step=on_step)

    def make_evaluation_envs(self, episodes, **kwargs):
        return fastvec.make_vec(self.env_id, min(episodes, 100), **{**self.env_kwargs, **kwargs})

    def save(self, path):
        names = ("env_id", "env_kwargs", "iteration", "best", "best_return")
        state = {name: getattr(self, name) for name in names}
        write_checkpoint(path, {"algorithm": "search", "config": asdict(self.config), "state": state})

    @classmethod
    def load(cls, path, *, world=ALONE, **overrides):
        content = read_checkpoint(path)
        config = replace(SearchConfig(**content["config"]), **overrides)
        trainer = cls(content["state"]["env_id"], config=config, world=world)
        vars(trainer).update(content["state"])
        return trainer

    def close(self):
        self.is_closed = True


@pytest.fixture(autouse=True)
def search(monkeypatch):
    """The second algorithm, as one that the command line takes."""
    algorithm = Algorithm("search", config=SearchConfig, trainer=f"{__name__}:RandomSearch")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[RandomSearch.__module__])
    monkeypatch.setitem(algorithms.ALGORITHMS, "search", algorithm)
    monkeypatch.setitem(presets.PRESETS, "search", presets.Presets(SearchConfig(), {}, lambda config: config))
    return algorithm


def test_a_run_is_logged_evaluated_and_drawn(tmp_path):
    trainer = RandomSearch("CartPole-v1", config=SearchConfig(eval_every=6_000))
    stream = io.StringIO()
    summary = train_run(trainer, tmp_path, stream=stream, started=time.monotonic(), algorithm="search")
    assert "step 20,000/20,000" in stream.getvalue()
    assert summary["mean_return_of"] == "greedy evaluation of 5 episodes"
    assert summary["mean_return"] > 20.0
    rows = read_metrics(tmp_path)
    assert [row["global_step"] for row in rows] == list(range(2_000, 20_001, 2_000))
    assert rows[-1]["spread"] == 1.0
    assert rows[-1]["best_return"] == trainer.best_return
    assert [row["global_step"] for row in read_evaluations(tmp_path)] == [6_000, 12_000, 18_000, 20_000]
    assert RandomSearch.load(tmp_path / "best.pt").global_step == summary["best_step"]
    assert (tmp_path / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert read_settings(tmp_path).algorithm == "search"


def test_a_run_that_diverges_names_the_quantity(tmp_path):
    trainer = RandomSearch("CartPole-v1", config=SearchConfig(spread=float("inf")))
    summary = train_run(trainer, tmp_path, stream=io.StringIO(), started=time.monotonic(), algorithm="search")
    assert summary["stopped"] == "spread"
    assert (tmp_path / "diverged.pt").exists()


def test_the_command_line_goes_on_with_the_algorithm_of_the_run(tmp_path, capsys):
    trainer = RandomSearch("CartPole-v1", config=SearchConfig())
    train_run(trainer, tmp_path, stream=io.StringIO(), started=time.monotonic(), algorithm="search")
    words = ["--resume", str(tmp_path), "--total-timesteps", "24000", "--spread", "0.5", "--json"]
    assert main(words) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["resumed_from"], summary["total_timesteps"]) == (20_000, 24_000)
    assert read_settings(tmp_path).config["spread"] == 0.5
    assert eval_main([str(tmp_path / "checkpoint.pt"), "--episodes", "3", "--json"]) == 0
    evaluated = json.loads(capsys.readouterr().out)
    assert evaluated["mean_return"] > 20.0


def test_its_policy_is_filmed(tmp_path):
    pytest.importorskip("pygame")
    trainer = RandomSearch("CartPole-v1", config=SearchConfig())
    trainer.iterate()
    with closing(trainer.make_evaluation_envs(1, render_mode="rgb_array")) as envs:
        result = record_video(trainer.evaluate, envs, tmp_path / "film.gif", seed=3)
    assert len(result.returns) == 1
    assert (tmp_path / "film.gif").read_bytes().startswith(b"GIF")
