"""What an author can express: keyword arguments, spaces, infos, states, loops of one's own, errors."""

from __future__ import annotations

import re

import gymnasium
import numpy as np
import pytest
from gymnasium.vector.utils import concatenate, create_empty_array

import fastvec
import fastvec.testing
from fastvec.cli.main import main
from fastvec.native.spaces import ordered_dict
from fastvec.testing.rollout import ActionBank, first_difference, leaves, play

pytestmark = pytest.mark.usefixtures("everything")


# -- keyword arguments --------------------------------------------------------------------------------------


def seen(**kwargs):
    envs = fastvec.make_vec("sdk/Kwargs-v0", **kwargs)
    observations, _ = envs.reset(seed=0)
    envs.close()
    return observations[0].tolist()


def test_defaults_of_every_type_reach_the_env():
    assert seen() == [1, 3, 7, 0.5, 0.25, 4, 6, 2.0, 3]


@pytest.mark.parametrize(
    ("kwargs", "at", "value"),
    [
        ({"flag": False}, 0, 0),
        ({"flag": np.True_}, 0, 1),
        ({"count": np.int32(5)}, 1, 5),
        ({"small": 255}, 2, 255),
        ({"ratio": 2}, 3, 2.0),
        ({"single": 0.1}, 4, float(np.float32(0.1))),
        ({"name": "Maulwürfe"}, 5, 10),
        ({"name": ""}, 5, 0),
        ({"whole": []}, 6, 0),
        ({"whole": np.array([4, 5])}, 6, 9),
        ({"real": (1, 2.5)}, 7, 3.5),
        ({"words": ["abc", ""]}, 8, 3),
    ],
)
def test_keyword_argument_reaches_the_env(kwargs, at, value):
    assert seen(**kwargs)[at] == value


def test_id_has_defaults_of_its_own():
    envs = fastvec.make_vec("sdk/KwargsOther-v0")
    assert envs.reset(seed=0)[0][0, 1] == 99


def test_parameters_are_each_envs_own():
    envs = fastvec.make_vec("sdk/Kwargs-v0", 4)
    assert envs.parameters == ("flag", "count", "small", "ratio")
    envs.set_attr("ratio", [0.0, 1.5, 1.5, -2.0])
    envs.set_attr("count", 8)
    envs.set_attr("flag", [True, False, True, False])
    observations, _ = envs.reset(seed=0)
    assert observations[:, 3].tolist() == [0.0, 1.5, 1.5, -2.0]
    assert observations[:, 1].tolist() == [8.0] * 4
    assert observations[:, 0].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert observations[:, 2].tolist() == [7.0] * 4
    assert envs.get_attr("ratio") == (0.0, 1.5, 1.5, -2.0)
    assert envs.get_attr("small") == (7.0,) * 4
    assert envs.step(np.zeros(4, np.int64))[0].tobytes() == observations.tobytes()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("small", 256, "env 1: small: expected an integer in range, got 256"),
        ("small", 0.5, "env 1: small: expected an integer"),
        ("flag", 2, "env 1: flag: expected a bool"),
        ("count", -1, "env 1: expected count >= 0, got -1"),
        ("count", float("nan"), "env 1: count: expected an integer"),
        ("ratio", "much", "ratio: expected a number, got 'much'"),
    ],
)
def test_a_parameter_that_is_refused_changes_no_env(name, value, message):
    envs = fastvec.make_vec("sdk/Kwargs-v0", 3)
    before = envs.reset(seed=0)[0].copy()
    with pytest.raises(ValueError, match=message):
        envs.set_attr(name, [1, value, 1])
    assert envs.reset(seed=0)[0].tobytes() == before.tobytes()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"flag": 1}, "expected flag to be bool, got 1"),
        ({"count": 1.5}, "expected count to be int, got 1.5"),
        ({"count": True}, "expected count to be int, got True"),
        ({"ratio": "1"}, "expected ratio to be float"),
        ({"name": b"x"}, "expected name to be str"),
        ({"whole": [1, 2.5]}, r"expected whole\[1\] to be int"),
        ({"words": "abc"}, r"expected words to be list\[str\]"),
        ({"cuont": 1}, "unexpected keyword argument 'cuont'.*did you mean 'count'"),
    ],
)
def test_keyword_argument_of_wrong_type_is_a_type_error(kwargs, message):
    with pytest.raises(TypeError, match=message):
        fastvec.make_vec("sdk/Kwargs-v0", **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [({"count": -1}, "expected count >= 0, got -1"), ({"small": 256}, "small=256 is out of range")],
)
def test_keyword_argument_that_the_env_refuses_is_a_value_error(kwargs, message):
    with pytest.raises(ValueError, match=message):
        fastvec.make_vec("sdk/Kwargs-v0", **kwargs)


