"""SB3VecEnv against SB3's own DummyVecEnv, and SB3's algorithms on it."""

from __future__ import annotations

import copy
import pickle
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

import fastvec

pytest.importorskip("stable_baselines3")

from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from fastvec.integrations.sb3 import SB3VecEnv


class Reporting(gym.Env):
    """Dict observations, infos of several kinds, and ends of both sorts."""

    observation_space = gym.spaces.Dict(
        {"position": gym.spaces.Box(-10, 10, (2,), np.float32), "phase": gym.spaces.Discrete(3)}
    )
    action_space = gym.spaces.MultiDiscrete([3, 2])
    metadata: ClassVar = {"render_modes": []}
    gravity = 1.0

    def _observation(self):
        return {"position": self.position.copy(), "phase": np.int64(self.t % 3)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        low = (options or {}).get("low", 0.0)
        self.position = self.np_random.uniform(low, 1, 2).astype(np.float32)
        return self._observation(), {"start": self.position.copy()}

    def step(self, action):
        self.t += 1
        self.position += np.asarray(action, np.float32) - 1
        ends = self.np_random.random(2) < 0.15
        info = {"time": self.t, "nested": {"corner": self.position.copy()}}
        if self.t % 2:
            info["odd"] = f"step {self.t}"
        return self._observation(), float(self.position.sum()), bool(ends[0]), bool(ends[1]), info

    def weigh(self, mass, *, times=1):
        self.weighed = mass * times
        return self.t * mass * times * self.gravity


gym.register("Reporting-v0", entry_point=Reporting, max_episode_steps=12)
NUM_ENVS = 5


IDS = ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1", "Reporting-v0"]


def dummy(env_id, count=NUM_ENVS, **kwargs):
    return DummyVecEnv([lambda: Monitor(gym.make(env_id, **kwargs)) for _ in range(count)])


def sync(env_id, mode, count=NUM_ENVS, **kwargs):
    return SyncVectorEnv([lambda: gym.make(env_id, **kwargs)] * count, autoreset_mode=mode)


MAKERS = {
    "fastvec": lambda env_id: SB3VecEnv(env_id, NUM_ENVS),
    "process": lambda env_id: SB3VecEnv(env_id, NUM_ENVS, backend="process", num_workers=2),
    "fastvec SameStep": lambda env_id: SB3VecEnv(fastvec.make_vec(env_id, NUM_ENVS, autoreset_mode="SameStep")),
    "fastvec copy=False": lambda env_id: SB3VecEnv(env_id, NUM_ENVS, copy=False),
    "Gymnasium SameStep": lambda env_id: SB3VecEnv(sync(env_id, AutoresetMode.SAME_STEP)),
    "Gymnasium Disabled": lambda env_id: SB3VecEnv(sync(env_id, AutoresetMode.DISABLED)),
}


def assert_same(actual, expected):
    """Equal in structure, dtype and value."""
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for key in expected:
            assert_same(actual[key], expected[key])
    elif isinstance(expected, tuple | list):
        assert type(actual) is type(expected)
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
    else:
        if isinstance(expected, np.ndarray):
            assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)


def comparable(infos, maker):
    """Infos without the seconds of episodes, which no two runs share.

    Nor FrozenLake's probability where one array holds it for steps and resets: Gymnasium gives that array the dtype
    of the first number it meets, which may be an int.
    """
    for info in infos:
        if "episode" in info:
            assert info["episode"].pop("t") >= 0
        if "SameStep" in maker:
            info.pop("prob", None)
    return infos


def sampled_actions(env, steps, seed=0):
    space = gym.vector.utils.batch_space(env.action_space, env.num_envs)
    space.seed(seed)
    return [space.sample() for _ in range(steps)]


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("maker", MAKERS)
def test_everything_is_as_dummy_vec_env_gives_it(env_id, maker):
    env, expected = MAKERS[maker](env_id), dummy(env_id)
    assert env.observation_space == expected.observation_space
    assert env.action_space == expected.action_space
    assert env.seed(7) == expected.seed(7)
    assert_same(env.reset(), expected.reset())
    assert_same(env.reset_infos, expected.reset_infos)
    ended, kept = 0, []
    for actions in sampled_actions(env, 210 if env_id == "Pendulum-v1" else 80):
        observations, rewards, dones, infos = env.step(actions)
        results = expected.step(actions)
        kept.append((observations, results[0]))
        assert_same((observations, rewards, dones), results[:3])
        assert_same(comparable(infos, maker), comparable(results[3], maker))
        assert_same(env.reset_infos, expected.reset_infos)
        ended += dones.sum()
    assert ended >= NUM_ENVS
    for observations, others in kept:  # no later call has overwritten them
        assert_same(observations, others)
    env.close(), expected.close()


