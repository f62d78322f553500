"""The MuJoCo envs against Gymnasium's, byte for byte."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import fastvec
from support.differential import Case, Tally, assert_same, compare, make_oracle_envs, report, sizes, sync_vector

NUM_ENVS = (1, 3, 17)
NUM_THREADS = (1, 2)
FEW = {1: 24, 3: 24, 17: 12}
LONG = {1: 45, 3: 45, 17: 24}  # enough to fall

MODELS = tempfile.TemporaryDirectory()
CHAIN = os.path.join(MODELS.name, "chain.xml")


def chain_xml(links: int) -> str:
    """A floating chain: more bodies than a robot has, so that sums over them are summed by halves."""
    xml = '<body name="link{i}" pos="0.3 0 0"><joint type="hinge" axis="0 1 0"/><geom size="0.1"/>'
    body = "".join(xml.format(i=i) for i in range(links)) + "</body>" * links
    motors = '<motor joint="root" ctrlrange="-3 2"/>' * 9
    return f"""<mujoco><option timestep="0.01"/>
    <default><joint damping="2" armature="0.1"/><motor gear="0.2"/></default>
    <worldbody><geom type="plane" size="40 40 1"/>
    <body name="torso" pos="0 0 0.4"><joint name="root" type="slide" axis="1 0 0"/><joint type="slide" axis="0 1 0"/>
    <joint type="slide" axis="0 0 1"/><geom size="0.2"/>{body}</body></worldbody>
    <actuator>{motors}</actuator></mujoco>"""


@pytest.fixture(scope="module", autouse=True)
def models() -> Iterator[None]:
    Path(CHAIN).write_text(chain_xml(30))
    yield
    MODELS.cleanup()


def mujoco_case(env_id: str, kwargs: dict[str, Any] | None = None, **settings: Any) -> Case:
    return Case(env_id, kwargs or {}, **{"steps": FEW, **settings})


NO_POSITIONS = {"exclude_current_positions_from_observation": False}
NOTHING_INCLUDED = {f"include_{name}_in_observation": False for name in ("cinert", "cvel", "qfrc_actuator", "cfrc_ext")}

CASES = [
    mujoco_case("HalfCheetah-v5"),
    mujoco_case("HalfCheetah-v5", {"forward_reward_weight": 2, "ctrl_cost_weight": np.float64(0.3), **NO_POSITIONS}),
    mujoco_case("HalfCheetah-v5", {"frame_skip": 2, "reset_noise_scale": 0.7}, actions="float64"),
    mujoco_case("HalfCheetah-v5", {"reset_noise_scale": 100.0, "frame_skip": 20}),  # diverges
    mujoco_case("Hopper-v5", limit=None, steps=LONG),
    mujoco_case(
        "Hopper-v5", {"healthy_reward": 2, "healthy_z_range": (0.5, 1.24), "reset_noise_scale": 0.05}, limit=30
    ),
    mujoco_case(
        "Hopper-v5",
        {"healthy_state_range": (-1.5, 2.0), "terminate_when_unhealthy": False, "frame_skip": 1, **NO_POSITIONS},
        actions="float64",
    ),
    mujoco_case("Walker2d-v5", limit=None, steps=LONG),
    mujoco_case("Walker2d-v5", {"xml_file": "hopper.xml", "healthy_angle_range": (-0.1, 0.3), "healthy_reward": -1}),
    mujoco_case("Walker2d-v5", {"forward_reward_weight": 0.1, "reset_noise_scale": 0.3, **NO_POSITIONS}, limit=40),
    mujoco_case("Swimmer-v5"),
    mujoco_case("Swimmer-v5", {"ctrl_cost_weight": 0.3, "reset_noise_scale": 0, **NO_POSITIONS}, actions="float64"),
    mujoco_case("Swimmer-v5", {"xml_file": CHAIN, "frame_skip": 3}),
    mujoco_case("Ant-v5"),
    mujoco_case("Ant-v5", {"main_body": "front_left_leg", "healthy_z_range": (0.5, 0.9), **NO_POSITIONS}, steps=LONG),
    mujoco_case(
        "Ant-v5",
        {"include_cfrc_ext_in_observation": False, "contact_cost_weight": 0.1, "contact_force_range": (-0.3, None)},
        actions="float64",
    ),
    mujoco_case(
        "Ant-v5", {"xml_file": CHAIN, "contact_force_range": (-40.0, 30.0), "healthy_reward": 1, "main_body": 5}
    ),
    mujoco_case("Humanoid-v5"),
    mujoco_case("Humanoid-v5", {**NO_POSITIONS, **NOTHING_INCLUDED, "healthy_reward": 3}, actions="float64"),
    mujoco_case(
        "Humanoid-v5",
        {"contact_cost_range": (0.0, 0.001), "healthy_z_range": (1.35, 1.41), "reset_noise_scale": 0.1},
        limit=None,
        steps=LONG,
    ),
    mujoco_case("Humanoid-v5", {"xml_file": CHAIN, "contact_cost_weight": 1e-3, "terminate_when_unhealthy": False}),
    mujoco_case("HumanoidStandup-v5"),
    mujoco_case(
        "HumanoidStandup-v5",
        {**NO_POSITIONS, "include_cvel_in_observation": False, "impact_cost_range": (1e-5, 2e-5), "frame_skip": 2},
        actions="float64",
    ),
    mujoco_case("HumanoidStandup-v5", {"uph_cost_weight": 3, "ctrl_cost_weight": 1, "impact_cost_weight": 1}),
    mujoco_case("InvertedPendulum-v5", limit=None, steps=LONG),
    mujoco_case("InvertedPendulum-v5", {"reset_noise_scale": 0.3, "frame_skip": 5}),
    mujoco_case("InvertedDoublePendulum-v5", limit=None, steps=LONG),
    mujoco_case("InvertedDoublePendulum-v5", {"healthy_reward": 3, "reset_noise_scale": 0.5}, actions="float64"),
    mujoco_case("Reacher-v5"),
    mujoco_case("Reacher-v5", {"reward_dist_weight": 3, "reward_control_weight": 0.1, "frame_skip": 5}),
    mujoco_case("Reacher-v5", {"reward_control_weight": np.float64(0.1)}, actions="float64"),
    mujoco_case("Pusher-v5"),
    mujoco_case("Pusher-v5", {"reward_near_weight": 2, "reward_dist_weight": 0.3, "reward_control_weight": 1}),
    mujoco_case("Pusher-v5", {"frame_skip": 2, "reward_control_weight": np.float64(0.1)}),
    mujoco_case("HalfCheetah-v4"),
    mujoco_case("Hopper-v4", limit=None, steps=LONG),
    mujoco_case("Walker2d-v4", {"terminate_when_unhealthy": False}),
    mujoco_case("Swimmer-v4", NO_POSITIONS),
    mujoco_case("Ant-v4"),
    mujoco_case("Ant-v4", {"use_contact_forces": True, "contact_cost_weight": 0.1}),
    mujoco_case("Humanoid-v4"),
    mujoco_case("HumanoidStandup-v4"),
    mujoco_case("InvertedPendulum-v4"),
    mujoco_case("InvertedDoublePendulum-v4", limit=30),
    mujoco_case("Reacher-v4", actions="float64"),
]


@pytest.mark.filterwarnings(r"ignore:env \d+. MuJoCo:RuntimeWarning")  # some of these diverge: also as in Gymnasium
@pytest.mark.parametrize("case", CASES, ids=str)
def test_bytes_equal_gymnasium(case: Case, tally: Tally) -> None:
    compare(case, tally, sizes(case, CASES, NUM_ENVS), NUM_THREADS)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_bytes_equal_gymnasium_for_any_number_of_envs(case: Case) -> None:
    compare(case, Tally(), NUM_ENVS, NUM_THREADS)


def test_all_cases_ran(tally: Tally, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        report(tally, CASES, "MuJoCo", NUM_ENVS, NUM_THREADS)
    assert {case.env_id for case in CASES} == set(fastvec.envs.mujoco.ENV_IDS)


@pytest.mark.slow
@pytest.mark.parametrize("env_id", fastvec.envs.mujoco.ENV_IDS)
@pytest.mark.parametrize("mode", list(AutoresetMode)[:2], ids=str)
def test_registered_limits_over_thousands_of_steps(env_id: str, mode: AutoresetMode) -> None:
    num_envs = 5
    oracle = sync_vector(make_oracle_envs(Case(env_id, limit=None), num_envs), mode)
    envs = fastvec.make_vec(env_id, num_envs, autoreset_mode=mode)
    assert_same(envs.reset(seed=7), oracle.reset(seed=7), env_id)
    envs.action_space.seed(0)
    for step in range(1200):
        actions = envs.action_space.sample()
        assert_same(envs.step(actions), oracle.step(actions), f"{env_id}, step {step}")


def script(case: Case, envs: Any, steps: int) -> list[Any]:
    rng = np.random.default_rng(case.seed)
    results = [copy.deepcopy(envs.reset(seed=case.seed))]
    space = envs.single_action_space
    for _ in range(steps):
        actions = rng.uniform(space.low, space.high, (envs.num_envs, *space.shape)).astype(np.float32)
        results.append(copy.deepcopy(envs.step(actions)))
    return results


@pytest.mark.parametrize("env_id", ["Ant-v5", "Reacher-v5"])
def test_out_and_copy_false_hold_the_same_bytes(env_id: str) -> None:
    case = mujoco_case(env_id)
    expected = script(case, fastvec.make_vec(env_id, 4), 12)
    assert_same(script(case, fastvec.make_vec(env_id, 4, copy=False), 12), expected, "copy=False")
    envs = fastvec.make_vec(env_id, 4)
    out = (np.empty((4, *envs.single_observation_space.shape)), np.empty(4), np.empty(4, bool), np.empty(4, bool))
    step = envs.step
    envs.step = lambda actions: step(actions, out=out)
    assert_same(script(case, envs, 12), expected, "out=")


def test_asynchronous_envs_take_the_same_course() -> None:
    num_envs, steps = 6, 40
    envs = fastvec.make_vec("Hopper-v5", num_envs, batch_size=2, num_threads=2)
    oracle = [gymnasium.make("Hopper-v5") for _ in range(num_envs)]
    expected = [env.reset(seed=i)[0] for i, env in enumerate(oracle)]
    over = np.zeros(num_envs, bool)
    rng = np.random.default_rng(0)
    envs.async_reset(seed=0)
    for _ in range(steps * num_envs // 2):
        observations, _, terminations, truncations, infos = envs.recv()
        ids = infos["env_id"]
        for row, env in enumerate(ids):
            assert observations[row].tobytes() == expected[env].tobytes(), env
            assert bool(terminations[row] | truncations[row]) == over[env]
        actions = rng.uniform(-1, 1, (len(ids), 3)).astype(np.float32)
        envs.send(actions, ids)
        for row, env in enumerate(ids):
            if over[env]:
                expected[env], over[env] = oracle[env].reset()[0], False
            else:
                expected[env], _, terminated, truncated, _ = oracle[env].step(actions[row])
                over[env] = terminated or truncated
    envs.close()


def test_process_backend_still_takes_these_ids() -> None:
    envs = fastvec.make_vec("Swimmer-v5", 2, backend="process", num_workers=1)
    native = fastvec.make_vec("Swimmer-v5", 2)
    case = mujoco_case("Swimmer-v5")
    assert_same(script(case, native, 5), script(case, envs, 5), "process")
    envs.close()


def test_single_env_through_gymnasium_make() -> None:
    ours, oracle = gymnasium.make("fastvec/Walker2d-v5"), gymnasium.make("Walker2d-v5")
    assert ours.observation_space == oracle.observation_space
    assert ours.action_space == oracle.action_space
    assert ours.reset(seed=3)[0].tobytes() == oracle.reset(seed=3)[0].tobytes()
    action = np.full(6, 0.3, np.float32)
    for _ in range(5):
        assert ours.step(action)[0].tobytes() == oracle.step(action)[0].tobytes()
