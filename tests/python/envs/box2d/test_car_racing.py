"""CarRacing's pictures against pygame's own, and what of that env other tests do not look at."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest

import fastvec
from fastvec.envs.box2d import picture_proof
from fastvec.envs.box2d.digits import CHARACTERS, compose, digits, draw
from fastvec.envs.box2d.proof import import_box2d
from fastvec.native import registry
from support.sameness import assert_same

import_box2d()  # before Gymnasium does: where warnings are errors, its import would end the process


def library() -> str:
    native = registry.find("CarRacing-v3")
    assert native is not None
    return native.library


def crowded(seed: int) -> picture_proof.Picture:
    """Polygons of all sizes and places, at any angle; also thin ones, and ones of a single row or point."""
    rng = np.random.default_rng(seed)
    zoom = float(rng.choice([0.6, 3.0, 16.2]))
    size = 1000 / zoom
    angle = float(np.float32(rng.choice([rng.uniform(-9, 9), np.pi / 2, -np.pi, 1e-7])))
    shapes: list[Any] = [(picture_proof.GROUND, (1, 2, 3), rng.uniform(-2 * size, 2 * size, (4, 2)))]
    for _ in range(50):
        reach = float(rng.choice([0.3, 0.05, 0.004])) * size
        corners = rng.uniform(-size, size, 2) + rng.uniform(-reach, reach, (int(rng.integers(3, 9)), 2))
        if rng.random() < 0.2:
            corners[:, int(rng.integers(2))] = corners[0, 0]  # flat
        color = tuple(rng.integers(0, 256, 3).tolist())
        shapes.append((int(rng.choice([picture_proof.FILLED, picture_proof.POLYGON])), color, corners))
    shapes.append((picture_proof.PANEL, (0, 0, 0), np.array([(1000, 800), (1000, 700), (0, 700), (0, 800.0)])))
    for _ in range(4):
        color = tuple(rng.integers(0, 256, 3).tolist())
        shapes.append((picture_proof.PANEL, color, rng.uniform((-100, 700), (1100, 900), (4, 2))))
    return picture_proof.Picture(angle, zoom, float(rng.uniform(-2000, 2000)), tuple(shapes))


def test_any_picture_is_pygames() -> None:
    for seed in range(40):
        picture = crowded(seed)
        assert_same(picture_proof.draw_natively(picture, library()), picture_proof.draw(picture), f"seed {seed}")


def test_the_pictures_of_the_proof_are_pygames() -> None:
    for picture in picture_proof.pictures():
        assert_same(picture_proof.draw_natively(picture, library()), picture_proof.draw(picture), "proof")
    assert picture_proof.why_not(library()) is None


def test_every_number_is_written_as_pygame_writes_it() -> None:
    known = digits()
    for number in [*range(-1300, 1300, 7), *range(-60, 60), -99999, 123456]:
        text = f"{float(number):04.0f}"
        np.testing.assert_array_equal(compose(text, known.pictures, known.distances), draw(text), err_msg=text)
    assert set(known.pictures) == set(CHARACTERS)


def test_each_envs_car_is_gymnasiums() -> None:
    envs = fastvec.make_vec("CarRacing-v3", 2)
    oracles = [gymnasium.make("CarRacing-v3", disable_env_checker=True).unwrapped for _ in range(2)]
    envs.reset(seed=8)
    for i, oracle in enumerate(oracles):
        oracle.reset(seed=8 + i)
    for step in range(40):
        actions = np.array([[np.sin(step), 0.4, 0], [0.2, 0.9, 0]], np.float32)
        observations = envs.step(actions)[0]
        for oracle, action in zip(oracles, actions, strict=True):
            oracle.step(action)
    for i, (car, oracle) in enumerate(zip(envs.get_attr("car"), oracles, strict=True)):
        for body, expected in zip((car.hull, *car.wheels), (oracle.car.hull, *oracle.car.wheels), strict=True):
            assert tuple(body.position) == tuple(expected.position)
            assert body.angle == expected.angle
        for wheel, expected in zip(car.wheels, oracle.car.wheels, strict=True):
            for name in ("gas", "brake", "steer", "phase", "omega"):
                assert getattr(wheel, name) == getattr(expected, name)
            assert {tile.idx for tile in wheel.tiles} == {tile.idx for tile in expected.tiles}
        np.testing.assert_array_equal(envs.get_attr("state")[i], observations[i])
    for name in ("reward", "prev_reward", "tile_visited_count", "t", "new_lap"):
        assert envs.get_attr(name) == tuple(getattr(oracle, name) for oracle in oracles)
    for road, oracle in zip(envs.get_attr("road"), oracles, strict=True):
        assert [tile.road_visited for tile in road] == [tile.road_visited for tile in oracle.road]
        np.testing.assert_array_equal([tile.color for tile in road], [tile.color for tile in oracle.road])


def test_pictures_are_gymnasiums() -> None:
    """Of a car that rolls: the marks of wheels that skid only Gymnasium's own env has."""
    envs = fastvec.make_vec("CarRacing-v3", 1, render_mode="rgb_array")
    oracle = gymnasium.make("CarRacing-v3", render_mode="rgb_array", disable_env_checker=True)
    envs.reset(seed=9)
    oracle.reset(seed=9)
    for step in range(20):
        action = np.array([0.1 * np.sin(step), 0.02, 0], np.float32)
        envs.step(action[None])
        oracle.step(action)
    assert_same(envs.render()[0], oracle.render(), "picture")