def test_truncation_is_marked_and_termination_wins():
    def both():
        env = Reporting()
        env.step = lambda action: (env._observation(), 0.0, True, True, {})
        return env

    env = SB3VecEnv([lambda: gym.make("CartPole-v1", max_episode_steps=3), lambda: gym.make("CartPole-v1")])
    env.reset()
    marks = [env.step([1, 1])[3][0]["TimeLimit.truncated"] for _ in range(3)]
    env.close()
    assert marks == [False, False, True]
    env = SB3VecEnv(SyncVectorEnv([both], autoreset_mode=AutoresetMode.SAME_STEP))
    env.reset()
    _, _, dones, infos = env.step(np.array([[0, 0]]))
    assert dones[0]
    assert infos[0]["TimeLimit.truncated"] is False


def test_infos_are_new_dicts_at_every_step():
    env = SB3VecEnv("CartPole-v1", 2)
    env.reset()
    infos = env.step(np.array([0, 1]))[3]
    infos[0]["mine"] = 1
    assert env.step(np.array([0, 1]))[3] == [{"TimeLimit.truncated": False}] * 2
    env.close()


def test_step_infos_can_be_left_out_and_ends_are_still_told():
    env = SB3VecEnv(sync("Reporting-v0", AutoresetMode.SAME_STEP), step_infos=False, monitor=False)
    env.seed(0)
    env.reset()
    seen = set()
    for actions in sampled_actions(env, 30):
        _, _, dones, infos = env.step(actions)
        for done, info in zip(dones, infos, strict=True):
            seen.add((bool(done), frozenset(info) - {"odd"}))
    ended = {"TimeLimit.truncated", "terminal_observation", "time", "nested"}
    assert seen == {(False, frozenset({"TimeLimit.truncated"})), (True, frozenset(ended))}


@pytest.mark.parametrize("options", [{"low": -5.0}, [{"low": -float(i)} for i in range(NUM_ENVS)]], ids=["one", "each"])
@pytest.mark.parametrize("maker", ["fastvec", "Gymnasium SameStep"])
def test_options_reach_the_next_reset_only(maker, options):
    env, expected = MAKERS[maker]("Reporting-v0"), dummy("Reporting-v0")
    for vector in (env, expected):
        vector.seed(3)
        vector.set_options(options)
    assert_same(env.reset(), expected.reset())
    assert_same(env.reset(), expected.reset())
    env.set_options(options), expected.set_options(options)
    assert_same(env.reset(), expected.reset())
    assert_same(env.reset_infos, expected.reset_infos)
    env.close(), expected.close()


@pytest.mark.parametrize("maker", ["fastvec", "Gymnasium SameStep"])
def test_methods_and_attributes_of_chosen_envs(maker):
    env = MAKERS[maker]("Reporting-v0")
    env.seed(1)
    env.reset()
    for actions in sampled_actions(env, 3):
        env.step(actions)
    times = env.get_attr("t")
    assert env.env_method("weigh", 2.0, times=3, indices=[1, 4]) == [times[1] * 6.0, times[4] * 6.0]
    assert env.has_attr("gravity")
    assert not env.has_attr("nothing_like_it")
    env.env_method("weigh", 5.0)
    assert env.get_attr("weighed") == [5.0] * NUM_ENVS
    env.env_method("weigh", 7.0, indices=2)
    assert env.get_attr("weighed") == [5.0, 5.0, 7.0, 5.0, 5.0]
    env.set_attr("weighed", 1.0, indices=range(2))
    env.set_attr("gravity", 9.0, indices=-1)
    assert env.get_attr("weighed") == [1.0, 1.0, 7.0, 5.0, 5.0]
    assert env.env_method("weigh", 1.0, indices=[4, 0]) == [times[4] * 9.0, times[0] * 1.0]
    assert env.get_attr("gravity", [0, 4]) == [1.0, 9.0]
    with pytest.raises(AttributeError):
        env.get_attr("nothing_like_it")
    env.close()


