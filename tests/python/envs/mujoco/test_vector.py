"""Snapshots, attributes, spaces, memory, pictures and rounding of the MuJoCo envs."""

from __future__ import annotations

import gc
import inspect
import os
import sys
import weakref
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

import fastvec
from fastvec.envs.mujoco import ENV_IDS
from fastvec.envs.mujoco.arguments import signature_defaults
from fastvec.envs.mujoco.rounding import dot_is_fused, einsum_is_fused
from fastvec.native import registry
from support.differential import assert_same
from support.native import run_script

V5 = [env_id for env_id in ENV_IDS if env_id.endswith("v5")]


def play(envs: Any, steps: int, seed: int = 0) -> list[Any]:
    space = envs.single_action_space
    rng = np.random.default_rng(seed)
    shape = (envs.num_envs, *space.shape)
    return [envs.step(rng.uniform(space.low, space.high, shape).astype(np.float32)) for _ in range(steps)]


@pytest.mark.parametrize("env_id", V5)
def test_a_snapshot_resumes_bit_for_bit(env_id: str) -> None:
    envs = fastvec.make_vec(env_id, 3, num_threads=2, max_episode_steps=25)
    envs.reset(seed=0)
    play(envs, 18)
    state = envs.get_state()
    other = fastvec.make_vec(env_id, 3, num_threads=1, max_episode_steps=25)
    other.reset(seed=5)
    play(other, 3)
    other.set_state(state)
    assert other.get_state() == state
    assert_same(play(other, 15, seed=1), play(envs, 15, seed=1), env_id)


def test_a_snapshot_resumes_in_another_process(own_folder: Path) -> None:
    envs = fastvec.make_vec("Ant-v5", 2)
    envs.reset(seed=0)
    play(envs, 9)
    (own_folder / "state").write_bytes(envs.get_state())
    expected = play(envs, 5, seed=1)[-1][0]
    done = run_script(
        """
import sys, numpy as np, fastvec
envs = fastvec.make_vec("Ant-v5", 2)
envs.set_state(open(sys.argv[1], "rb").read())
rng = np.random.default_rng(1)
for _ in range(5):
    result = envs.step(rng.uniform(-1, 1, (2, 8)).astype(np.float32))
print(result[0].tobytes().hex())
""",
        own_folder / "state",
    )
    assert done.stdout.strip() == expected.tobytes().hex(), done.stderr


def test_a_snapshot_of_another_model_is_refused(own_folder: Path) -> None:
    text = (Path(inspect.getfile(gymnasium.envs.mujoco)).parent / "assets" / "hopper.xml").read_text()
    model = own_folder / "model.xml"
    model.write_text(text)
    envs = fastvec.make_vec("Hopper-v5", 1, xml_file=str(model))
    envs.reset(seed=0)
    state = envs.get_state()
    model.write_text(text.replace('friction="0.9"', 'friction="0.8"', 1))
    with pytest.raises(fastvec.errors.StateError, match="model"):
        fastvec.make_vec("Hopper-v5", 1, xml_file=str(model)).set_state(state)


@pytest.mark.parametrize("env_id", V5)
def test_spaces_metadata_and_defaults_are_gymnasiums(env_id: str) -> None:
    envs, oracle = fastvec.make_vec(env_id, 2), gymnasium.make_vec(env_id, 2, vectorization_mode="sync")
    assert envs.single_observation_space == oracle.single_observation_space
    assert envs.single_action_space == oracle.single_action_space
    assert envs.metadata == oracle.metadata
    assert envs.spec.max_episode_steps == gymnasium.spec(env_id).max_episode_steps
    native = registry.find(env_id)
    assert native is not None
    defaults = signature_defaults(env_id)
    for name, _, default, _ in native.kwargs:
        if not name.startswith("_") and name in defaults:
            assert np.array_equal(np.asarray(default), np.asarray(defaults[name])), name


def test_attributes_are_answered() -> None:
    envs, oracle = (
        fastvec.make_vec("Humanoid-v5", 2, frame_skip=3),
        gymnasium.make_vec("Humanoid-v5", 2, vectorization_mode="sync", frame_skip=3),
    )
    envs.reset(seed=0), oracle.reset(seed=0)
    actions = np.full((2, 17), 0.2, np.float32)
    for _ in range(6):
        envs.step(actions), oracle.step(actions)
    for name in ("dt", "frame_skip", "observation_structure", "healthy_reward", "is_healthy", "contact_cost"):
        assert repr(envs.get_attr(name)) == repr(oracle.get_attr(name)), name
    assert_same(envs.call("state_vector"), oracle.call("state_vector"), "state_vector")
    for ours, theirs in zip(envs.get_attr("data"), oracle.get_attr("data"), strict=True):
        assert isinstance(ours, mujoco.MjData)
        assert ours.cfrc_ext.tobytes() == theirs.cfrc_ext.tobytes()
    first, second = envs.get_attr("model")
    assert first is second


