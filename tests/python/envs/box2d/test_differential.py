"""The Box2D envs against Gymnasium's, byte for byte."""

from __future__ import annotations

import importlib
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import fastvec
from fastvec.envs.box2d.proof import import_box2d
from support.differential import Case, Tally, assert_same, make_oracle_envs, record, replay, report, sizes, sync_vector

import_box2d()  # before Gymnasium does: where warnings are errors, its import would end the process
bipedal_walker = importlib.import_module("gymnasium.envs.box2d.bipedal_walker")
lunar_lander = importlib.import_module("gymnasium.envs.box2d.lunar_lander")

NUM_ENVS = (1, 3, 17)
NUM_THREADS = (1, 2, 7)
FEW = {1: 150, 3: 60, 17: 30}


def land(rng: np.random.Generator, space: Any, observations: np.ndarray) -> np.ndarray:
    """Gymnasium's own pilot, which lands: the lander comes to rest and falls asleep."""

    class Pilot:
        unwrapped = type("Unwrapped", (), {"continuous": isinstance(space, gymnasium.spaces.Box)})

    return np.array([lunar_lander.heuristic(Pilot, observation) for observation in observations], space.dtype)


def stride(rng: np.random.Generator, space: Any, observations: np.ndarray) -> np.ndarray:
    """Long steps forward: far enough for a pit or a stump, and to fall."""
    phase = np.where(observations[:, 4] > 0.5, -1.0, 1.0)
    actions = np.stack([phase, -phase * 0.7, -phase, phase * 0.7], axis=1)
    return np.clip(actions + rng.normal(0, 0.4, actions.shape), -1, 1).astype(np.float32)


def race(rng: np.random.Generator, space: Any, observations: np.ndarray) -> np.ndarray:
    """Mostly gas, and now and then a hard turn or a full brake: over the road, over the grass, and skidding."""
    num_envs = len(observations)
    kinds = rng.random(num_envs)
    if isinstance(space, gymnasium.spaces.Discrete):
        return np.where(kinds < 0.6, 3, rng.integers(0, 5, num_envs))
    steer = np.where(kinds < 0.5, 0, rng.uniform(-1.2, 1.2, num_envs))
    gas = np.where(kinds < 0.8, rng.uniform(0, 1.5, num_envs), 0)
    brake = np.where(kinds > 0.9, rng.uniform(-0.2, 1.2, num_envs), 0)
    return np.stack([steer, gas, brake], 1).astype(np.float32)


def box2d_case(env_id: str, kwargs: dict[str, Any] | None = None, **settings: Any) -> Case:
    return Case(env_id, kwargs or {}, **{"steps": FEW, "limit": None, **settings})


CASES = [
    box2d_case("LunarLander-v3"),
    box2d_case("LunarLander-v3", {"gravity": -1.5}, limit=40),
    box2d_case("LunarLander-v3", {"enable_wind": True}),
    box2d_case("LunarLander-v3", {"enable_wind": 1, "wind_power": 20, "turbulence_power": np.float64(1.9)}),
    box2d_case("LunarLander-v3", {"continuous": True}),
    box2d_case("LunarLander-v3", {"gravity": -11.9}, policy=land, steps={1: 400, 3: 300, 17: 40}),
    box2d_case("LunarLanderContinuous-v3"),
    box2d_case("LunarLanderContinuous-v3", {"enable_wind": True, "gravity": -5}, actions="float64"),
    box2d_case("LunarLanderContinuous-v3", {"continuous": False}),
    box2d_case("BipedalWalker-v3"),
    box2d_case("BipedalWalker-v3", limit=25, actions="float64"),
    box2d_case("BipedalWalker-v3", {"hardcore": True}, policy=stride),
    box2d_case("BipedalWalkerHardcore-v3"),
    box2d_case("BipedalWalkerHardcore-v3", {"hardcore": False}, limit=30),
    # Gymnasium draws 200 of its pictures in a second.
    box2d_case("CarRacing-v3", policy=race, steps={1: 130, 3: 20, 17: 8}),
    box2d_case("CarRacing-v3", limit=7, actions="float64", steps={1: 25, 17: 8}),
    box2d_case("CarRacing-v3", {"continuous": False}, policy=race, limit=60, steps={1: 130, 17: 8}),
    box2d_case("CarRacing-v3", {"domain_randomize": True}, policy=race, limit=12, steps={1: 40, 17: 8}),
    box2d_case("CarRacing-v3", {"domain_randomize": 1, "continuous": False}, limit=5, steps={1: 20, 17: 8}),
    box2d_case("CarRacing-v3", {"lap_complete_percent": 0}, steps={1: 15, 17: 8}),
]