def test_attributes_of_native_envs():
    env = SB3VecEnv("CartPole-v1", 3)
    env.seed(0)
    env.reset()
    assert env.get_attr("length") == [0.5] * 3
    before = env.get_attr("state")
    env.set_attr("state", (0.0, 0.0, 0.1, 0.0), indices=[1])
    after = env.get_attr("state")
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1], (0.0, 0.0, 0.1, 0.0))
    env.close()


@pytest.mark.parametrize("backend", [None, "process"])
def test_wrappers_are_known(backend):
    kwargs = {} if backend is None else {"backend": backend, "wrappers": [gym.wrappers.NormalizeObservation]}
    env = SB3VecEnv("CartPole-v1", 2, **kwargs)
    assert env.env_is_wrapped(Monitor) == [True, True]
    assert env.env_is_wrapped(gym.wrappers.NormalizeObservation, indices=1) == [backend == "process"]
    env.close()
    env = SB3VecEnv(sync("CartPole-v1", AutoresetMode.SAME_STEP, 2), monitor=False)
    assert env.env_is_wrapped(Monitor) == [False, False]
    assert env.env_is_wrapped(gym.wrappers.TimeLimit) == [True, True]
    env.close()


def test_pictures_are_gymnasiums_tiled_by_sb3(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pytest.importorskip("pygame")
    env = SB3VecEnv("CartPole-v1", 2, render_mode="rgb_array")
    expected = dummy("CartPole-v1", 2, render_mode="rgb_array")
    assert env.render_mode == "rgb_array"
    assert env.metadata["render_fps"] == 50
    for vector in (env, expected):
        vector.seed(5)
        vector.reset()
    np.testing.assert_array_equal(env.get_images(), expected.get_images())
    np.testing.assert_array_equal(env.render("rgb_array"), expected.render("rgb_array"))
    np.testing.assert_array_equal(env.env_method("render", indices=[1])[0], expected.get_images()[1])
    env.close(), expected.close()


def test_a_vector_that_sb3_would_misread_is_refused():
    envs = fastvec.make_vec("CartPole-v1", 2)
    with pytest.raises(ValueError, match=r"autoreset_mode='SameStep'.* got 'NextStep'"):
        SB3VecEnv(envs)
    with pytest.raises(TypeError, match="num_threads"):
        SB3VecEnv(envs, num_threads=1)
    envs.close()
    envs = fastvec.make_vec("CartPole-v1", 2, autoreset_mode="SameStep")
    with pytest.raises(ValueError, match="expected num_envs to be the vector's 2, got 3"):
        SB3VecEnv(envs, 3)
    envs.close()


@pytest.mark.parametrize(
    ("algorithm", "policy", "env_id", "settings"),
    [
        (PPO, "MlpPolicy", "CartPole-v1", {"n_steps": 128, "batch_size": 128, "n_epochs": 4}),
        (PPO, "MultiInputPolicy", "Reporting-v0", {"n_steps": 64, "batch_size": 64, "n_epochs": 2}),
        (A2C, "MlpPolicy", "Pendulum-v1", {"n_steps": 8}),
        (A2C, "MlpPolicy", "FrozenLake-v1", {"n_steps": 8}),
    ],
)
def test_sb3_trains_the_same_on_it_as_on_its_own(algorithm, policy, env_id, settings):
    def train(env):
        model = algorithm(policy, env, seed=3, device="cpu", **settings)
        model.learn(2048)
        returns = [(episode["r"], episode["l"]) for episode in model.ep_info_buffer]
        weights = [p.detach().numpy().copy() for p in model.policy.parameters()]
        env.close()
        return weights, returns

    weights, returns = train(SB3VecEnv(env_id, 8))
    expected_weights, expected_returns = train(dummy(env_id, 8))
    assert returns == expected_returns
    assert len(returns) > 0
    assert_same(weights, expected_weights)


def test_sb3_learns_cartpole_through_its_own_wrappers():
    env = VecNormalize(VecMonitor(SB3VecEnv("CartPole-v1", 16, monitor=False)), norm_reward=False)
    model = PPO("MlpPolicy", env, n_steps=64, batch_size=256, learning_rate=2e-3, seed=1, device="cpu")
    model.learn(12_000)
    env.training = False
    mean, _ = evaluate_policy(model, env, n_eval_episodes=20)
    env.close()
    assert mean > 120


def test_a_single_env_passes_sb3s_own_checker():
    env = gym.make("fastvec/CartPole-v1")
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_terminal_observations_are_arrays_of_their_own():
    env = SB3VecEnv("CartPole-v1", 8)
    env.reset()
    ends = []
    for _ in range(40):
        _, _, dones, infos = env.step(np.zeros(8, np.int64))
        ends += [infos[i]["terminal_observation"] for i in np.flatnonzero(dones)]
    kept = [end.copy() for end in ends]
    for _ in range(20):
        env.step(np.zeros(8, np.int64))
    env.close()
    assert len(ends) > 16
    assert all(end.flags.owndata for end in ends)
    np.testing.assert_array_equal(ends, kept)


def test_atari_games_of_ale_py_end_as_sb3_expects():
    pytest.importorskip("ale_py")
    settings = {"max_num_frames_per_episode": 60, "use_fire_reset": False, "noop_max": 0}
    env = SB3VecEnv("ALE/Breakout-v5", 2, **settings)
    reference = fastvec.make_vec("ALE/Breakout-v5", 2, autoreset_mode="SameStep", **settings)
    env.seed(3)
    np.testing.assert_array_equal(env.reset(), reference.reset(seed=3)[0])
    ended = 0
    for _ in range(40):
        actions = np.array([1, 2])
        observations, rewards, dones, infos = env.step(actions)
        expected, expected_rewards, terminated, truncated, info = reference.step(actions)
        np.testing.assert_array_equal(observations, expected)
        np.testing.assert_array_equal(rewards, expected_rewards.astype(np.float32))
        np.testing.assert_array_equal(dones, terminated | truncated)
        for i in np.flatnonzero(dones):
            np.testing.assert_array_equal(infos[i]["terminal_observation"], info["final_obs"][i])
            assert infos[i]["TimeLimit.truncated"] == bool(truncated[i])
            ended += 1
    env.close(), reference.close()
    assert ended > 2


# -- copies ---------------------------------------------------------------------------------------------------


WAYS = {"deepcopy": copy.deepcopy, "pickle": lambda env: pickle.loads(pickle.dumps(env))}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "make",
    [
        lambda: SB3VecEnv("CartPole-v1", 3),
        lambda: SB3VecEnv("FrozenLake-v1", 3, map_name="8x8", is_slippery=False),
        lambda: SB3VecEnv("Pendulum-v1", 3, backend="process", num_workers=1),
        lambda: SB3VecEnv(sync("CartPole-v1", AutoresetMode.SAME_STEP)),
    ],
    ids=["native", "native with arguments", "process", "Gymnasium's"],
)
def test_a_copy_goes_on_as_the_original(make, way):
    if way == "pickle" and not isinstance(make().envs, fastvec.VectorEnv):
        pytest.skip("Gymnasium's vector keeps its callables")
    env = make()
    env.seed(4)
    env.reset()
    env.action_space.seed(2)
    for _ in range(20):
        env.step(np.array([env.action_space.sample() for _ in range(env.num_envs)]))
    copied = WAYS[way](env)
    assert copied.envs is not env.envs
    for _ in range(40):
        actions = np.array([env.action_space.sample() for _ in range(env.num_envs)])
        one, other = copied.step(actions), env.step(actions)
        assert_same(one[:3], other[:3])
        assert_same(comparable(one[3], ""), comparable(other[3], ""))
    assert copied.env_method("get_total_steps") == env.env_method("get_total_steps") == [60] * env.num_envs
    env.close()
    copied.step(actions)
    copied.close()


