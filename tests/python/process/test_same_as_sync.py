"""The process backend gives what SyncVectorEnv gives, byte for byte."""

from __future__ import annotations

import importlib.util
from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

import fastvec
from support.compare import WORKERS, assert_same, assert_same_rollout
from support.sample_envs import Custom, EvenInfos, Scripted, UnevenInfos

MODES = ["NextStep", "SameStep", "Disabled"]
needs_box2d = pytest.mark.skipif(importlib.util.find_spec("Box2D") is None, reason="Box2D is not installed")
needs_mujoco = pytest.mark.skipif(
    importlib.util.find_spec("mujoco") is None or importlib.util.find_spec("imageio") is None,
    reason="MuJoCo is not installed",
)

IDS = [
    "CartPole-v1",
    "Blackjack-v1",
    "Taxi-v4",
    "FrozenLake-v1",
    "Pendulum-v1",
    pytest.param("LunarLander-v3", marks=needs_box2d),
    pytest.param("BipedalWalker-v3", marks=needs_box2d),
    pytest.param("HalfCheetah-v5", marks=needs_mujoco),
]

NUMBERS = spaces.Dict(
    {
        "image": spaces.Box(0, 255, (4, 3, 2), np.uint8),
        "pair": spaces.Tuple([spaces.Discrete(5, start=-2), spaces.MultiDiscrete([3, 4])]),
        "bits": spaces.MultiBinary((2, 2)),
        "half": spaces.Box(-1, 1, (1,), np.float16),
    }
)
GRAPH = spaces.Graph(spaces.Box(-1, 1, (2,)), spaces.Discrete(3))
SPACES = {
    "box": spaces.Box(-1, 1, (3,), np.float32),
    "numbers": NUMBERS,
    "text": spaces.Text(8),
    "graph": GRAPH,
    "sequence": spaces.Sequence(spaces.Box(-1, 1, (2,))),
    "one_of": spaces.OneOf([spaces.Discrete(3), spaces.Box(-1, 1, (2,))]),
    "custom": Custom(),
    "text_and_numbers": spaces.Dict({"word": spaces.Text(4), "where": spaces.Box(-1, 1, (2,), np.float64)}),
}


def newest(env_id):
    """The id, or the one of another version where this Gymnasium has no such version."""
    if env_id in gymnasium.registry:
        return env_id
    name = env_id.rpartition("-v")[0]
    return max(known for known in gymnasium.registry if known.rpartition("-v")[0] == name)


def cases(names, *, often):
    """``(name, mode, num_workers)``: every name in every mode inline, those of ``often`` with workers too, and the
    others with workers in one mode, in turn: starting them is what takes long."""
    made = []
    for i, name in enumerate(names):
        values, marks = (name.values, name.marks) if hasattr(name, "values") else ((name,), ())
        for j, mode in enumerate(MODES):
            for num_workers in (0, 2) if values[0] in often or i % 3 == j else (0,):
                ident = f"{values[0]}-{mode}-{'workers' if num_workers else 'inline'}"
                made.append(pytest.param(*values, mode, num_workers, marks=marks, id=ident))
    return made


@pytest.mark.parametrize(("env_id", "mode", "num_workers"), cases(IDS, often={"CartPole-v1"}))
def test_gymnasium_env_steps_as_in_sync_vector_env(num_workers, env_id, mode, closing):
    env_id = newest(env_id)
    actual = closing(fastvec.make_vec(env_id, 5, backend="process", num_workers=num_workers, autoreset_mode=mode))
    expected = closing(gymnasium.make_vec(env_id, 5, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}))
    assert actual.autoreset_mode == actual.metadata["autoreset_mode"] == expected.metadata["autoreset_mode"]
    assert_same_rollout(actual, expected, 150)