# -- spaces -------------------------------------------------------------------------------------------------


def test_spaces_are_those_of_gymnasium():
    envs = fastvec.make_vec("sdk/Echo-v0")
    box, discrete = gymnasium.spaces.Box, gymnasium.spaces.Discrete
    inner = gymnasium.spaces.Tuple(
        [gymnasium.spaces.MultiBinary(6), gymnasium.spaces.Dict({"deep": box(-5.0, 5.0, (), np.float64)})]
    )
    expected = ordered_dict(
        {
            "zebra": box(0, 255, (2, 3, 3), np.uint8),
            "flags": box(0, 1, (3,), np.bool_),
            "floats": box(np.float32([-1, 0]), np.float32([1, 10]), (2,), np.float32),
            "choice": discrete(4, start=-2),
            "choices": gymnasium.spaces.MultiDiscrete([2, 5, 3]),
            "inner": inner,
            "shorts": box(-300, 300, (2, 2), np.int16),
        }
    )
    assert envs.single_action_space == expected
    assert envs.single_observation_space == expected


def test_every_leaf_of_an_action_arrives_and_every_leaf_of_an_observation_comes_back():
    envs = fastvec.make_vec("sdk/Echo-v0", num_envs=5)
    envs.reset(seed=0)
    envs.action_space.seed(3)
    for _ in range(10):
        actions = envs.action_space.sample()
        observations, *_ = envs.step(actions)
        assert envs.observation_space.contains(observations)
        for (name, sent), (_, seen) in zip(leaves(actions, ""), leaves(observations, ""), strict=True):
            assert sent.dtype == seen.dtype
            np.testing.assert_array_equal(sent, seen, err_msg=name)


def test_actions_as_samples_of_the_single_space_can_be_batched():
    envs = fastvec.make_vec("sdk/Echo-v0", num_envs=3)
    envs.reset(seed=0)
    space = envs.single_action_space
    space.seed(1)
    samples = [space.sample() for _ in range(3)]
    batch = concatenate(space, samples, create_empty_array(space, n=3))
    observations, *_ = envs.step(batch)
    assert observations["choice"].tolist() == [sample["choice"] for sample in samples]


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("low above high", "observation space: expected low <= high, got 1.0+ and 0.0+ for element 0"),
        ("nothing to choose", r"action space: expected Discrete\(n\) with n >= 1, got 0"),
        ("a picture without render", "render_height and render_width are set, but there is no `void render"),
    ],
)
def test_spec_that_cannot_be_meant_is_a_value_error(mistake, message):
    with pytest.raises(ValueError, match=message):
        fastvec.make_vec("sdk/Infos-v0", mistake=mistake)


# -- infos --------------------------------------------------------------------------------------------------


def test_info_fields_come_with_masks_shapes_and_dtypes():
    envs = fastvec.make_vec("sdk/Infos-v0", num_envs=3)
    _, info = envs.reset(seed=0)
    assert info["steps"].tolist() == [0, 0, 0]
    assert "ratio" not in info  # not set in reset
    _, _, _, _, info = envs.step(np.array([0, 1, 0]))
    assert (info["steps"].dtype, info["ratio"].dtype, info["late"].dtype) == (np.int64, np.float64, np.bool_)
    assert info["ratio"].tolist() == [3.0, 3.0, 3.0]
    assert info["place"][2].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert info["late"].tolist() == info["_late"].tolist() == [False, True, False]


def test_limits_of_the_registration_hold():
    spec = gymnasium.spec("sdk/Infos-v0")
    assert (spec.max_episode_steps, spec.reward_threshold) == (9, 8.5)
    envs = fastvec.make_vec("sdk/Infos-v0")
    envs.reset(seed=0)
    truncated = [bool(envs.step(np.array([0]))[3][0]) for _ in range(9)]
    assert truncated == [False] * 8 + [True]


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("a fraction as a number of steps", "info: 0.5.* does not fit a field of int64"),
        ("an array as a number", r"info field 2 has 4 elements: write them with array\(\)"),
        ("a field too far", r"info field 9: there are only 4 \(numbered from 0\)"),
        ("another type of action", "action leaf 0 holds int64, not float32"),
        ("another type of observation", "observation leaf 0 holds float32, not float64"),
        ("no exception class", "an exception that is not a std::exception"),
    ],
)
def test_mistake_in_a_step_is_an_env_error_and_no_memory_is_harmed(mistake, message):
    envs = fastvec.make_vec("sdk/Infos-v0", num_envs=2, mistake=mistake)
    envs.reset(seed=0)
    with pytest.raises(fastvec.EnvError, match=f"env 0: {message}"):
        envs.step(np.array([0, 0]))