def test_a_copy_that_cannot_be_made_says_what_to_do():
    env = SB3VecEnv([lambda: gym.make("CartPole-v1")] * 2, num_workers=1)
    with pytest.raises(TypeError, match="same callables"):
        copy.deepcopy(env)
    env.close()


# -- Monitor and make_vec_env ---------------------------------------------------------------------------------


@pytest.mark.parametrize("maker", MAKERS)
def test_what_monitor_knows(maker):
    env, expected = MAKERS[maker]("Reporting-v0"), dummy("Reporting-v0")
    for each in (env, expected):
        each.seed(3)
        each.reset()
        each.action_space.seed(5)
        for _ in range(30):
            each.step(np.array([each.action_space.sample() for _ in range(NUM_ENVS)]))
    for method in ("get_episode_rewards", "get_episode_lengths", "get_total_steps"):
        assert_same(env.env_method(method), expected.env_method(method))
        assert_same(env.env_method(method, indices=[3, 1]), expected.env_method(method, indices=[3, 1]))
    for name in ("episode_returns", "episode_lengths", "total_steps", "needs_reset", "allow_early_resets"):
        assert_same(env.get_attr(name), expected.get_attr(name))
        assert_same(env.get_attr(name, 2), expected.get_attr(name, 2))
    times = env.env_method("get_episode_times")
    assert [len(one) for one in times] == [len(one) for one in expected.env_method("get_episode_times")]
    assert all(one == sorted(one) for one in times)
    assert env.metadata == expected.metadata
    env.close()


