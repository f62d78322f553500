"""What goes wrong in MuJoCo, or before it, becomes a Python error or warning."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

import fastvec
from support.differential import assert_same
from support.native import run_script

# Boxes that fall to the ground, and too little memory for all of their contacts with it.
CROWD = "".join(
    f'<body pos="{i % 4 * 0.6 + 1} {i // 4 * 0.6} 0.9"><freejoint/><geom type="box" size="0.1 0.1 0.1"/></body>'
    for i in range(12)
)
CROWDED = f"""<mujoco><size memory="60K"/><option timestep="0.01"/><worldbody><geom type="plane" size="9 9 1"/>
<body pos="0 0 3"><joint name="a" type="slide" axis="1 0 0"/><geom size="0.1"/></body>{CROWD}</worldbody>
<actuator><motor joint="a" ctrlrange="-1 1"/></actuator></mujoco>"""

NO_MEMORY = "(out of|insufficient) memory"  # the words of newer and of older versions of MuJoCo


def half_cheetah(num_envs: int, **kwargs: Any) -> fastvec.VectorEnv:
    return fastvec.make_vec("HalfCheetah-v5", num_envs, num_threads=2, **kwargs)


@pytest.mark.filterwarnings(r"ignore:env \d. MuJoCo. Insufficient arena:RuntimeWarning")
def test_a_fatal_error_of_mujoco_fails_its_env_alone_and_the_vector_goes_on(own_folder: Path) -> None:
    (own_folder / "crowded.xml").write_text(CROWDED)
    envs = half_cheetah(3, xml_file=str(own_folder / "crowded.xml"))
    envs.reset(seed=0)
    errors, steps_after = [], 0
    for _ in range(60):
        try:
            batch = envs.step(np.zeros((3, 1), np.float32))
            steps_after += len(errors) > 0
        except fastvec.EnvError as error:
            errors.append(error)
            batch = error.batch
        assert np.isfinite(batch[0]).all()
    assert len(errors) > 1
    assert steps_after > 0
    for error in errors:
        assert f"env {error.env_index}: MuJoCo: " in str(error)
        assert re.search(NO_MEMORY, str(error))
        assert error.batch[3][error.env_index]


@pytest.mark.filterwarnings(r"ignore:env \d. MuJoCo. Insufficient arena:RuntimeWarning")
def test_python_bindings_raise_their_own_errors_as_before(own_folder: Path) -> None:
    (own_folder / "crowded.xml").write_text(CROWDED)
    half_cheetah(1).close()
    model = mujoco.MjModel.from_xml_path("crowded.xml")
    data = mujoco.MjData(model)
    rng = np.random.default_rng(0)

    def crowd() -> None:
        for _ in range(30):
            mujoco.mj_resetData(model, data)
            data.qpos[:] += rng.uniform(-0.1, 0.1, model.nq)
            mujoco.mj_step(model, data, nstep=100)

    with pytest.raises(mujoco.FatalError, match=NO_MEMORY):
        crowd()


def test_a_diverged_simulation_warns_with_the_index_of_its_env() -> None:
    envs = half_cheetah(3)
    envs.reset(seed=0)
    actions = np.zeros((3, 6), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs.step(actions)
    actions[1, 2] = np.nan
    with pytest.warns(RuntimeWarning, match=r"^env 1: MuJoCo: .*CTRL at ACTUATOR 2") as caught:
        envs.step(actions)
    assert [Path(str(warning.filename)).name for warning in caught] == [Path(__file__).name]
    with warnings.catch_warnings():  # once per kind and episode
        warnings.simplefilter("error")
        envs.step(actions)
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    with pytest.warns(RuntimeWarning, match="^env 1: "):
        envs.step(actions)


def test_a_diverged_simulation_goes_on_as_in_gymnasium() -> None:
    envs, oracle = half_cheetah(2), gymnasium.make_vec("HalfCheetah-v5", 2, vectorization_mode="sync")
    envs.reset(seed=0), oracle.reset(seed=0)
    actions = np.ones((2, 6), np.float32)
    for step in range(20):
        if step == 5:
            envs.get_attr("data")[1].qvel[4] = oracle.get_attr("data")[1].qvel[4] = 1e30
            with pytest.warns(RuntimeWarning, match="env 1: .*QVEL at DOF 4"):
                result = envs.step(actions)
        else:
            result = envs.step(actions)
        assert_same(result, oracle.step(actions), f"step {step}")


def test_bad_xml_names_the_file(own_folder: Path) -> None:
    (own_folder / "bad.xml").write_text("<mujoco><worldbody><body></worldbody></mujoco>")
    with pytest.raises(ValueError, match=r"bad\.xml"):
        half_cheetah(1, xml_file="./bad.xml")
    with pytest.raises(OSError, match=r"nowhere\.xml"):
        half_cheetah(1, xml_file="./nowhere.xml")


def test_a_model_that_does_not_suit_the_env_is_refused() -> None:
    with pytest.raises(ValueError, match="model"):
        fastvec.make_vec("InvertedPendulum-v5", 1, xml_file="ant.xml")
    with pytest.raises(ValueError, match="at least 3 positions"):
        fastvec.make_vec("Ant-v5", 1, xml_file="inverted_pendulum.xml", main_body=1)


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("HalfCheetah-v5", {"friction": 1.0}),
        ("HalfCheetah-v5", {"xml_file": 3}),
        ("HalfCheetah-v4", {"xml_file": "ant.xml"}),
        ("Hopper-v5", {"healthy_z_range": (1.0,)}),
        ("Hopper-v5", {"healthy_angle_range": (0.0, 1.0, 2.0)}),
        ("Ant-v5", {"main_body": "nobody"}),
        ("Ant-v5", {"contact_force_range": 3}),
        ("Walker2d-v5", {"reset_noise_scale": -1.0}),
        ("Walker2d-v5", {"frame_skip": "2"}),
        ("Swimmer-v5", {"ctrl_cost_weight": "much"}),
        ("Humanoid-v5", {"include_cvel_in_observation": 1}),
        ("Humanoid-v5", {"camera_id": 0, "camera_name": "track"}),
        ("Reacher-v5", {"width": "wide"}),
    ],
    ids=str,
)
def test_bad_arguments_raise_what_gymnasium_raises(env_id: str, kwargs: dict[str, Any]) -> None:
    def use_oracle() -> None:
        envs = gymnasium.make_vec(env_id, 1, vectorization_mode="sync", **kwargs)
        envs.reset(seed=0)
        envs.step(envs.action_space.sample())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as expected:  # noqa: PT011
            use_oracle()
    with pytest.raises(expected.type):
        fastvec.make_vec(env_id, 1, **kwargs)


def test_actions_are_checked_before_any_env_steps() -> None:
    envs = half_cheetah(2)
    envs.reset(seed=0)
    before = envs.get_state()
    with pytest.raises(fastvec.errors.InvalidActionError):
        envs.step(np.zeros((2, 5), np.float32))
    assert envs.get_state() == before


WITHOUT_MUJOCO = """
import sys
sys.modules["mujoco"] = None
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "mujoco" else real(name, *rest)
import fastvec, fastvec.cli.main, gymnasium
assert "Ant-v5" in fastvec.list_envs()
fastvec.cli.main.main(["list"])
try:
    fastvec.make_vec("Ant-v5", 2)
except gymnasium.error.DependencyNotInstalled as error:
    print("refused:", error)
fastvec.make_vec("CartPole-v1", 2).close()
"""


def test_missing_mujoco_is_told_with_the_extra_that_brings_it() -> None:
    done = run_script(WITHOUT_MUJOCO)
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.strip().startswith("Ant-v5"))
    assert "fastvec[mujoco]" in row
    assert "healthy_z_range" in row
    refusal = next(line for line in done.stdout.splitlines() if line.startswith("refused"))
    assert 'pip install "fastvec[mujoco]"' in refusal