@pytest.fixture(scope="module")
def tally() -> Tally:
    return Tally()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_byte_is_gymnasiums(case: Case, tally: Tally) -> None:
    for num_envs in sizes(case, CASES, NUM_ENVS):
        for mode in AutoresetMode:
            # New ones each time: a walker's world remembers the episodes before, also after reset(seed=...).
            script = record(case, make_oracle_envs(case, num_envs), mode)
            for num_threads in NUM_THREADS:
                limit = {} if case.limit is None else {"max_episode_steps": case.limit}
                envs = fastvec.make_vec(
                    case.env_id, num_envs, num_threads=num_threads, autoreset_mode=mode, **limit, **case.kwargs
                )
                tally.env_steps += replay(script, envs, f"{case}, {mode.value}, {num_envs}, {num_threads} threads")
                tally.cases += 1
                envs.close()
    tally.names.add(str(case))


def test_that_is_all_cases(tally: Tally) -> None:
    report(tally, CASES, "Box2D", NUM_ENVS, NUM_THREADS)


@pytest.mark.parametrize("env_id", ["LunarLander-v3", "BipedalWalkerHardcore-v3"])
def test_257_envs_are_gymnasiums(env_id: str) -> None:
    case = box2d_case(env_id, steps={257: 12})
    script = record(case, make_oracle_envs(case, 257), AutoresetMode.SAME_STEP)
    replay(script, fastvec.make_vec(env_id, 257, num_threads=2, autoreset_mode="SameStep"), env_id)


@pytest.mark.parametrize("env_id", ["LunarLander-v3", "BipedalWalkerHardcore-v3"])
def test_whole_episodes_are_gymnasiums(env_id: str) -> None:
    """Landings, crashes, time limits; obstacles, and a walker's world that many episodes have used."""
    steps = 1100 if env_id == "LunarLander-v3" else 700
    policy = land if env_id == "LunarLander-v3" else stride
    oracle = sync_vector(make_oracle_envs(box2d_case(env_id), 4), AutoresetMode.SAME_STEP)
    envs = fastvec.make_vec(env_id, 4, autoreset_mode="SameStep", num_threads=2)
    observations = envs.reset(seed=11)[0]
    assert_same(observations, oracle.reset(seed=11)[0], env_id)
    rng = np.random.default_rng(3)
    rewards: set[float] = set()
    episodes = 0
    for step in range(steps):
        actions = policy(rng, envs.single_action_space, observations)
        result = envs.step(actions)
        assert_same(result, oracle.step(actions), f"{env_id}, step {step}")
        observations = result[0]
        episodes += int((result[2] | result[3]).sum())
        rewards |= set(result[1][result[2]])
    assert episodes >= 4
    if env_id == "LunarLander-v3":
        assert 100.0 in rewards  # asleep: landed
    else:
        assert -100.0 in rewards  # fell
    envs.close()