@pytest.mark.parametrize(("name", "mode", "num_workers"), cases(SPACES, often={"numbers", "text_and_numbers"}))
def test_observation_space_is_batched_as_in_sync_vector_env(num_workers, name, mode, closing):
    env_fns = [partial(Scripted, SPACES[name])] * 5
    actual = closing(fastvec.make_vec(env_fns, num_workers=num_workers, autoreset_mode=mode))
    expected = closing(SyncVectorEnv([lambda: Scripted(SPACES[name])] * 5, autoreset_mode=mode))
    assert actual.single_observation_space == expected.single_observation_space
    assert actual.observation_space == expected.observation_space
    assert actual.action_space == expected.action_space
    assert_same_rollout(actual, expected, 20)


@WORKERS
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [UnevenInfos, EvenInfos])
def test_infos_are_merged_as_in_sync_vector_env(num_workers, kind, mode, closing):
    env_fns = [lambda: kind(SPACES["box"])] * 7
    actual = closing(fastvec.make_vec(env_fns, num_workers=num_workers, autoreset_mode=mode, context="fork"))
    expected = closing(SyncVectorEnv(env_fns, autoreset_mode=mode))
    assert_same_rollout(actual, expected, 60)


@WORKERS
@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1, 1, (2,), np.float32),
        spaces.Dict({"a": spaces.Discrete(3), "b": spaces.Tuple([spaces.Box(-1, 1, (2,)), spaces.MultiBinary(3)])}),
        spaces.MultiDiscrete([2, 3]),
    ],
)
def test_nested_actions_reach_their_envs(num_workers, space, closing):
    class Echo(Scripted):
        def info(self, action):
            return {"action": str(action), "type": str(type(action))}

        def step(self, action):
            return self.observation_space.sample(), 0.0, False, False, self.info(action)

    env_fns = [lambda: Echo(SPACES["box"], space)] * 5
    actual = closing(fastvec.make_vec(env_fns, num_workers=num_workers, context="fork"))
    expected = closing(SyncVectorEnv(env_fns))
    assert_same_rollout(actual, expected, 5)


@WORKERS
def test_text_actions_reach_their_envs(num_workers, closing):
    class Reader(Scripted):
        def step(self, action):
            return self.observation_space.sample(), float(len(action)), False, False, {"heard": action}

    env_fns = [lambda: Reader(SPACES["box"], spaces.Text(5))] * 3
    actual = closing(fastvec.make_vec(env_fns, num_workers=num_workers, context="fork"))
    expected = closing(SyncVectorEnv(env_fns))
    actual.reset(seed=1), expected.reset(seed=1)
    actions = ("a", "bcd", "efghi")
    assert_same(actual.step(actions), expected.step(actions))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Dict({}),
        spaces.Tuple([]),
        spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Tuple([])}),
        spaces.Tuple([spaces.Dict({"a": spaces.Dict({})}), spaces.Text(3)]),
    ],
    ids=str,
)
def test_action_space_without_parts_is_an_error_of_step_as_in_sync_vector_env(space, closing):
    env_fns = [partial(Scripted, SPACES["box"], space)] * 3
    actual, expected = closing(fastvec.make_vec(env_fns, num_workers=2)), closing(SyncVectorEnv(env_fns))
    assert actual.action_space == expected.action_space
    for _ in range(2):
        assert_same(actual.reset(seed=1), expected.reset(seed=1))
        for envs in (actual, expected):
            with pytest.raises(ValueError):  # noqa: PT011 - Gymnasium's words are zip's
                envs.step(expected.action_space.sample())
    actual.async_reset()
    actual.recv(timeout=30)
    with pytest.raises(ValueError, match="action space with parts"):
        actual.send(actual.action_space.sample(), np.arange(3))


@pytest.mark.parametrize("space", [spaces.Dict({}), spaces.Dict({"a": spaces.Tuple([]), "b": spaces.Discrete(3)})])
def test_observation_space_without_parts_is_batched_as_in_sync_vector_env(space, closing):
    env_fns = [partial(Scripted, space)] * 3
    actual, expected = closing(fastvec.make_vec(env_fns, num_workers=2)), closing(SyncVectorEnv(env_fns))
    assert_same_rollout(actual, expected, 8)