def test_exception_names_its_env_and_the_others_have_stepped():
    envs = fastvec.make_vec("sdk/Infos-v0", num_envs=4, mistake="some throw")
    envs.reset(seed=0)
    with pytest.raises(fastvec.EnvError) as caught:
        envs.step(np.array([0, 0, 1, 0]))
    assert caught.value.env_index == 2
    assert caught.value.failures == [(2, "the reason")]
    assert caught.value.batch[1].tolist() == [1.0, 1.0, 0.0, 1.0]


# -- states that are not plain ------------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", ["sdk/Diary-v0", "sdk/Echo-v0", "sdk/Infos-v0", "sdk/Plain-v0", "sdk/Lanes-v0"])
def test_env_of_the_fixtures_conforms(env_id):
    quick = [name for name in fastvec.testing.CHECKS if name not in ("another day", "resuming", "throughput")]
    assert fastvec.testing.run_checks(env_id, only=quick, isolate=False).failures == ()


@pytest.mark.parametrize("env_id", ["sdk/Diary-v0", "sdk/Infos-v0"])
def test_saved_states_of_the_fixtures_hold_for_long_and_on_another_day(env_id):
    only = ["another day", "resuming"]
    assert fastvec.testing.run_checks(env_id, only=only, isolate=False).failures == ()


def test_state_with_strings_and_vectors_that_ends_early_is_refused():
    envs = fastvec.make_vec("sdk/Diary-v0")
    envs.reset(seed=0)
    envs.step(np.array([3]))
    state = envs._core.save_env(0)
    with pytest.raises(ValueError, match="the saved state ends too early"):
        envs._core.load_env(0, state[:-1])
    with pytest.raises(ValueError, match="the saved state is too long"):
        envs._core.load_env(0, state + b"x")


# -- a loop of one's own ------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_envs", [1, 7, 64])
@pytest.mark.parametrize("autoreset_mode", ["NextStep", "SameStep"])
def test_own_loop_gives_what_step_gives(num_envs, autoreset_mode):
    frames = []
    for env_id in ("sdk/Plain-v0", "sdk/Lanes-v0"):
        envs = fastvec.make_vec(env_id, num_envs, autoreset_mode=autoreset_mode)
        frames.append(play(envs, ActionBank(envs.single_action_space, 0), 100, seed=5))
    assert any(frame["terminated"].any() for frame in frames[0][1:]) or num_envs == 1
    assert first_difference(*frames) is None


def test_own_loop_can_fail_one_env():
    envs = fastvec.make_vec("sdk/Lanes-v0", num_envs=3, num_threads=1, fails_at=1)
    envs.reset(seed=0)
    with pytest.raises(fastvec.EnvError) as caught:
        envs.step(np.zeros((3, 2), np.float32))
    assert caught.value.failures == [(1, "this one failed")]
    assert caught.value.batch[3].tolist() == [False, True, False]


def test_exception_from_an_own_loop_fails_the_whole_range():
    envs = fastvec.make_vec("sdk/Lanes-v0", num_envs=3, num_threads=1, fails_at=-2)
    envs.reset(seed=0)
    with pytest.raises(fastvec.EnvError) as caught:
        envs.step(np.zeros((3, 2), np.float32))
    assert caught.value.failures == [(env, "the whole range failed") for env in range(3)]


def test_an_exception_in_save_is_an_env_error_with_the_index():
    envs = fastvec.make_vec("sdk/Diary-v0", 40)
    observations = envs.reset(seed=0)[0]  # some start with an empty text
    envs.step(np.full(40, 25))
    empty = np.flatnonzero(observations[:, 0] == 0)
    assert 0 < len(empty) < 40
    with pytest.raises(fastvec.EnvError, match="the diary is sealed") as caught:
        envs.get_state()
    assert caught.value.env_index == empty[0]
    with pytest.raises(fastvec.EnvError, match="the diary is sealed"):
        envs.get_state([empty[-1]])
    others = np.flatnonzero(observations[:, 0] != 0)
    envs.set_state(envs.get_state(others), others)


def test_list_describes_an_authors_env_as_it_describes_itself(everything, capsys):
    assert main(["list", "sdk/Infos-v0", "--plugin", str(everything)]) == 0
    text = capsys.readouterr().out
    for line in ("Infos-v0  (sdk; native)", "time limit         9 steps", "reward threshold   8.5", "mistake=''"):
        assert line in text
    assert "info keys\n    steps  int64\n    ratio  float64\n    place  float32 (2, 2)\n    late   bool\n" in text
    assert main(["list", "sdk/KwargsOther-v0"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"keyword arguments\n(    .+\n)*    count=99 +at least 0\n", text)
    assert "  parameters, for set_attr\n    flag=1.0\n    count=99.0  at least 0\n" in text
    assert main(["list"]) == 0
    table = capsys.readouterr().out
    assert "\neverything (native)\n  NoNamespace-v3" in table
    assert "\nsdk (native)\n" in table
