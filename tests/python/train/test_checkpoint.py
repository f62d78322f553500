"""Checkpoints that do not fit, are damaged, or cannot be written."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import safetensors.torch
import torch

import fastvec
from fastvec.train import PPO
from fastvec.train.checkpoint import FORMAT, read_checkpoint, write_checkpoint
from support.train_envs import sync

SETTINGS = {"num_envs": 4, "num_steps": 16, "num_minibatches": 2, "update_epochs": 1, "compile": False}
SETTINGS |= {"total_timesteps": 6 * 64}


@pytest.fixture
def saved(tmp_path):
    """A checkpoint after two iterations on CartPole, both normalisers on."""
    ppo = PPO("CartPole-v1", **SETTINGS, normalize_obs=True, normalize_reward=True)
    ppo.iterate(), ppo.iterate()
    ppo.save(tmp_path / "checkpoint.pt")
    ppo.close()
    return tmp_path / "checkpoint.pt"


class OneAction(gym.Env):
    """CartPole's observations, but a single action: smaller tensors, which would be broadcast into larger ones."""

    observation_space = gym.spaces.Box(-1, 1, (4,), np.float32)

    def __init__(self, actions):
        self.action_space = gym.spaces.Discrete(actions)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(4, np.float32), {}

    def step(self, action):
        return np.zeros(4, np.float32), 0.0, False, False, {}


@pytest.mark.parametrize(
    ("env", "settings", "message"),
    [
        ("Pendulum-v1", {}, r"the checkpoint's network does not fit: .* and .* is wanted"),
        ("CartPole-v1", {"hidden_sizes": (32,)}, r"its actor_tower\.0\.weight is \[4, 64\], and \[4, 32\] is wanted"),
        ("CartPole-v1", {"lstm_size": 8}, r"the checkpoint's network does not fit: its .* is nothing, and"),
    ],
)
def test_a_checkpoint_of_another_policy_is_refused(env, settings, message, saved):
    with pytest.raises(ValueError, match=message):
        PPO.load(saved, env=env, **settings)


def test_smaller_tensors_are_not_broadcast_into_larger_ones(tmp_path):
    ppo = PPO(sync("SameStep", *[lambda: OneAction(1)] * 4), **SETTINGS)
    ppo.save(tmp_path / "one.pt")
    with pytest.raises(ValueError, match=r"is \[1, 64\], and \[3, 64\] is wanted"):
        PPO.load(tmp_path / "one.pt", env=sync("SameStep", *[lambda: OneAction(3)] * 4))


def test_another_number_of_environments_goes_on_where_the_steps_were(saved):
    ppo = PPO.load(saved, num_envs=8)
    before = read_checkpoint(saved)
    assert ppo.global_step == 128
    assert torch.equal(ppo.learner.state_dict()["exp_avg"], before["learner"]["exp_avg"])
    assert all(torch.equal(value, before["network"][key]) for key, value in ppo.network.state_dict().items())
    assert torch.equal(ppo.reward_normalizer.moments.var, before["reward_normalizer"]["moments.var"])
    assert ppo.reward_normalizer.returns.tolist() == [0.0] * 8
    assert ppo.iterate().global_step == 256
    ppo.close()


def test_another_rollout_length_continues_the_same_episodes(saved):
    ppo = PPO.load(saved, num_steps=32)
    assert ppo.global_step == 128
    collector = read_checkpoint(saved)["ranks"][0]["collector"]
    assert torch.equal(ppo.collector.obs[-1], collector["obs"])
    assert ppo.iterate().global_step == 256
    ppo.close()


def test_a_truncated_file_is_named(saved):
    saved.write_bytes(saved.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"checkpoint\.pt is damaged, or no checkpoint of fastvec: "):
        PPO.load(saved)