def test_a_lander_that_flies_away_and_one_that_crashes_are_gymnasiums() -> None:
    oracle = sync_vector(make_oracle_envs(box2d_case("LunarLander-v3"), 2), AutoresetMode.NEXT_STEP)
    envs = fastvec.make_vec("LunarLander-v3", 2)
    assert_same(envs.reset(seed=5), oracle.reset(seed=5), "reset")
    ended = set()
    result = (np.zeros((2, 8)),)
    for step in range(400):
        leaning = np.where(result[0][:, 4] < 0.5, 1, 2)  # the one leans and flies, the other falls
        result = envs.step(actions := np.array([leaning[0], 0]))
        assert_same(result, oracle.step(actions), f"step {step}")
        ended |= {("away" if abs(result[0][i, 0]) >= 1 else "crash") for i in np.flatnonzero(result[2])}
    assert ended == {"away", "crash"}


def test_a_race_to_its_end_is_gymnasiums() -> None:
    """One car follows the road for a while, the other leaves the playfield."""
    oracle = sync_vector(make_oracle_envs(box2d_case("CarRacing-v3"), 2), AutoresetMode.SAME_STEP)
    envs = fastvec.make_vec("CarRacing-v3", 2, autoreset_mode="SameStep", num_threads=2)
    assert_same(envs.reset(seed=[6, 36]), oracle.reset(seed=[6, 36]), "reset")
    rewards = []
    for step in range(200):
        actions = np.array([[np.sin(step / 9) / 3, 0.3, 0], [0, 0.5, 0]], np.float32)
        result = envs.step(actions)
        assert_same(result, oracle.step(actions), f"step {step}")
        rewards.append(result[1])
        if result[2].any():
            assert not result[4]["final_info"]["lap_finished"][1]
    assert np.max(rewards) > 3  # a tile
    assert np.min(rewards) == -100  # away


def test_a_lap_that_is_over_is_gymnasiums() -> None:
    """Of which one tile is enough: the first, on which the car stands."""
    kwargs = {"lap_complete_percent": 0.001}
    oracle = sync_vector(make_oracle_envs(box2d_case("CarRacing-v3", kwargs), 2), AutoresetMode.DISABLED)
    envs = fastvec.make_vec("CarRacing-v3", 2, autoreset_mode="Disabled", **kwargs)
    assert_same(envs.reset(seed=0), oracle.reset(seed=0), "reset")
    result = envs.step(actions := np.zeros((2, 3), np.float32))
    assert_same(result, oracle.step(actions), "step")
    assert result[4]["lap_finished"].all()