@WORKERS
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_actions_keep_the_dtype_of_the_caller(num_workers, dtype, closing):
    actual = closing(fastvec.make_vec("Pendulum-v1", 4, backend="process", num_workers=num_workers))
    expected = closing(gymnasium.make_vec("Pendulum-v1", 4, vectorization_mode="sync"))
    generator = np.random.default_rng(5)
    actions = generator.uniform(-2, 2, (30, 4, 1)).astype(dtype)
    assert_same_rollout(actual, expected, 30, actions=lambda t: actions[t])


@WORKERS
def test_a_list_of_actions_is_as_good_as_an_array(num_workers, closing):
    actual = closing(fastvec.make_vec("CartPole-v1", 4, backend="process", num_workers=num_workers))
    expected = closing(gymnasium.make_vec("CartPole-v1", 4, vectorization_mode="sync"))
    assert_same_rollout(actual, expected, 10, actions=lambda t: [0, 1, 1, t % 2])


@WORKERS
@pytest.mark.parametrize("mode", MODES)
def test_masked_reset_renews_only_the_masked_rows(num_workers, mode, closing):
    env_fns = [partial(UnevenInfos, NUMBERS)] * 6
    actual = closing(fastvec.make_vec(env_fns, num_workers=num_workers, autoreset_mode=mode))
    expected = closing(SyncVectorEnv([lambda: UnevenInfos(NUMBERS)] * 6, autoreset_mode=mode))
    mask = np.array([True, False, False, True, True, False])
    for envs in (actual, expected):
        envs.reset(seed=[4, 1, 2, 7, 9, 11], options={"extra": 20})
        envs.step(np.zeros(6, np.int64))
    seeds = [1, 2, 3, None, 5, 6]
    assert_same(
        actual.reset(seed=seeds, options={"reset_mask": mask, "extra": 9}),
        expected.reset(seed=seeds, options={"reset_mask": mask, "extra": 9}),
    )
    assert_same(actual.step(np.ones(6, np.int64)), expected.step(np.ones(6, np.int64)))


@WORKERS
def test_text_of_rows_that_are_not_reset_stays(num_workers, closing):
    actual = closing(fastvec.make_vec([partial(Scripted, SPACES["text"])] * 4, num_workers=num_workers))
    before, _ = actual.reset(seed=1)
    after, _ = actual.reset(seed=9, options={"reset_mask": np.array([False, True, True, False])})
    assert (before[0], before[3]) == (after[0], after[3])
    assert (before[1], before[2]) != (after[1], after[2])


@pytest.mark.parametrize("num_workers", [1, 2, 5, 9])
def test_numbers_do_not_depend_on_the_number_of_workers(num_workers, closing):
    actual = closing(fastvec.make_vec("CartPole-v1", 9, backend="process", num_workers=num_workers))
    expected = closing(gymnasium.make_vec("CartPole-v1", 9, vectorization_mode="sync"))
    assert_same_rollout(actual, expected, 60)


@WORKERS
def test_attributes_and_calls_are_those_of_sync_vector_env(num_workers, closing):
    env_fns = [lambda: Scripted(SPACES["box"], render_mode="rgb_array")] * 5
    actual = closing(fastvec.make_vec(env_fns, num_workers=num_workers, context="fork"))
    expected = closing(SyncVectorEnv(env_fns))
    for envs in (actual, expected):
        envs.reset(seed=[1, 2, 3, 4, 5])
    assert actual.call("add", 3, b=4) == expected.call("add", 3, b=4)
    assert actual.get_attr("steps_left") == expected.get_attr("steps_left")
    assert actual.np_random_seed == expected.np_random_seed == (1, 2, 3, 4, 5)
    states = [[one.bit_generator.state for one in envs.np_random] for envs in (actual, expected)]
    assert states[0] == states[1]
    assert_same(actual.render(), expected.render())
    assert actual.render_mode == expected.render_mode == "rgb_array"
    assert actual.metadata == expected.metadata
    for envs in (actual, expected):
        envs.set_attr("label", ["a", "b", "c", "d", "e"])
    assert actual.get_attr("label") == expected.get_attr("label") == ("a", "b", "c", "d", "e")
    actual.set_attr("label", "all")
    assert actual.get_attr("label") == ("all",) * 5
    for envs in (actual, expected):
        with pytest.raises(ValueError, match="Values must be a list or tuple with length equal"):
            envs.set_attr("label", ["a", "b"])
        with pytest.raises(AttributeError):
            envs.get_attr("no_such_name")


