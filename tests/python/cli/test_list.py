"""``fastvec list``: every env under its own name and signature, and one env in full."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import re

import gymnasium
import numpy as np
import pytest

import fastvec
from fastvec.cli.main import main
from fastvec.native import registry


def _printed(capsys, *words):
    assert main(["list", *words]) == 0
    return capsys.readouterr().out


def _row(capsys, *words):
    return json.loads(_printed(capsys, *words, "--json"))


def _signature(env_id):
    """Names and defaults that Gymnasium's own class takes, as its registry fills them in."""
    spec = gymnasium.spec(env_id)
    module, name = spec.entry_point.split(":")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters.values()
    named = {p.name: p.default for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    return {name: value for name, value in {**named, **spec.kwargs}.items() if name != "render_mode"}


def _as_json(value):
    if isinstance(value, dict):
        return {str(key): _as_json(part) for key, part in value.items()}
    if isinstance(value, (tuple, list, np.ndarray)):
        return [_as_json(part) for part in np.asarray(value).tolist()]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


@pytest.fixture(scope="module")
def known_ids():
    return [env_id for env_id in fastvec.list_envs() if registry.get(env_id).counterpart is not None]


def test_the_signature_of_every_env_is_gymnasiums_own(capsys, known_ids):
    rows = {row["id"]: row for row in _row(capsys)}
    assert len(known_ids) >= 30
    for env_id in known_ids:
        expected = {name: _as_json(value) for name, value in _signature(env_id).items()}
        assert rows[env_id]["kwargs"] == expected, env_id


def test_table_shows_values_as_python_writes_them_and_nothing_internal(capsys):
    lines = _printed(capsys).splitlines()
    line = next(line for line in lines if line.startswith("  FrozenLake8x8-v1 "))
    assert line.split(maxsplit=1)[1] == (
        "desc=None, map_name='8x8', is_slippery=True, success_rate=0.3333333333333333, reward_schedule=(1, 0, 0)"
    )
    ant = next(line for line in lines if line.startswith("  Ant-v5 "))
    assert "default_camera_config={'distance': 4.0}" in ant
    assert "healthy_z_range=(0.2, 1.0)" in ant
    text = "\n".join(lines)
    assert not re.search(r"_is_int|\b_\w+=|native_id|game=|\"", text)


def test_table_is_grouped_by_family(capsys):
    families = {}
    for line in _printed(capsys).splitlines():
        if line and not line.startswith(" "):
            family = line.split(" (")[0]
            assert family not in families, f"{family} is shown in two places"
            families[family] = []
        elif line:
            families[family].append(line.split()[0])
    assert list(families)[:3] == ["Classic control", "Toy text", "MuJoCo"]
    assert families["Toy text"] == [
        "Blackjack-v1", "CliffWalking-v1", "CliffWalkingSlippery-v1", "FrozenLake-v1", "FrozenLake8x8-v1", "Taxi-v4",
    ]  # fmt: skip
    assert "Humanoid-v5" in families["MuJoCo"]


def test_table_of_all_ids_has_those_that_get_worker_processes(capsys):
    text = _printed(capsys, "--all")
    assert re.search(r"^MuJoCo \(Python, in worker processes\)", text, re.MULTILINE)
    assert re.search(r"^  LunarLander-v3\b", text, re.MULTILINE)
    assert "fastvec/CartPole-v1" not in text


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_every_native_env_is_described_in_full(capsys, known_ids):
    pytest.importorskip("mujoco")
    for env_id in known_ids:
        found = _row(capsys, env_id)
        spec = gymnasium.spec(env_id)
        env = gymnasium.make(env_id)
        assert found["observation_space"] == str(env.observation_space)
        assert found["action_space"] == str(env.action_space)
        assert found["render_modes"] == env.metadata["render_modes"]
        assert (found["max_episode_steps"], found["reward_threshold"]) == (
            spec.max_episode_steps, spec.reward_threshold,
        )  # fmt: skip
        _, info = env.reset(seed=0)
        *_, later = env.step(env.action_space.sample())
        missing = {*info, *later} - {*found["infos"]}
        assert not missing, (env_id, missing)
        undocumented = [name for name, kwarg in found["kwargs"].items() if not kwarg["doc"]]
        assert not undocumented, (env_id, undocumented)
        assert all(parameter["doc"] for parameter in found["parameters"].values()), env_id
        for name, parameter in found["parameters"].items():
            assert getattr(env.unwrapped, name) == parameter["value"], (env_id, name)
        env.close()


def test_described_env_is_the_one_that_its_arguments_make(capsys):
    text = _printed(capsys, "FrozenLake-v1", "--env-kwargs", "map_name=8x8")
    assert "observation space  Discrete(64)" in text
    assert "prob  float64 or int64" in text
    assert re.search(r"map_name='4x4' +\"4x4\" or \"8x8\"", text)


def test_reset_options_and_parameters_are_described(capsys):
    text = _printed(capsys, "CartPole-v1")
    assert "time limit         500 steps" in text
    assert "reward threshold   475" in text
    assert re.search(r"reset options\n    low +lower bound", text)
    assert re.search(r"parameters, for set_attr\n    gravity=9.8 +in m/s", text)
    assert re.search("kinematics_integrator='euler' +one of 'euler', 'semi-implicit euler'", text)
    assert "info keys: none" in text


class Counting(gymnasium.Env):
    """Counts.

    Args:
        goal: where an episode ends,
            counted from 0.
        noise (float): added to
            what is seen.
    """

    metadata = {"render_modes": ["ansi"]}  # noqa: RUF012 - Gymnasium's own form
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, goal=3, noise=0.0, render_mode=None):
        self.observation_space = gymnasium.spaces.Dict(at=gymnasium.spaces.Discrete(goal + 1))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return {"at": 0}, {"seed": seed}

    def step(self, action):
        return {"at": 1}, 0.0, False, False, {"done": np.zeros(2, dtype=bool)}


def test_python_env_is_described_too(capsys):
    gymnasium.register("Counting-v0", Counting, max_episode_steps=7, reward_threshold=1.5, kwargs={"noise": 0.5})
    try:
        text = _printed(capsys, "Counting-v0", "--env-kwargs", "goal=5")
    finally:
        del gymnasium.registry["Counting-v0"]
    assert text.splitlines() == [
        f"Counting-v0  ({Counting.__module__.partition('.')[0]}; Python, in worker processes)",
        "  observation space  Dict",
        "                       'at': Discrete(6)",
        "  action space       Discrete(2)",
        "  time limit         7 steps",
        "  reward threshold   1.5",
        "  render modes       ansi",
        "  keyword arguments",
        "    goal=3     where an episode ends, counted from 0.",
        "    noise=0.5  added to what is seen.",
        "  info keys of a reset and a step",
        "    seed  int",
        "    done  bool (2,)",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["CartPole-v9"], "did you mean CartPole-v1"),
        (["CartPole-v1", "--env-kwargs", "gravity=1"], "unexpected keyword argument 'gravity'"),
        (["CartPole-v1", "--env-kwargs", "gravity"], "expected --env-kwargs NAME=VALUE, got 'gravity'"),
        (["--plugin", "/none.so"], "cannot load env library"),
    ],
)
def test_what_cannot_be_described_is_said_in_one_line(words, message, capsys):
    assert main(["list", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("fastvec list: ")
    assert error.count("\n") == 1
