"""What a vector of native Box2D envs offers beside stepping: state, pictures, attributes, and errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import fastvec
from fastvec.envs.box2d.proof import import_box2d
from support.sameness import assert_same

import_box2d()  # before Gymnasium does: where warnings are errors, its import would end the process

IDS = ["LunarLander-v3", "LunarLanderContinuous-v3", "BipedalWalker-v3", "BipedalWalkerHardcore-v3", "CarRacing-v3"]
BODIES = {"LunarLander": ("lander", "legs"), "BipedalWalker": ("hull", "legs")}


def played(env_id: str, steps: int, num_envs: int = 3, **options: Any) -> tuple[Any, list[Any]]:
    """A vector after `steps` random steps, and 80 actions more."""
    envs = fastvec.make_vec(env_id, num_envs, num_threads=2, **options)
    envs.reset(seed=4)
    envs.action_space.seed(2)
    for _ in range(steps):
        envs.step(envs.action_space.sample())
    return envs, [envs.action_space.sample() for _ in range(80)]


def test_they_are_native_by_default() -> None:
    for env_id in IDS:
        envs = fastvec.make_vec(env_id, 2)
        assert type(envs).__name__ == "NativeVectorEnv"
        envs.close()


@pytest.mark.parametrize("autoreset_mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("env_id", IDS[:-1])
def test_a_saved_state_goes_on_bit_for_bit_in_another_vector(env_id: str, autoreset_mode: str) -> None:
    envs, actions = played(env_id, 220, autoreset_mode=autoreset_mode)  # several episodes into a walker's world
    state = envs.get_state()
    expected = [envs.step(action) for action in actions]
    other = fastvec.make_vec(env_id, 3, autoreset_mode=autoreset_mode)
    other.reset(seed=77)
    other.set_state(state)
    assert_same([other.step(action) for action in actions], expected, env_id)
    assert other.get_state() == envs.get_state()


def test_a_state_with_a_generator_that_was_set_in_an_episode_goes_on_bit_for_bit() -> None:
    envs, actions = played("LunarLander-v3", 20)
    envs.set_attr("np_random", [np.random.default_rng(seed) for seed in range(3)])
    for action in actions[:10]:
        envs.step(action)
    state = envs.get_state()
    expected = [envs.step(action) for action in actions[10:]]
    envs.set_state(state)
    assert_same([envs.step(action) for action in actions[10:]], expected, "set generator")


def test_a_state_before_the_first_reset_can_be_saved() -> None:
    envs = fastvec.make_vec("BipedalWalker-v3", 1)
    fresh = envs.get_state()
    first = envs.reset(seed=3)
    envs.set_state(fresh)
    assert_same(envs.reset(seed=3), first, "again")


def test_a_damaged_state_is_refused() -> None:
    envs, _ = played("BipedalWalker-v3", 30, num_envs=1)
    state = bytearray(envs.get_state())
    for at in range(len(state) - 3000, len(state) - 100, 97):  # somewhere among the actions
        state[at] ^= 0x40
    with pytest.raises((fastvec.errors.StateError, ValueError, RuntimeError)):
        envs.set_state(bytes(state))


@pytest.mark.parametrize("env_id", ["LunarLander-v3", "BipedalWalkerHardcore-v3"])
def test_pictures_are_gymnasiums(env_id: str) -> None:
    """After steps without an engine, whose flames only Gymnasium's own env has."""
    envs = fastvec.make_vec(env_id, 2, render_mode="rgb_array")
    oracles = [gymnasium.make(env_id, render_mode="rgb_array", disable_env_checker=True) for _ in range(2)]
    envs.reset(seed=9)
    for i, oracle in enumerate(oracles):
        oracle.reset(seed=9 + i)
    idle = np.zeros_like(envs.action_space.sample())
    for _ in range(30):
        envs.step(idle)
        for oracle in oracles:
            oracle.step(idle[0])
    frames = envs.render()
    for i, oracle in enumerate(oracles):
        assert_same(frames[i], oracle.render(), f"env {i}")


@pytest.mark.parametrize("env_id", ["LunarLander-v3", "BipedalWalker-v3"])
def test_each_envs_bodies_are_where_gymnasiums_are(env_id: str) -> None:
    envs = fastvec.make_vec(env_id, 3)
    oracles = [gymnasium.make(env_id, disable_env_checker=True).unwrapped for _ in range(3)]
    envs.reset(seed=1)
    for i, oracle in enumerate(oracles):
        oracle.reset(seed=1 + i)
    envs.action_space.seed(0)
    for _ in range(25):
        actions = envs.action_space.sample()
        envs.step(actions)
        for oracle, action in zip(oracles, actions, strict=True):
            oracle.step(action)
    trunk, legs = BODIES[env_id.partition("-")[0]]
    seen, seen_legs = envs.get_attr(trunk), envs.get_attr(legs)
    assert len({id(body) for body in seen}) == 3
    for i, oracle in enumerate(oracles):
        expected = getattr(oracle, trunk)
        assert tuple(seen[i].position) == tuple(expected.position)
        assert seen[i].angle == expected.angle
        assert tuple(seen[i].linearVelocity) == tuple(expected.linearVelocity)
        for leg, there in zip(seen_legs[i], oracle.legs, strict=True):
            assert tuple(leg.position) == tuple(there.position)
    assert envs.get_attr("game_over") == tuple(oracle.game_over for oracle in oracles)
    assert envs.get_attr("prev_shaping") == tuple(oracle.prev_shaping for oracle in oracles)


