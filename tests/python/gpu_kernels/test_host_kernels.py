"""The kernels' source, compiled for the host, against the engine: the same bytes, through every episode's end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import fastvec
from fastvec import EnvError, gpu_kernels
from support.compiling import NUMBERS, compile_library
from support.host_kernels import HostKernels
from support.native import MODES
from support.sameness import assert_same

COURIER = Path(__file__).parent / "fixtures" / "courier.cpp"
NUM_ENVS = 23  # no multiple of a block of envs


@pytest.fixture(scope="module")
def courier(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of the author's env, loaded as a plugin."""
    fastvec.load_plugin(compile_library(COURIER, tmp_path_factory.mktemp("courier") / "courier.so", flags=NUMBERS))
    return "post/Courier-v0"


def seeds_from(seed: int) -> np.ndarray:
    return np.arange(seed, seed + NUM_ENVS, dtype=np.uint64)


class Pair:
    """The engine's vector and the kernels, given the same calls; what they return must be the same."""

    def __init__(
        self, env_id: str, kernels: HostKernels, mode: AutoresetMode = AutoresetMode.NEXT_STEP, **kwargs: Any
    ) -> None:
        self.envs = fastvec.make_vec(env_id, NUM_ENVS, num_threads=1, autoreset_mode=mode, **kwargs)
        self.kernels = kernels
        self.num_ends = self.num_failures = 0

    def reset(self, seed: int | None = None, mask: np.ndarray | None = None, **options: float) -> None:
        given: dict[str, Any] = {**options, **({} if mask is None else {"reset_mask": mask})}
        expected, _ = self.envs.reset(seed=seed, options=given or None)
        seeds = None if seed is None else seeds_from(seed)
        numbers = {("x_init", "low", "high").index(name) // 2: value for name, value in options.items()} or None
        actual = self.kernels.reset(seeds=seeds, mask=mask, options=numbers)
        assert_same(actual.reshape(expected.shape), expected)

    def step(self, actions: np.ndarray) -> np.ndarray:
        """Returns which envs' episodes ended."""
        failed: list[int] = []
        try:
            *expected, infos = self.envs.step(actions)
        except EnvError as error:
            *expected, infos = error.batch
            failed = [env for env, _ in error.failures]
        actual = self.kernels.step(actions)
        assert_same([actual[0].reshape(expected[0].shape), *actual[1:]], expected)
        assert list(np.flatnonzero(self.kernels.status == 2)) == failed
        if "final_obs" in infos:
            kept = infos["_final_obs"]
            assert_same(self.kernels.final_observations[kept], np.stack(list(infos["final_obs"][kept])))
        ended = expected[2] | expected[3]
        self.num_ends += int(ended.sum())
        self.num_failures += len(failed)
        return ended

    def play(self, num_steps: int, *, seed: int = 3) -> None:
        """Random actions, over autoresets."""
        space = self.envs.action_space
        space.seed(seed)
        for _ in range(num_steps):
            ended = self.step(space.sample())
            if self.envs.autoreset_mode is AutoresetMode.DISABLED and ended.any():
                self.reset(mask=ended)


def pair_of(env_id: str, folder: Path, mode: AutoresetMode = AutoresetMode.NEXT_STEP, **config: float) -> Pair:
    env = gpu_kernels.builtin_env(env_id)
    source = gpu_kernels.generate(env.header, env.env_class, autoreset_mode=mode, config=config)
    # As compile_ptx has it, where it finds no throw.
    flags = [] if env_id == "Acrobot-v1" else ["-DFASTVEC_NEVER_THROWS"]
    kernels = HostKernels(source, folder, *flags, num_envs=NUM_ENVS, max_episode_steps=env.max_episode_steps)
    return Pair(env_id, kernels, mode, **config)


@pytest.mark.parametrize(
    "env_id", ["CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0"]
)
def test_builtin_kernels_give_the_engines_bytes(env_id: str, tmp_path: Path) -> None:
    pair = pair_of(env_id, tmp_path)
    options = {"x_init": 0.5} if env_id == "Pendulum-v1" else {"low": -0.2, "high": 0.1}
    pair.reset(seed=1, **options)
    pair.play(50)
    pair.reset(mask=np.arange(NUM_ENVS) % 3 == 0)
    pair.play(50, seed=4)
    pair.reset(seed=9, mask=np.arange(NUM_ENVS) % 2 == 0)
    pair.play(50, seed=5)
    pair.reset(seed=2**32 - 3)  # some seeds below 2**32 and some above
    pair.play(1100 if env_id != "CartPole-v1" else 300)
    assert pair.num_ends >= NUM_ENVS, "no autoreset was seen"


def assert_a_finished_env_is_left_alone(kernels: HostKernels) -> None:
    """With autoreset disabled; the engine raises."""
    actions = np.tile(np.array([2, 0]), (NUM_ENVS, 1))
    for _ in range(30):  # longer than the time limit
        kernels.step(actions)
    states = kernels.states.copy()
    assert (kernels.status == 1).all()
    kernels.step(actions)
    assert_same(kernels.states, states)


def courier_pair(env_id: str, folder: Path, mode: AutoresetMode, **config: float) -> Pair:
    source = gpu_kernels.generate(COURIER, "post::Courier", autoreset_mode=mode, config=config)
    kernels = HostKernels(source, folder, num_envs=NUM_ENVS, max_episode_steps=25)
    return Pair(env_id, kernels, mode, **config)


@pytest.mark.parametrize("mode", MODES)
def test_an_authors_env_that_fails_now_and_then(courier: str, mode: AutoresetMode, tmp_path: Path) -> None:
    pair = courier_pair(courier, tmp_path, mode, houses=5)
    pair.reset(seed=11)
    pair.play(400)
    assert pair.num_failures > 100
    assert pair.num_ends > 1000
    if mode is AutoresetMode.DISABLED:
        assert_a_finished_env_is_left_alone(pair.kernels)
    if mode is AutoresetMode.NEXT_STEP:
        assert_a_failing_reset_leaves_the_others_alone(pair)


def test_rows_whose_extent_is_given(courier: str, tmp_path: Path) -> None:
    text = COURIER.read_text().replace("std::span<double, 3>", "std::span<double>")
    header = tmp_path / "any_extent.cpp"
    header.write_text(text.replace("std::span<const std::int64_t, 2>", "std::span<const std::int64_t>"))
    source = gpu_kernels.generate(header, "post::Courier", observation_width=3, action_width=2)
    kernels = HostKernels(source, tmp_path, num_envs=NUM_ENVS, max_episode_steps=25)
    assert (kernels.layout.observation_width, kernels.layout.action_width) == (3, 2)
    pair = Pair(courier, kernels)
    pair.reset(seed=1)
    pair.play(100)


def assert_a_failing_reset_leaves_the_others_alone(pair: Pair) -> None:
    mask = np.arange(NUM_ENVS) < 4
    with pytest.raises(EnvError):
        pair.envs.reset(options={"reset_mask": mask, "house": -1.0})
    pair.kernels.reset(mask=mask, options={0: -1.0})
    assert (pair.kernels.status[:4] == 2).all()
    assert not pair.kernels.observations[:4].any()
    pair.play(60)  # the failed ones are reset at their next turn, in both