@pytest.mark.parametrize("autoreset_mode", ["NextStep", "SameStep"])
def test_a_saved_state_goes_on_bit_for_bit_in_another_vector(autoreset_mode: str) -> None:
    options: dict[str, Any] = {"autoreset_mode": autoreset_mode, "max_episode_steps": 40}
    envs = fastvec.make_vec("CarRacing-v3", 3, **options)
    envs.reset(seed=4)
    envs.action_space.seed(2)
    for _ in range(100):
        envs.step(envs.action_space.sample())
    state = envs.get_state()
    actions = [envs.action_space.sample() for _ in range(60)]
    expected = [envs.step(action) for action in actions]
    other = fastvec.make_vec("CarRacing-v3", 3, **options)
    other.reset(seed=77)
    other.set_state(state)
    assert_same([other.step(action) for action in actions], expected, "steps")
    assert other.get_state() == envs.get_state()


def test_a_saved_state_with_colors_that_were_kept_goes_on_bit_for_bit() -> None:
    envs = fastvec.make_vec("CarRacing-v3", 2, domain_randomize=True, continuous=False)
    envs.reset(seed=0)
    envs.reset(options={"randomize": False})
    actions = [np.array([3, step % 5]) for step in range(30)]
    for action in actions:
        envs.step(action)
    state = envs.get_state()
    expected = [envs.step(action) for action in actions]
    other = fastvec.make_vec("CarRacing-v3", 2, domain_randomize=True, continuous=False)
    other.set_state(state)
    assert_same([other.step(action) for action in actions], expected, "state")
    assert_same(other.reset(options={"randomize": False}), envs.reset(options={"randomize": False}), "next")


def test_colors_that_nobody_drew_are_made_of_the_seed() -> None:
    """Gymnasium's are those of no seed: randomize=False at the first reset shows what was drawn when it was made."""
    first, second = (fastvec.make_vec("CarRacing-v3", 2, domain_randomize=True) for _ in range(2))
    options = {"randomize": False}
    assert_same(first.reset(seed=1, options=options), second.reset(seed=1, options=options), "seed 1")
    road, default = first.get_attr("road_color")[0], np.array([102, 102, 102])
    assert (road != default).any()


def test_an_action_with_nan_is_that_envs_error_alone() -> None:
    envs = fastvec.make_vec("CarRacing-v3", 2)
    for dtype in (np.float32, np.float64):
        envs.reset(seed=0)
        actions = np.zeros((2, 3), dtype)
        actions[1, 2] = np.nan
        with pytest.raises(fastvec.EnvError, match="env 1: expected an action without NaN, got one at 2"):
            envs.step(actions)
        envs.step(np.zeros((2, 3), np.float32))


def test_what_the_native_env_does_not_do_is_said() -> None:
    with pytest.raises(ValueError, match="with verbose=True, pass backend='process'"):
        fastvec.make_vec("CarRacing-v3", 1, verbose=True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'laps'"):
        fastvec.make_vec("CarRacing-v3", 1, laps=2)
    fastvec.make_vec("CarRacing-v3", 1, verbose=False).close()


CHECK = """
import warnings
from fastvec.envs.box2d import digits, picture_proof
{change}
import fastvec
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    envs = fastvec.make_vec("CarRacing-v3", 1)
print(type(envs).__name__)
print([str(warning.message) for warning in caught if "worker processes" in str(warning.message)])
envs.close()
print(type(fastvec.make_vec("LunarLander-v3", 1)).__name__)
"""


BRIGHTER = """
drawn = picture_proof.draw
def brighter(picture):
    surface, small = drawn(picture)
    small[50, 50, 1] ^= 1
    return surface, small
picture_proof.draw = brighter
"""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            BRIGHTER,
            "draws other pixels than the native env",
        ),
        ("digits._FONT_SIZE = 41", "draws other pixels than the native env"),
        ("import gymnasium\ngymnasium.__version__ = '1.3.0'", "since Gymnasium 1.4, and 1.3.0 is installed"),
        (
            "def missing():\n    raise ImportError('no pygame here')\n"
            "digits.import_pygame = picture_proof.import_pygame = missing",
            "the installed pygame cannot be used: no pygame here",
        ),
    ],
    ids=["another pixel", "another font", "an older Gymnasium", "no pygame"],
)
def test_another_pygame_is_left_to_the_process_backend_and_a_sentence_says_why(change: str, why: str) -> None:
    """And the envs whose numbers do not depend on pixels stay native."""
    script = CHECK.format(change=change)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    name, messages, lander = result.stdout.splitlines()
    assert name == "ProcessVectorEnv"
    assert why in messages
    assert lander == "NativeVectorEnv"


def test_the_process_backends_numbers_are_the_native_ones() -> None:
    native = fastvec.make_vec("CarRacing-v3", 2, continuous=False)
    process = fastvec.make_vec("CarRacing-v3", 2, continuous=False, backend="process", num_workers=1)
    assert_same(process.reset(seed=2), native.reset(seed=2), "reset")
    for action in range(5):
        actions = np.array([action, 3])
        assert_same(process.step(actions), native.step(actions), f"action {action}")
    process.close()