def test_looking_at_an_env_does_not_change_it() -> None:
    envs, actions = played("LunarLander-v3", 30, render_mode="rgb_array")
    state = envs.get_state()
    expected = [envs.step(action) for action in actions]
    envs.set_state(state)
    envs.render()
    envs.get_attr("lander")
    assert_same([envs.step(action) for action in actions], expected, "after a look")


def test_what_cannot_be_carried_back_is_refused() -> None:
    envs, _ = played("LunarLanderContinuous-v3", 10)
    with pytest.raises(AttributeError, match="looked at but not changed"):
        envs.call("step", np.zeros(2, np.float32))
    with pytest.raises(AttributeError, match="'game_over' is not part of the native env's state"):
        envs.set_attr("game_over", True)
    with pytest.raises(ValueError, match="expected a finite gravity, got nan"):
        envs.set_attr("gravity", [-3.0, float("nan"), -4.0])


def test_arguments_are_refused_as_gymnasium_refuses_them() -> None:
    with pytest.raises(AssertionError, match="gravity"):
        fastvec.make_vec("LunarLander-v3", 2, gravity=-13.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'wind'"):
        fastvec.make_vec("LunarLander-v3", 2, wind=1)


def test_a_walkers_nan_is_that_envs_error_alone() -> None:
    envs, _ = played("BipedalWalker-v3", 5)
    actions = np.zeros((3, 4), np.float32)
    actions[1, 2] = np.nan
    with pytest.raises(fastvec.EnvError, match="env 1: expected an action without NaN, got one at 2"):
        envs.step(actions)
    envs.step(np.zeros((3, 4), np.float32))


def test_a_landers_nan_fires_no_engine_as_in_gymnasium() -> None:
    envs = fastvec.make_vec("LunarLanderContinuous-v3", 1)
    oracle = gymnasium.make_vec("LunarLanderContinuous-v3", 1, vectorization_mode="sync")
    envs.reset(seed=0), oracle.reset(seed=0)
    actions = np.full((1, 2), np.nan, np.float32)
    for _ in range(20):
        assert_same(envs.step(actions), oracle.step(actions), "NaN")


@pytest.mark.parametrize("env_id", IDS)
def test_a_spec_makes_an_equal_vector(env_id: str) -> None:
    kwargs = {"continuous": True} if env_id == "LunarLander-v3" else {}
    envs = fastvec.make_vec(env_id, 2, **kwargs)
    again = fastvec.make_vec(envs.spec)
    assert again.single_action_space == envs.single_action_space
    assert_same(again.reset(seed=1), envs.reset(seed=1), env_id)


CHECK = """
import warnings
from fastvec.envs.box2d import library
{change}
import fastvec
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    envs = fastvec.make_vec("LunarLander-v3", 2)
print(type(envs).__name__)
print([str(warning.message) for warning in caught if "worker processes" in str(warning.message)])
print(envs.reset(seed=0)[0].shape)
envs.close()
try:
    fastvec.make_vec("LunarLander-v3", 2, backend="native")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ('library.BOX2D_VERSION = "2.3.8"', "work with box2d 2.3.8, and what is installed is box2d 2.3.10"),
        ("library.play = lambda: __import__('numpy').zeros(60 * 22, 'f4')", "does not behave as the one"),
        ("library._FUNCTIONS += ('b2Nothing',)", "does not show b2Nothing"),
    ],
    ids=["another version", "other numbers", "a function is missing"],
)
def test_another_box2d_is_left_to_the_process_backend_and_a_sentence_says_why(change: str, why: str) -> None:
    script = CHECK.format(change=change)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    name, messages, shape, refusal = result.stdout.splitlines()
    assert name == "ProcessVectorEnv"
    assert why in messages
    assert shape == "(2, 8)"
    assert refusal.startswith("DependencyNotInstalled")
    assert why in refusal


def test_a_damaged_library_is_left_to_the_process_backend(tmp_path: Path) -> None:
    """A file that is no library any more, found in place of the package's own."""
    (tmp_path / "_Box2D.so").write_bytes(b"\x7fELF damaged")
    change = f"from pathlib import Path\nlibrary._library_path = lambda: Path({str(tmp_path)!r}) / '_Box2D.so'"
    result = subprocess.run(
        [sys.executable, "-c", CHECK.format(change=change)], capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout.startswith("ProcessVectorEnv\n")
    assert "the installed Box2D cannot be used" in result.stdout


def test_importing_fastvec_does_not_import_box2d() -> None:
    script = "import sys, fastvec; print('Box2D' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == "False\n"
