"""The presets, and what is published about them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import fastvec
from fastvec.train import PPO, preset
from fastvec.train.algorithms import ALGORITHMS
from fastvec.train.presets import PPO_ATARI, PPO_BY_ENV, PRESETS

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "benchmarks" / "results"
# What the machine that measured chose, and what does not change the returns.
NOT_COMPARED = {"num_threads", "torch_threads", "device", "compile"}
FILES = {"ppo": "learning", "pqn": "learning_pqn", "sac": "learning_sac"}


def published(algo):
    return json.loads((RESULTS / f"{FILES[algo]}.json").read_text())


def rows_of(algo):
    """The rows of an algorithm's table in the docs."""
    docs = (ROOT / "docs" / "training" / "presets.md").read_text()
    _, _, rest = docs.partition(f"<!-- results: {FILES[algo]} -->")
    return rest.partition("<!-- /results -->")[0]


OF_EVERY_PRESET = pytest.mark.parametrize(
    ("algo", "env_id"), [(algo, env_id) for algo, presets in PRESETS.items() for env_id in presets.by_env]
)
OF_EVERY_ROW = pytest.mark.parametrize(("algo", "env_id"), [(algo, row) for algo in FILES for row in published(algo)])


@OF_EVERY_PRESET
def test_a_preset_is_for_an_env_that_exists(algo, env_id):
    assert env_id in fastvec.list_envs() or env_id in gym.registry


@OF_EVERY_PRESET
def test_every_preset_has_published_returns_of_five_or_more_runs(algo, env_id):
    assert len(published(algo)[env_id]["runs"]) >= 5


@OF_EVERY_ROW
def test_published_returns_were_made_with_the_preset_that_ships(algo, env_id):
    measured = {k: tuple(v) if isinstance(v, list) else v for k, v in published(algo)[env_id]["config"].items()}
    ships = dataclasses.asdict(preset(env_id, algorithm=algo))
    for name in measured.keys() & ships.keys() - NOT_COMPARED - {"seed"}:
        assert measured[name] == ships[name], name


@OF_EVERY_ROW
def test_published_runs_share_no_env_seed(algo, env_id):
    row = published(algo)[env_id]
    seeds = [
        {run["seed"] + i for i in range(row["config"]["num_envs"])} | {run["seed"] + 1_000_003 + i for i in range(100)}
        for run in row["runs"]
    ]
    assert sum(map(len, seeds)) == len(set().union(*seeds))


@OF_EVERY_ROW
def test_the_table_in_the_docs_has_the_means_of_the_runs(algo, env_id):
    runs = published(algo)[env_id]["runs"]
    cells = re.search(rf"^\| {re.escape(env_id)} \|(.*)\|$", rows_of(algo), re.MULTILINE)
    assert cells is not None, f"no row for {env_id}"
    _, seeds, greedy, training, _ = (cell.strip() for cell in cells.group(1).split("|"))
    assert int(seeds) == len(runs)
    for cell, column in ((greedy, "mean_return"), (training, "training_return")):
        mean = sum(run[column] for run in runs) / len(runs)
        shown = cell.split("±")[0].strip()
        digits = len(shown.partition(".")[2])
        assert shown == f"{mean:.{digits}f}"


def test_a_namespace_does_not_hide_the_preset():
    assert preset("fastvec/CartPole-v1") == preset("fastvec:fastvec/CartPole-v1") == PPO_BY_ENV["CartPole-v1"]


# The numbers of OpenAI's Baselines.
ATARI = {
    "total_timesteps": 10_000_000,
    "num_envs": 8,
    "num_steps": 128,
    "num_minibatches": 4,
    "update_epochs": 4,
    "learning_rate": 2.5e-4,
    "anneal_lr": True,
    "anneal_shape": "linear",
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "clip_coef": 0.1,
    "anneal_clip": True,
    "clip_vloss": True,
    "norm_adv": True,
    "ent_coef": 0.01,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
    "adam_eps": 1e-5,
    "normalize_reward": False,
    "lstm_size": 0,
}


@pytest.mark.parametrize("env_id", ["ALE/Pong-v5", "ale_py:ALE/Breakout-v5", "ale_py:PongNoFrameskip-v4"])
def test_atari_games_have_the_published_settings(env_id):
    settings = dataclasses.asdict(preset(env_id))
    assert {name: settings[name] for name in ATARI} == ATARI
    assert preset(env_id) == PPO_ATARI


def test_every_id_of_ale_py_has_the_settings_of_atari_games():
    pytest.importorskip("ale_py")
    ids = [spec.id for spec in gym.registry.values() if str(spec.entry_point).startswith("ale_py")]
    assert {"ALE/Pong-v5", "PongNoFrameskip-v4", "Pong-v4"} <= set(ids)
    assert [env_id for env_id in ids if preset(env_id) != PPO_ATARI] == []


@pytest.mark.parametrize("env_id", ["Pong-v0-of-nobody", "ALE", "Ant-v5", "mine:Pong-v5"])
def test_what_only_sounds_like_an_atari_game_has_none_of_their_settings(env_id):
    assert preset(env_id) != PPO_ATARI


def test_other_algorithms_have_defaults_for_atari_games():
    assert preset("ALE/Pong-v5", algorithm="pqn") == PRESETS["pqn"].defaults


def test_atari_games_are_trained_on_four_small_grey_frames_and_on_clipped_rewards():
    pytest.importorskip("ale_py")
    # A pellet is worth 10 points, and PacMan eats some at once.
    trainer = PPO("ALE/MsPacman-v5", num_steps=64, compile=False, num_threads=1)
    assert trainer.envs.single_observation_space == gym.spaces.Box(0, 255, (4, 84, 84), np.uint8)
    rollout = trainer.collect()
    assert rollout.rewards.shape == (64, PPO_ATARI.num_envs)
    assert set(rollout.rewards.unique().tolist()) == {0.0, 1.0}
    trainer.close()


def test_an_unknown_kind_of_preset_is_refused():
    with pytest.raises(ValueError, match="learning or throughput, got 'fast'"):
        preset("CartPole-v1", "fast")


def test_an_unknown_algorithm_is_refused_by_name():
    with pytest.raises(ValueError, match="expected algorithm to be one of ppo, pqn, sac, got 'reinforce'"):
        preset("CartPole-v1", algorithm="reinforce")


def test_every_algorithm_has_presets_of_its_own_settings():
    assert set(PRESETS) == set(ALGORITHMS)
    for name, algorithm in ALGORITHMS.items():
        for kind in ("learning", "throughput"):
            assert type(preset("CartPole-v1", kind, algorithm=name)) is algorithm.config