@WORKERS
def test_wrappers_are_applied_to_each_env(num_workers, closing):
    wrappers = [partial(gymnasium.wrappers.TimeLimit, max_episode_steps=7), gymnasium.wrappers.RecordEpisodeStatistics]
    actual = closing(fastvec.make_vec("CartPole-v1", 4, backend="process", num_workers=num_workers, wrappers=wrappers))
    expected = closing(gymnasium.make_vec("CartPole-v1", 4, vectorization_mode="sync", wrappers=wrappers))
    pairs = assert_same_rollout_but_time(actual, expected, 20)
    assert any("episode" in pair[0][4] for pair in pairs[1:])


def assert_same_rollout_but_time(actual, expected, steps):
    """As assert_same_rollout, but for how long an episode took on the clock."""
    pairs = [(actual.reset(seed=3), expected.reset(seed=3))]
    expected.action_space.seed(3)
    for _ in range(steps):
        action = expected.action_space.sample()
        pairs.append((actual.step(action), expected.step(action)))
        for result in pairs[-1]:
            if "episode" in result[4]:
                result[4]["episode"].pop("t")
    assert_same([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    return pairs


@WORKERS
def test_differing_spaces_are_batched_as_in_sync_vector_env(num_workers, closing):
    env_fns = [partial(Scripted, spaces.Box(-1 - i, i + 1, (2,), np.float64)) for i in range(4)]
    with pytest.raises(RuntimeError, match="observation_mode='different'"):
        fastvec.make_vec(env_fns, num_workers=num_workers)
    actual = closing(fastvec.make_vec(env_fns, num_workers=num_workers, observation_mode="different"))
    expected = closing(
        SyncVectorEnv(
            [lambda i=i: Scripted(spaces.Box(-1 - i, i + 1, (2,), np.float64)) for i in range(4)],
            observation_mode="different",
        )
    )
    assert actual.observation_space == expected.observation_space
    assert_same_rollout(actual, expected, 10)
    custom = (spaces.Box(-9, 9, (4, 2), np.float64), spaces.Box(-9, 9, (2,), np.float64))
    own = closing(fastvec.make_vec(env_fns, num_workers=num_workers, observation_mode=custom))
    assert (own.observation_space, own.single_observation_space) == custom


OTHER_SPACES = {"shape": spaces.Box(-1, 1, (5,), np.float32), "dtype": spaces.Box(-1, 1, (4,), np.float64)}
OTHER_SPACES["type"] = spaces.Discrete(4)


@WORKERS
@pytest.mark.parametrize("other", OTHER_SPACES)
def test_differing_spaces_that_cannot_be_batched_are_the_error_that_sync_vector_env_raises(num_workers, other):
    env_fns = [partial(Scripted, spaces.Box(-1, 1, (4,), np.float32)), partial(Scripted, OTHER_SPACES[other])]
    with pytest.raises(Exception) as theirs:  # noqa: PT011  # of whatever type it is
        SyncVectorEnv([lambda fn=fn: fn() for fn in env_fns], observation_mode="different")
    with pytest.raises(theirs.type):
        fastvec.make_vec(env_fns, num_workers=num_workers, observation_mode="different")


@WORKERS
def test_spaces_that_cannot_be_batched_are_refused(num_workers):
    box = partial(Scripted, SPACES["box"])
    other = partial(Scripted, spaces.Box(-1, 1, (4,), np.float32))
    with pytest.raises(ValueError, match="shape to be equal"):
        fastvec.make_vec([box, box, other], num_workers=num_workers, observation_mode="different")
    with pytest.raises(RuntimeError, match="action space"):
        fastvec.make_vec([box, box, partial(Scripted, SPACES["box"], spaces.Discrete(9))], num_workers=num_workers)
    with pytest.raises(ValueError, match="observation_mode"):
        fastvec.make_vec([box], observation_mode="similar")