def test_without_a_monitor_its_methods_are_not_there():
    env = SB3VecEnv("CartPole-v1", 2, monitor=False)
    with pytest.raises(AttributeError):
        env.env_method("get_episode_rewards")
    assert not env.has_attr("episode_returns")


class Inner(gym.Wrapper):
    """A wrapper of our own."""


class Outer(Inner):
    """One that is derived from it."""


CLASSES = [
    Monitor,
    TimeLimit,
    OrderEnforcing,
    PassiveEnvChecker,
    gym.Wrapper,
    gym.wrappers.RescaleAction,
    gym.wrappers.RecordEpisodeStatistics,
    Inner,
    Outer,
]


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Reporting-v0", "Blackjack-v1"])
def test_wrappers_are_those_of_dummy_vec_env(maker, env_id):
    env, expected = MAKERS[maker](env_id), dummy(env_id)
    for wrapper in CLASSES:
        assert env.env_is_wrapped(wrapper) == expected.env_is_wrapped(wrapper), wrapper
        assert env.env_is_wrapped(wrapper, indices=[1]) == expected.env_is_wrapped(wrapper, indices=[1])
    env.close()


@pytest.mark.parametrize("backend", ["native", "process"])
def test_wrappers_follow_the_arguments(backend):
    env = SB3VecEnv("CartPole-v1", 2, backend=backend, max_episode_steps=-1, monitor=False)
    expected = DummyVecEnv([lambda: gym.make("CartPole-v1", max_episode_steps=-1)] * 2)
    for wrapper in CLASSES:
        assert env.env_is_wrapped(wrapper) == expected.env_is_wrapped(wrapper), wrapper
    env.close()


def test_wrappers_of_each_env_of_a_list():
    makers = [lambda: Outer(Cartless()), lambda: Monitor(Cartless()), Cartless]
    env, expected = SB3VecEnv(makers, monitor=False, num_workers=2), DummyVecEnv(makers)
    for wrapper in CLASSES:
        assert env.env_is_wrapped(wrapper) == expected.env_is_wrapped(wrapper), wrapper
    env.close()


class Cartless(Reporting):
    """An env that was not made from an id."""


def first_observations(env, steps=15):
    rng = np.random.default_rng(0)
    return [env.reset(), *[env.step(rng.integers(0, 2, env.num_envs))[0] for _ in range(steps)]]


@pytest.mark.parametrize("backend", ["native", "process"])
@pytest.mark.parametrize("seed", [None, 11])
def test_seeds_are_those_of_make_vec_env(backend, seed):
    np.random.seed(7)
    expected = make_vec_env("CartPole-v1", 3, seed=seed)
    wanted = first_observations(expected)
    np.random.seed(7)
    env = SB3VecEnv("CartPole-v1", 3, seed=seed, backend=backend)
    assert_same(first_observations(env), wanted)
    if seed is not None:
        assert env.action_space.sample() == expected.action_space.sample()
    after = np.random.random()
    np.random.seed(7)
    first_observations(make_vec_env("CartPole-v1", 3, seed=seed))
    assert np.random.random() == after  # as many draws
    env.close()


def test_it_can_be_the_class_that_make_vec_env_makes():
    wanted = first_observations(make_vec_env("CartPole-v1", 3, seed=2))
    env = make_vec_env("CartPole-v1", 3, seed=2, vec_env_cls=SB3VecEnv)
    assert_same(first_observations(env), wanted)
    assert env.env_is_wrapped(TimeLimit) == [True] * 3
    env.close()


def test_a_vector_that_is_made_already_keeps_its_generators():
    envs = fastvec.make_vec("CartPole-v1", 3, autoreset_mode="SameStep")
    envs.reset(seed=5)
    state = envs.get_state()
    first = SB3VecEnv(envs).reset()
    envs.set_state(state)
    assert_same(SB3VecEnv(envs).reset(), first)