@pytest.mark.parametrize("content", [b"", b"hello, this is text", b"\x80\x04K\x01."], ids=["empty", "text", "pickle"])
def test_a_file_that_is_no_checkpoint_is_named(content, tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.pt is (damaged, or )?no checkpoint of fastvec"):
        read_checkpoint(path)


def test_a_newer_format_says_so(tmp_path):
    write_checkpoint(tmp_path / "x.pt", {"format": FORMAT + 1})
    with pytest.raises(ValueError, match=rf"format {FORMAT + 1}, this version reads {FORMAT}; a newer fastvec wrote"):
        read_checkpoint(tmp_path / "x.pt")


def test_settings_of_another_version_are_named(saved):
    content = read_checkpoint(saved)
    content["config"]["gain"] = 3
    write_checkpoint(saved, content)
    with pytest.raises(ValueError, match="settings that this version of fastvec does not know: gain"):
        PPO.load(saved)


def test_a_full_disk_is_an_os_error_and_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, {"value": 1})
    real_open = open

    class Full:
        """A file on a disk that takes 1000 bytes more."""

        def __init__(self, *args):
            self.file, self.room = real_open(*args), 1000

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            self.room -= len(data)
            if self.room < 0:
                raise OSError(28, "No space left on device")
            return self.file.write(data)

        def __getattr__(self, name):
            return getattr(self.file, name)

    monkeypatch.setattr(Path, "open", lambda p, *a: Full(p, *a) if ".checkpoint" in str(p) else real_open(p, *a))
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(path, {"value": torch.zeros(10_000)})
    monkeypatch.undo()
    assert read_checkpoint(path)["value"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_directory_without_its_checkpoint_says_what_it_has(saved):
    saved.rename(saved.with_name("diverged.pt"))
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*; the directory has diverged\.pt"):
        PPO.load(saved.parent)


class Trap:
    """Runs code when it is unpickled: it makes a directory."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_strangers_file_runs_nothing(saved, tmp_path):
    sprung = tmp_path / "sprung"
    torch.save({"format": 3, "config": Trap(sprung)}, tmp_path / "pickle.pt")
    with pytest.raises(ValueError, match="pass trust=True"):
        PPO.load(tmp_path / "pickle.pt")
    content = read_checkpoint(saved)
    content["ranks"][0]["envs"] = [{"pickled": True, "data": pickle.dumps(Trap(sprung))}]
    write_checkpoint(tmp_path / "envs.pt", content)
    with pytest.warns(UserWarning, match="states of these environments are pickles"):
        PPO.load(tmp_path / "envs.pt").close()
    assert not sprung.exists()
    with pytest.raises(TypeError):  # it is a trap, and trusted: it springs
        PPO.load(tmp_path / "envs.pt", trust=True)
    assert sprung.exists()


def test_a_file_that_says_that_nothing_is_pickled_is_not_believed(tmp_path):
    def envs():
        return fastvec.make_vec([lambda: gym.make("CartPole-v1")] * 4, num_workers=1)

    first = PPO(envs(), **SETTINGS)
    first.iterate()
    first.save(tmp_path / "p.pt")
    first.close()
    assert [x["pickled"] for x in read_checkpoint(tmp_path / "p.pt")["ranks"][0]["envs"]] == [False]  # they are bytes
    with pytest.warns(UserWarning, match="states of these environments are pickles"):
        second = PPO.load(tmp_path / "p.pt", env=envs())
    assert second.iterate().iteration == 2
    second.close()
    trusted = PPO.load(tmp_path / "p.pt", env=envs(), trust=True)
    expected = read_checkpoint(tmp_path / "p.pt")["ranks"][0]["collector"]["obs"]
    assert torch.equal(trusted.collector.obs[-1], expected)
    trusted.close()


def test_what_is_in_a_checkpoint_can_be_read_by_others(saved):
    with zipfile.ZipFile(saved) as archive:
        tree = json.loads(archive.read("checkpoint.json"))
        tensors = safetensors.torch.load(archive.read("tensors.safetensors"))
    assert (tree["format"], tree["config"]["num_envs"], tree["global_step"]) == (4, 4, 128)
    assert tensors["/network/actor_tower.0.weight"].shape == (4, 64)


def test_values_come_back_as_they_were(tmp_path):
    state = np.random.Generator(np.random.PCG64(3)).bit_generator.state
    value = {
        "a": [1, (2.5, "x", None)],
        "b": b"\x00\xff",
        "c": np.arange(3, dtype=np.int32),
        "rng": state,
        "inf": np.inf,
    }
    write_checkpoint(tmp_path / "x.pt", {**value, "t": torch.eye(3)[:, 1], "empty": np.zeros((0, 2), bool)})
    back = read_checkpoint(tmp_path / "x.pt")
    assert (back["a"], back["b"], back["rng"], back["inf"]) == (value["a"], value["b"], state, np.inf)
    assert back["c"].dtype == np.int32
    assert back["c"].tolist() == [0, 1, 2]
    assert back["t"].tolist() == [0, 1, 0]
    assert (back["empty"].shape, back["empty"].dtype) == ((0, 2), bool)


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_a_damaged_byte_is_found(at, saved):
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        start = archive.getinfo("tensors.safetensors").header_offset
    content[start + int(at * 20_000)] ^= 0xFF
    saved.write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint\.pt is damaged"):
        read_checkpoint(saved)


def test_arguments_that_no_file_can_hold_are_asked_for_again(tmp_path):
    ppo = PPO(sync("SameStep", *[lambda: OneAction(2)] * 4), **SETTINGS, env_kwargs={"maker": object()})
    ppo.save(tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"pass env="):
        PPO.load(tmp_path / "x.pt")


def test_a_checkpoint_of_a_device_with_another_generator_goes_on_here(saved):
    content = read_checkpoint(saved)
    content["ranks"][0]["generator"] = torch.zeros(16, dtype=torch.uint8)  # as CUDA's is
    content["config"]["device"] = "cuda"
    write_checkpoint(saved, content)
    ppo = PPO.load(saved, device="cpu")
    assert ppo.iterate().global_step == 192
    ppo.close()