@pytest.mark.parametrize("autoreset_mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_colors_that_a_reset_keeps_are_gymnasiums(autoreset_mode: AutoresetMode) -> None:
    case = box2d_case("CarRacing-v3", {"domain_randomize": True})
    oracle = sync_vector(make_oracle_envs(case, 2), autoreset_mode)
    envs = fastvec.make_vec("CarRacing-v3", 2, autoreset_mode=autoreset_mode, domain_randomize=True)
    first = envs.reset(seed=3)
    assert_same(first, oracle.reset(seed=3), "first")
    for seed, options in ((4, {"randomize": False}), (None, {"randomize": False}), (5, {"randomize": True}), (6, {})):
        result = envs.reset(seed=seed, options=options)
        assert_same(result, oracle.reset(seed=seed, options=options), str(options))
        for _ in range(3):
            actions = np.zeros((2, 3), np.float32)
            assert_same(envs.step(actions), oracle.step(actions), str(options))
    grounds = envs.get_attr("bg_color")
    for ground, env in zip(grounds, oracle.envs, strict=True):
        np.testing.assert_array_equal(ground, env.unwrapped.bg_color)


# Of what set_attr changes, by step: a name, and a value for each of three envs.
CHANGES: dict[str, dict[int, tuple[str, list[Any]]]] = {
    "LunarLander-v3": {
        5: ("gravity", [-3.0, -11.0, -20]),  # for the next episodes
        12: ("wind_power", [0.5, 19.0, 3]),
        30: ("turbulence_power", [0.0, 1.9, 0.2]),
        45: ("enable_wind", [False, True, True]),
        50: ("enable_wind", [True, True, False]),  # the gusts go on where they were
        70: ("gravity", [-10.0, -0.5, 1.5]),
    },
    "BipedalWalker-v3": {4: ("hardcore", [True, False, True]), 60: ("hardcore", [False, True, True])},
    "CarRacing-v3": {
        3: ("lap_complete_percent", [0.0, 0.95, 0.001]),
        5: ("domain_randomize", [True, False, True]),
        16: ("domain_randomize", [False, False, True]),
    },
}


@pytest.mark.parametrize("env_id", sorted(CHANGES))
@pytest.mark.parametrize("mode", AutoresetMode)
def test_what_set_attr_changes_is_gymnasiums(env_id: str, mode: AutoresetMode) -> None:
    """And a state that was saved on the way goes on with it."""
    kwargs = {"enable_wind": True} if env_id == "LunarLander-v3" else {}
    steps, limit = (24, 6) if env_id == "CarRacing-v3" else (120, 25)
    case = box2d_case(env_id, kwargs, limit=limit)
    oracle = sync_vector(make_oracle_envs(case, 3), mode)
    options: dict[str, Any] = {"autoreset_mode": mode, "max_episode_steps": limit, **kwargs}
    envs = fastvec.make_vec(env_id, 3, **options)
    assert_same(envs.reset(seed=2), oracle.reset(seed=2), "reset")
    envs.action_space.seed(5)
    done = np.zeros(3, bool)
    for step in range(steps):
        change = CHANGES[env_id].get(step)
        if change is not None:
            envs.set_attr(*change)
            oracle.set_attr(*change)
            assert envs.get_attr(change[0]) == oracle.get_attr(change[0])
        if mode is AutoresetMode.DISABLED and done.any():
            results = [vector.reset(options={"reset_mask": done.copy()}) for vector in (envs, oracle)]
            assert_same(*results, f"reset at step {step}")
        result = envs.step(actions := envs.action_space.sample())
        assert_same(result, oracle.step(actions), f"step {step}")
        done = result[2] | result[3]
        if step % 11 == 10:
            other = fastvec.make_vec(env_id, 3, **options)
            other.set_state(envs.get_state())
            envs.close()
            envs = other
            envs.action_space.seed(step)


def test_wind_that_is_enabled_on_the_way_waits_for_a_reset() -> None:
    """Gymnasium's step then fails as well, for want of a place in the gusts."""
    envs = fastvec.make_vec("LunarLander-v3", 2)
    oracle = sync_vector(make_oracle_envs(box2d_case("LunarLander-v3"), 2), AutoresetMode.NEXT_STEP)
    for vector, error in ((envs, "enable_wind was set in an episode that began without wind"), (oracle, "wind_idx")):
        vector.reset(seed=0)
        vector.set_attr("enable_wind", [False, True])
        with pytest.raises((AttributeError, fastvec.EnvError), match=error):
            vector.step(np.zeros(2, np.int64))
    assert_same(envs.reset(seed=1), oracle.reset(seed=1), "reset")
    for _ in range(5):
        assert_same(envs.step(np.ones(2, np.int64)), oracle.step(np.ones(2, np.int64)), "wind")


def test_the_scene_of_the_proof_is_the_bindings_own() -> None:
    from fastvec.envs.box2d.library import why_not
    from fastvec.envs.box2d.proof import STEPS, play

    numbers = play().reshape(STEPS, -1)
    assert numbers[-1, -3] > 0  # contacts began,
    assert numbers[-1, -2] > 0  # and ended
    assert (numbers[:, -6] < 1).any()  # a ray met the ground
    assert why_not(fastvec.native.registry.find("LunarLander-v3").library) is None


def test_what_the_walker_is_made_of_is_gymnasiums() -> None:
    """The constants that both sides have, against Gymnasium's module."""
    assert (bipedal_walker.TERRAIN_LENGTH, bipedal_walker.TERRAIN_GRASS, bipedal_walker.TERRAIN_STARTPAD) == (
        200,
        10,
        20,
    )
    assert (lunar_lander.FPS, lunar_lander.SCALE, bipedal_walker.FPS, bipedal_walker.SCALE) == (50, 30.0, 50, 30.0)
