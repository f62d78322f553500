"""The presets, and what is published about them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import gymnasium as gym
import pytest

import fastvec
from fastvec.train import preset
from fastvec.train.algorithms import ALGORITHMS
from fastvec.train.presets import PPO_BY_ENV, PRESETS

ROOT = Path(__file__).parents[3]
LEARNING = ROOT / "benchmarks" / "results" / "learning.json"
# What the machine that measured chose, and what does not change the returns.
NOT_COMPARED = {"num_threads", "torch_threads", "device", "compile"}


def published():
    return json.loads(LEARNING.read_text())


@pytest.mark.parametrize("env_id", PPO_BY_ENV)
def test_a_preset_is_for_an_env_that_exists(env_id):
    assert env_id in fastvec.list_envs() or env_id in gym.registry


@pytest.mark.parametrize("env_id", PPO_BY_ENV)
def test_every_preset_has_published_returns_of_five_or_more_runs(env_id):
    assert len(published()[env_id]["runs"]) >= 5


@pytest.mark.parametrize("env_id", sorted(published()))
def test_published_returns_were_made_with_the_preset_that_ships(env_id):
    measured = {k: tuple(v) if isinstance(v, list) else v for k, v in published()[env_id]["config"].items()}
    ships = dataclasses.asdict(preset(env_id))
    for name in measured.keys() & ships.keys() - NOT_COMPARED - {"seed"}:
        assert measured[name] == ships[name], name


@pytest.mark.parametrize("env_id", sorted(published()))
def test_published_runs_share_no_env_seed(env_id):
    row = published()[env_id]
    seeds = [
        {run["seed"] + i for i in range(row["config"]["num_envs"])} | {run["seed"] + 1_000_003 + i for i in range(100)}
        for run in row["runs"]
    ]
    assert sum(map(len, seeds)) == len(set().union(*seeds))


@pytest.mark.parametrize("env_id", sorted(published()))
def test_the_table_in_the_docs_has_the_means_of_the_runs(env_id):
    runs = published()[env_id]["runs"]
    docs = (ROOT / "docs" / "training" / "presets.md").read_text()
    cells = re.search(rf"^\| {re.escape(env_id)} \|(.*)\|$", docs, re.MULTILINE)
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