def test_set_state_of_gymnasiums_env_reaches_the_native_one() -> None:
    envs = fastvec.make_vec("HalfCheetah-v5", 2)
    oracle = gymnasium.make_vec("HalfCheetah-v5", 2, vectorization_mode="sync")
    envs.reset(seed=0), oracle.reset(seed=0)
    qpos, qvel = np.linspace(0, 0.3, 9), np.linspace(-1, 1, 9)
    envs.call("set_state", qpos, qvel), oracle.call("set_state", qpos, qvel)
    assert_same(play(envs, 3), play(oracle, 3), "after set_state")


def test_the_goal_is_part_of_the_state() -> None:
    envs, oracle = fastvec.make_vec("Reacher-v5", 3), gymnasium.make_vec("Reacher-v5", 3, vectorization_mode="sync")
    envs.reset(seed=0), oracle.reset(seed=0)
    assert_same(envs.get_attr("goal"), oracle.get_attr("goal"), "goal")


def test_a_change_of_the_shared_model_is_seen_by_all_envs() -> None:
    envs = fastvec.make_vec("Hopper-v5", 2)
    oracle = gymnasium.make_vec("Hopper-v5", 2, vectorization_mode="sync")
    for model in (envs.get_attr("model")[0], *oracle.get_attr("model")):
        model.opt.gravity[2] = -3.0
    envs.reset(seed=0), oracle.reset(seed=0)
    assert_same(play(envs, 10), play(oracle, 10), "less gravity")


def test_bytes_per_env_counts_mujocos_data() -> None:
    envs = fastvec.make_vec("HalfCheetah-v5", 2)
    data = envs.get_attr("data")[0]
    assert 0 < envs.bytes_per_env - (data.nbuffer + data.narena) < 4096


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_closed_vector_gives_its_memory_back() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def use() -> None:
        envs = fastvec.make_vec("Swimmer-v5", 64)
        envs.reset(seed=0)
        play(envs, 2)
        envs.close()

    use()
    gc.collect()
    before = resident()
    for _ in range(10):
        use()
    gc.collect()
    # 64 datas of this env keep about 5 MB resident.
    assert resident() - before < 20e6


def test_mujocos_data_lives_as_long_as_the_native_envs() -> None:
    envs: Any = fastvec.make_vec("Swimmer-v5", 4, batch_size=2, num_threads=2)
    model = weakref.ref(envs._resources)
    core = envs._core
    envs.async_reset(seed=0)
    envs._resources = envs._references = None
    gc.collect()
    assert model() is not None
    assert len(core.recv(None, 2)[4]["env_id"]) == 2
    core.close()
    del core, envs
    gc.collect()
    assert model() is None


def test_rounding_of_numpy_is_found_out() -> None:
    rng = np.random.default_rng(9)
    fused = 0
    for _ in range(400):
        a, b = rng.normal(size=2)
        plain = a * a + b * b
        fused += float(np.dot([a, b], [a, b])) != plain
    assert dot_is_fused() == (fused > 0)
    masses, positions = rng.uniform(size=14), rng.normal(size=(14, 3))
    total = np.zeros(3)
    for mass, row in zip(masses, positions, strict=True):
        total = total + mass * row
    if not einsum_is_fused():
        assert (total == np.einsum("b,bj->j", masses, positions)).all()


PICTURES = """
import sys, numpy as np, gymnasium, fastvec
env_id = sys.argv[1]
settings = {"render_mode": "rgb_array", "width": 160, "height": 120}
try:
    probe = gymnasium.make(env_id, **settings)
    probe.reset()
    probe.render()
except Exception as error:
    print("cannot draw here:", error)
    sys.exit()
oracle = gymnasium.make_vec(env_id, 2, vectorization_mode="sync", **settings)
envs = fastvec.make_vec(env_id, 2, **settings)
envs.reset(seed=0), oracle.reset(seed=0)
oracle.action_space.seed(0)
for step in range(9):
    actions = oracle.action_space.sample()
    envs.step(actions), oracle.step(actions)
    if step % 4 == 0:
        for ours, theirs in zip(envs.render(), oracle.render()):
            assert ours.shape == (120, 160, 3)
            assert np.array_equal(ours, theirs), step
other = fastvec.make_vec(env_id, 2, **settings)
other.set_state(envs.get_state())
assert other.render()[0].shape == (120, 160, 3)
envs.close(), other.close()
print("equal")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs EGL")
@pytest.mark.parametrize("env_id", ["HalfCheetah-v5", "Humanoid-v5"])
def test_pictures_are_gymnasiums(env_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "egl")
    done = run_script(PICTURES, env_id, timeout=120)
    if "cannot draw here" in done.stdout:
        pytest.skip(done.stdout[-200:])
    assert done.stdout.strip().endswith("equal"), done.stdout + done.stderr


def test_rendering_needs_a_known_mode() -> None:
    with pytest.raises(ValueError, match="render_mode"):
        fastvec.make_vec("Ant-v5", 1, render_mode="ascii")
