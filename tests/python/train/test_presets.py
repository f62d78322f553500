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
