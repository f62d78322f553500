"""Gymnasium's vector wrappers over a native vector do what they do over SyncVectorEnv."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import vector

import fastvec
from support.native import assert_same

CARTPOLE_WRAPPERS: dict[str, Callable[[VectorEnv], VectorEnv]] = {
    "NormalizeObservation": vector.NormalizeObservation,
    "NormalizeReward": vector.NormalizeReward,
    "ClipReward": lambda envs: vector.ClipReward(envs, -0.5, 0.5),
    "TransformReward": lambda envs: vector.TransformReward(envs, lambda reward: reward * 2.0),
    "TransformObservation": lambda envs: vector.TransformObservation(envs, lambda observation: observation * 2.0),
    "VectorizeTransformObservation": lambda envs: vector.VectorizeTransformObservation(
        envs, wrappers.TransformObservation, func=lambda observation: observation + 1.0, observation_space=None
    ),
    "FlattenObservation": vector.FlattenObservation,
    "ReshapeObservation": lambda envs: vector.ReshapeObservation(envs, (2, 2)),
    "DtypeObservation": lambda envs: vector.DtypeObservation(envs, np.float64),
    "DictInfoToList": vector.DictInfoToList,
}

PENDULUM_WRAPPERS: dict[str, Callable[[VectorEnv], VectorEnv]] = {
    "ClipAction": vector.ClipAction,
    "RescaleAction": lambda envs: vector.RescaleAction(envs, np.float32([-1]), np.float32([1])),
    "TransformAction": lambda envs: vector.TransformAction(envs, lambda actions: actions * 0.5),
    "VectorizeTransformAction": lambda envs: vector.VectorizeTransformAction(
        envs, wrappers.TransformAction, func=lambda action: action * 0.5, action_space=None
    ),
    "RescaleObservation": lambda envs: vector.RescaleObservation(envs, np.float32([-2] * 3), np.float32([2] * 3)),
    "NormalizeReward": vector.NormalizeReward,
}


def both(env_id: str, num_envs: int, mode: AutoresetMode, **kwargs: Any) -> tuple[VectorEnv, VectorEnv]:
    make = [lambda: gymnasium.make(env_id, disable_env_checker=True, **kwargs)] * num_envs
    native = fastvec.make_vec(env_id, num_envs, num_threads=2, autoreset_mode=mode, **kwargs)
    return native, SyncVectorEnv(make, autoreset_mode=mode)


def same_trajectories(envs: VectorEnv, oracle: VectorEnv, steps: int = 40) -> None:
    assert envs.observation_space == oracle.observation_space
    assert envs.action_space == oracle.action_space
    assert_same(envs.reset(seed=3), oracle.reset(seed=3))
    oracle.action_space.seed(3)
    for _ in range(steps):
        actions = oracle.action_space.sample()
        assert_same(envs.step(actions.copy()), oracle.step(actions.copy()))  # wrappers may write into them


@pytest.mark.parametrize("name", CARTPOLE_WRAPPERS)
def test_wrapper_on_discrete_actions(name: str):
    wrap = CARTPOLE_WRAPPERS[name]
    envs, oracle = both("CartPole-v1", 3, AutoresetMode.NEXT_STEP)
    same_trajectories(wrap(envs), wrap(oracle))


@pytest.mark.parametrize("name", PENDULUM_WRAPPERS)
def test_wrapper_on_continuous_actions(name: str):
    wrap = PENDULUM_WRAPPERS[name]
    envs, oracle = both("Pendulum-v1", 3, AutoresetMode.NEXT_STEP, max_episode_steps=11)
    same_trajectories(wrap(envs), wrap(oracle))


def test_normalization_statistics_end_equal():
    envs, oracle = (vector.NormalizeObservation(one) for one in both("CartPole-v1", 4, AutoresetMode.NEXT_STEP))
    same_trajectories(envs, oracle, 80)
    np.testing.assert_array_equal(envs.obs_rms.mean, oracle.obs_rms.mean)
    np.testing.assert_array_equal(envs.obs_rms.var, oracle.obs_rms.var)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_episode_statistics(mode: AutoresetMode):
    envs, oracle = (vector.RecordEpisodeStatistics(one) for one in both("CartPole-v1", 4, mode))
    envs.reset(seed=8)
    oracle.reset(seed=8)
    rng = np.random.default_rng(8)
    episodes = 0
    for _ in range(120):
        actions = rng.integers(0, 2, 4)
        *result, infos = envs.step(actions)
        *expected, expected_infos = oracle.step(actions)
        assert_same(result, expected)
        assert infos.keys() == expected_infos.keys()
        if "episode" in expected_infos:
            episodes += int(expected_infos["_episode"].sum())
            np.testing.assert_array_equal(infos["_episode"], expected_infos["_episode"])
            for key in ("r", "l"):
                np.testing.assert_array_equal(infos["episode"][key], expected_infos["episode"][key])
    assert episodes > 8
    assert list(envs.return_queue) == list(oracle.return_queue)
    assert list(envs.length_queue) == list(oracle.length_queue)


def test_episode_statistics_with_masked_resets():
    # SyncVectorEnv takes the mask out of the caller's options, so that over it the wrapper clears all statistics;
    # here they are counted by hand.
    envs = vector.RecordEpisodeStatistics(fastvec.make_vec("CartPole-v1", 4, autoreset_mode="Disabled"))
    envs.reset(seed=8)
    rng = np.random.default_rng(8)
    lengths, episodes = np.zeros(4, dtype=int), 0
    for _ in range(120):
        _, _, terminated, truncated, infos = envs.step(rng.integers(0, 2, 4))
        lengths += 1
        done = terminated | truncated
        if not done.any():
            continue
        np.testing.assert_array_equal(infos["episode"]["l"], np.where(done, lengths, 0))
        episodes += int(done.sum())
        lengths[done] = 0
        envs.reset(options={"reset_mask": done.copy()})
    assert episodes > 8


@pytest.mark.filterwarnings("ignore:.*")  # Gymnasium's conversion of read-only arrays
def test_numpy_to_torch_gives_tensors_that_stay():
    torch = pytest.importorskip("torch")
    pytest.importorskip("array_api_compat")
    native, oracle = both("CartPole-v1", 3, AutoresetMode.NEXT_STEP)
    envs = vector.NumpyToTorch(native)
    observations, _ = envs.reset(seed=0)
    expected, _ = oracle.reset(seed=0)
    kept = [(observations, expected)]
    for _ in range(30):
        actions = torch.tensor([0, 1, 0])
        observations, rewards, terminated, truncated, _ = envs.step(actions)
        expected, expected_rewards, expected_terminated, expected_truncated, _ = oracle.step(actions.numpy())
        kept.append((observations, expected))
        assert_same(rewards.numpy(), expected_rewards)
        assert_same(terminated.numpy(), expected_terminated)
        assert_same(truncated.numpy(), expected_truncated)
    for tensor, array in kept:
        assert_same(tensor.numpy(), array)


@pytest.mark.skipif(find_spec("moviepy") is None, reason="needs moviepy")
def test_record_video_writes_a_file(tmp_path):
    envs = fastvec.make_vec("CartPole-v1", 2, render_mode="rgb_array")
    folder = tmp_path / "films"
    envs = vector.RecordVideo(envs, str(folder), video_length=5, step_trigger=lambda step: step == 0)
    envs.reset(seed=0)
    for _ in range(8):
        envs.step(np.zeros(2, dtype=np.int64))
    envs.close()
    assert [film.stat().st_size > 0 for film in folder.glob("*.mp4")] == [True]


@pytest.mark.skipif(find_spec("pygame") is None, reason="needs pygame")
def test_pictures_are_gymnasiums():
    envs, oracle = both("CartPole-v1", 2, AutoresetMode.NEXT_STEP, render_mode="rgb_array")
    envs.reset(seed=2)
    oracle.reset(seed=2)
    for _ in range(12):
        actions = np.array([0, 1])
        envs.step(actions)
        oracle.step(actions)
    assert_same(envs.render(), oracle.render())
    assert_same(envs.call("render"), oracle.call("render"))


def test_wrappers_stack():
    def wrap(envs: VectorEnv) -> VectorEnv:
        return vector.NormalizeReward(
            vector.NormalizeObservation(vector.TransformAction(vector.ClipReward(envs, -5, 5), lambda a: a * 0.5))
        )

    envs, oracle = both("Pendulum-v1", 3, AutoresetMode.NEXT_STEP, max_episode_steps=9)
    same_trajectories(wrap(envs), wrap(oracle))
