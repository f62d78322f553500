"""The conformance check and the rules of the game."""

import gymnasium
import numpy as np
import pytest

import fastvec
import fastvec.testing

UP, RIGHT, DOWN, LEFT = 1, 2, 3, 4
CORRIDOR = "\n".join(["####", "#  #", "####", "####"])


def step(envs, direction, close=0):
    return envs.step(np.array([[direction, close]] * envs.num_envs))


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"size": 4, "gems": 1, "snakes": 1},
        {"size": 6, "pixels": 3},
        {"size": 32, "gems": 16, "snakes": 16, "rocks": 0.5},
        {"layout": "......\n" * 6, "size": 6},
    ],
)
def test_burrow_conforms(kwargs):
    fastvec.testing.check_env("burrow/Burrow-v0", **kwargs)


def test_calm_burrow_has_no_snakes():
    envs = fastvec.make_vec("burrow/BurrowCalm-v0", num_envs=4)
    observations, _ = envs.reset(seed=0)
    assert not (observations == (60, 200, 40)).all(axis=-1).any()


def test_last_gem_ends_the_episode():
    envs = fastvec.make_vec("burrow/Burrow-v0", size=4, gems=1, snakes=0, layout=CORRIDOR)
    _, info = envs.reset(seed=0)
    assert info["gems_left"].tolist() == [1]
    direction = RIGHT if info["position"][0, 1] == 1 else LEFT
    _, rewards, terminated, _, info = step(envs, direction)
    assert (rewards[0], terminated[0], info["gems_left"][0]) == (2.0, True, 0)
    assert "eaten" not in info


def test_snake_ends_the_episode_and_says_so():
    envs = fastvec.make_vec("burrow/Burrow-v0", num_envs=64, size=6, gems=1, snakes=16, rocks=0.0, snake_speed=1.0)
    envs.reset(seed=0)
    caught = 0
    for _ in range(50):
        _, rewards, terminated, _, info = step(envs, 0)
        if "eaten" in info:
            assert (info["_eaten"] == info["eaten"]).all()
            assert (rewards[info["_eaten"]] == -1.0).all()
            assert terminated[info["_eaten"]].all()
            caught += info["eaten"].sum()
    assert caught > 0


def test_closing_the_tunnel_leaves_earth_behind():
    envs = fastvec.make_vec("burrow/BurrowCalm-v0", size=5, gems=1, rocks=0.0)
    observations, info = envs.reset(seed=1)
    row, column = info["position"][0]
    direction = RIGHT if column < 4 else LEFT
    observations, rewards, *_ = step(envs, direction, close=1)
    assert rewards[0] in (-0.05, 1.95)
    assert observations[0, row, column].tolist() == [130, 90, 50]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"size": 3}, "expected size from"),
        ({"gems": 0}, "expected gems from"),
        ({"size": 4, "gems": 16, "snakes": 16}, "expected at most 15 gems and snakes together, got 32"),
        ({"layout": "####\n####\n####\n####", "size": 4}, "too few"),
        ({"layout": "..x.\n....\n....\n....", "size": 4}, "there is a 'x'"),
        ({"layout": "...\n....\n....\n....", "size": 4}, "line 1 has 3"),
    ],
)
def test_bad_arguments_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        fastvec.make_vec("burrow/Burrow-v0", **kwargs)


def test_frames_show_the_observation():
    envs = fastvec.make_vec("burrow/Burrow-v0", num_envs=2, render_mode="rgb_array")
    observations, _ = envs.reset(seed=0)
    frames = envs.render()
    assert frames[0].shape == (192, 192, 3)
    np.testing.assert_array_equal(frames[1][::16, ::16], observations[1])


def test_gymnasium_makes_it():
    env = gymnasium.make("fastvec:burrow/Burrow-v0", size=8)
    observation, info = env.reset(seed=3)
    vector = gymnasium.make_vec("burrow/Burrow-v0", num_envs=2, size=8)
    observations, _ = vector.reset(seed=3)
    np.testing.assert_array_equal(observation, observations[0])
    assert info["gems_left"] == 5
