"""The ALE backend gives what ale-py's own vector env gives, byte for byte, and errors where that would hang."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import fastvec
from fastvec import errors
from fastvec.cli import list as cli_list
from support.native import thread_count

needs_ale = pytest.mark.skipif(importlib.util.find_spec("ale_py") is None, reason="ale-py is not installed")
if importlib.util.find_spec("ale_py") is not None:
    import ale_py  # registers its ids, for the oracle

    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)

GAME = "ALE/Breakout-v5"
SHORT = {"max_num_frames_per_episode": 80}  # episodes end every 20 steps


def assert_same_batch(actual, expected):
    """Same dtypes, shapes and bytes; infos with the same keys."""
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        if isinstance(other, dict):
            assert set(one) == set(other)
            assert_same_batch([one[key] for key in sorted(one)], [other[key] for key in sorted(other)])
        else:
            assert one.dtype == other.dtype
            assert one.shape == other.shape
            assert one.tobytes() == other.tobytes()


def rollout(actual, expected, steps, seed=3):
    """Both with the same actions; returns how many episodes ended. Every batch is held until the end."""
    pairs = [(actual.reset(seed=seed), expected.reset(seed=seed))]
    generator = np.random.default_rng(seed)
    for _ in range(steps):
        actions = generator.integers(0, expected.single_action_space.n, expected.num_envs)
        pairs.append((actual.step(actions), expected.step(actions)))
    for one, other in pairs:
        final = other[-1].get("final_obs")
        if final is not None:  # ale-py leaves the rows of games that go on as the memory was
            going_on = ~(other[2] | other[3])
            assert not one[-1]["final_obs"][going_on].any()
            final[going_on] = 0
        assert_same_batch(one, other)
    return sum(int((pair[1][2] | pair[1][3]).sum()) for pair in pairs[1:])


@needs_ale
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"episodic_life": True, "reward_clipping": False, "repeat_action_probability": 0.0},
        {"img_height": 50, "img_width": 60, "grayscale": False, "stack_num": 2, "frameskip": 3, "noop_max": 0},
    ],
    ids=["defaults", "lives", "pictures"],
)
def test_same_bytes_as_gymnasium_make_vec(mode, kwargs, closing):
    arguments = {"autoreset_mode": mode, **SHORT, **kwargs}
    actual = closing(fastvec.make_vec(GAME, 3, **arguments))
    expected = closing(gymnasium.make_vec(GAME, 3, **arguments))
    assert isinstance(actual, fastvec.VectorEnv)
    for name in ("observation_space", "action_space", "single_observation_space", "single_action_space", "num_envs"):
        assert getattr(actual, name) == getattr(expected, name), name
    assert actual.metadata["autoreset_mode"] is actual.autoreset_mode is expected.metadata["autoreset_mode"]
    assert rollout(actual, expected, 30) > 2


@needs_ale
def test_pong_and_continuous_actions_are_those_of_gymnasium(closing):
    assert rollout(closing(fastvec.make_vec("ALE/Pong-v5", 2)), closing(gymnasium.make_vec("ALE/Pong-v5", 2)), 15) == 0
    actual, expected = (closing(make(GAME, 2, continuous=True)) for make in (fastvec.make_vec, gymnasium.make_vec))
    assert actual.action_space == expected.action_space
    assert_same_batch(actual.reset(seed=1), expected.reset(seed=1))
    expected.action_space.seed(1)
    for _ in range(20):
        actions = expected.action_space.sample()
        assert_same_batch(actual.step(actions.astype(np.float64)), expected.step(actions))


@needs_ale
@pytest.mark.parametrize("num_threads", [1, 3])
def test_numbers_do_not_depend_on_the_number_of_threads(num_threads, closing):
    rollout(closing(fastvec.make_vec(GAME, 4, num_threads=num_threads)), closing(gymnasium.make_vec(GAME, 4)), 8)


@needs_ale
def test_masked_reset_with_a_seed_for_each_env(closing):
    actual, expected = closing(fastvec.make_vec(GAME, 4)), closing(gymnasium.make_vec(GAME, 4))
    mask = np.array([False, True, False, True])
    with pytest.raises(errors.ResetNeededError):
        actual.reset(options={"reset_mask": mask})
    assert_same_batch(actual.reset(seed=[7, 1, 2, 9]), expected.reset(seed=np.array([7, 1, 2, 9])))
    actions = np.ones(4, np.int64)
    for _ in range(5):
        assert_same_batch(actual.step(actions), expected.step(actions))
    masked = {"reset_mask": mask.copy()}
    # Env i gets seed + i, as in every vector of fastvec; ale-py counts only the envs that it resets.
    one, other = actual.reset(seed=20, options=masked), expected.reset(seed=np.array([21, 23]), options=masked)
    assert_same_batch(one, other)
    assert list(masked) == ["reset_mask"]
    assert actual.np_random_seed == (7, 21, 2, 23)
    assert_same_batch(
        actual.reset(seed=[None, 5, None, None]), expected.reset(seed=np.array([-1, 5, -1, -1]))
    )  # None goes on with the generator
    for _ in range(5):
        assert_same_batch(actual.step(actions), expected.step(actions))


@needs_ale
@pytest.mark.parametrize("seed", [2**31])
def test_bad_seeds_are_refused_before_anything_is_reset(seed, closing):
    envs = closing(fastvec.make_vec(GAME, 3))
    with pytest.raises((ValueError, TypeError, gymnasium.error.Error)):
        envs.reset(seed=seed)
    with pytest.raises(errors.ResetNeededError):
        envs.step(np.zeros(3, np.int64))


@needs_ale
def test_bad_actions_are_refused_before_anything_is_stepped(closing):
    envs, reference = closing(fastvec.make_vec(GAME, 3)), closing(gymnasium.make_vec(GAME, 3))
    envs.reset(seed=1), reference.reset(seed=1)
    for actions, error in [
        (np.array([0, 1, -1]), errors.InvalidActionError),
        (np.array([0, 4, 1]), errors.InvalidActionError),
        (np.zeros((3, 1), np.int64), errors.InvalidActionError),
        (np.zeros(3), errors.ActionTypeError),
        ([[0], [1, 2], 3], errors.InvalidActionError),
    ]:
        with pytest.raises(error):
            envs.step(actions)
    assert_same_batch(envs.step([0, 1, 2]), reference.step(np.array([0, 1, 2])))
    assert_same_batch(envs.step(np.array([0, 1, 2], np.uint8)), reference.step(np.array([0, 1, 2])))


@needs_ale
def test_each_env_sees_in_recv_what_it_sees_in_step(closing):
    envs = closing(fastvec.make_vec(GAME, 6, batch_size=2, **SHORT))
    reference = closing(gymnasium.make_vec(GAME, 6, **SHORT))
    assert envs.action_space == reference.action_space
    actions = np.random.default_rng(1).integers(0, 4, (31, 6))
    expected = [(reference.reset(seed=5)[0],)] + [reference.step(row) for row in actions[:30]]
    turns = np.zeros(6, np.int64)
    envs.async_reset(seed=5)
    for _ in range(60):
        observations, rewards, terminations, truncations, infos = envs.recv(timeout=60)
        ids = infos["env_id"]
        for row, env in enumerate(ids):
            turn = expected[turns[env]]
            assert observations[row].tobytes() == turn[0][env].tobytes()
            if turns[env]:
                assert (rewards[row], terminations[row], truncations[row]) == tuple(part[env] for part in turn[1:4])
        turns[ids] += 1
        if (turns > 30).any():
            break
        shuffled = ids[::-1]  # in another order than they came in
        envs.send(actions[turns[shuffled] - 1, shuffled], shuffled)
    assert turns.sum() >= 62


@needs_ale
def test_asynchronous_misuse_is_refused_and_changes_nothing(closing):
    envs = closing(fastvec.make_vec(GAME, 4, batch_size=2))
    two = np.zeros(2, np.int64)
    with pytest.raises(errors.ResetNeededError):
        envs.send(two, [0, 1])
    with pytest.raises(errors.AsyncStateError):
        envs.recv()
    for call in (envs.reset, lambda: envs.step(np.zeros(4, np.int64))):
        with pytest.raises(errors.AsyncStateError, match="batch_size"):
            call()
    with pytest.raises(ValueError, match="reset_mask"):
        envs.async_reset(options={"reset_mask": np.ones(4, bool)})
    envs.async_reset(seed=1)
    with pytest.raises(ValueError, match="batches of that size only"):
        envs.recv(batch_size=envs.num_in_flight)
    with pytest.raises(errors.AsyncStateError):
        envs.async_reset()
    ids = envs.recv(timeout=60)[4]["env_id"]
    others = np.setdiff1d(np.arange(4), ids)
    with pytest.raises(errors.AsyncStateError, match=r"handed in by send\(\)"):
        envs.recv()
    for wrong, error in [
        ([ids[0], ids[0]], ValueError),
        ([ids[0], 4], ValueError),
        ([0.0, 1.0], TypeError),
        ([ids[0], others[0]], errors.AsyncStateError),
        (ids[:1], errors.AsyncStateError),
    ]:
        with pytest.raises(error):
            envs.send(two[: len(wrong)], wrong)
    with pytest.raises(errors.InvalidActionError):
        envs.send(np.zeros(3, np.int64), ids)
    envs.send(two, ids)
    envs.recv(timeout=60)


@needs_ale
def test_recv_that_times_out_loses_nothing(closing):
    # Many frames per step, so that one thread cannot have finished.
    envs = closing(fastvec.make_vec(GAME, 2, frameskip=2000, num_threads=1))
    reference = closing(gymnasium.make_vec(GAME, 2, frameskip=2000))
    reference.reset(seed=1)
    envs.async_reset(seed=1)
    ids = envs.recv()[4]["env_id"]
    envs.send(np.ones(2, np.int64), ids)
    with pytest.raises(TimeoutError):
        envs.recv(timeout=0)
    with pytest.raises(errors.AsyncStateError):
        envs.send(np.ones(2, np.int64), ids)
    assert_same_batch(envs.recv(timeout=60), reference.step(np.ones(2, np.int64)))
    assert_same_batch(envs.step(np.ones(2, np.int64)), reference.step(np.ones(2, np.int64)))


@needs_ale
@pytest.mark.parametrize("in_flight", [False, True])
def test_close_ends_the_threads(in_flight):
    before = thread_count()
    envs = fastvec.make_vec(GAME, 4, num_threads=2, batch_size=2)
    if in_flight:
        envs.async_reset(seed=1)
        envs.recv(timeout=60)
    assert thread_count() > before
    envs.close()
    envs.close()
    assert thread_count() <= before


@needs_ale
def test_attributes_that_all_games_share_are_given(closing):
    envs = closing(fastvec.make_vec(GAME, 2, frameskip=3))
    assert envs.get_attr("frameskip") == (3, 3)
    assert envs.get_attr("game") == ("breakout",) * 2
    single = closing(gymnasium.make(GAME, frameskip=3))
    assert envs.call("get_action_meanings") == (single.unwrapped.get_action_meanings(),) * 2
    for call in (lambda: envs.get_attr("ale"), lambda: envs.set_attr("game", 1), lambda: envs.np_random):
        with pytest.raises(AttributeError, match="process"):
            call()
    for call in (envs.render, envs.get_state, lambda: envs.set_state(b"")):
        with pytest.raises(NotImplementedError):
            call()


@needs_ale
@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"autoreset_mode": "Disabled"}, ValueError, "NextStep or SameStep.*process"),
        ({"render_mode": "rgb_array"}, ValueError, "render_mode.*process"),
        ({"max_episode_steps": 5}, TypeError, "max_num_frames_per_episode"),
        ({"obs_type": "ram"}, TypeError, "obs_type.*process"),
        ({"num_workers": 2}, TypeError, "num_workers"),
        ({"wrappers": [lambda env: env]}, TypeError, "wrappers"),
        ({"stack_num": 0}, ValueError, "stack_num"),
        ({"frameskip": (2, 5)}, TypeError, "frameskip"),
        ({"backend": "native"}, errors.UnknownEnvError, "native"),
        ({"batch_size": 3}, ValueError, "batch_size"),
    ],
)
def test_what_ale_py_does_not_have_is_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        fastvec.make_vec(GAME, 2, **arguments)


@needs_ale
def test_backend_names_choose(closing):
    native = closing(fastvec.make_vec(GAME, 2, backend="ale", **SHORT))
    assert type(native) is type(closing(fastvec.make_vec(f"ale_py:{GAME}", 2)))
    with pytest.raises(ValueError, match="no vector env"):
        fastvec.make_vec("Blackjack-v1", 2, backend="ale")
    with pytest.raises(errors.UnknownEnvError, match="ALE/Pong-v5"):
        fastvec.make_vec("ALE/Pongg-v5", 2)


@needs_ale
def test_process_backend_gives_the_games_of_gymnasium_make(closing):
    actual = closing(fastvec.make_vec(GAME, 3, backend="process", num_workers=2, autoreset_mode="Disabled"))
    expected = closing(
        gymnasium.make_vec(GAME, 3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": "Disabled"})
    )
    assert actual.single_observation_space == expected.single_observation_space
    assert actual.reset(seed=3)[0].tobytes() == expected.reset(seed=3)[0].tobytes()
    for action in range(10):
        actions = np.array([action % 4, 1, 3])
        one, other = actual.step(actions), expected.step(actions)
        for array, oracle in zip(one[:4], other[:4], strict=True):
            assert array.tobytes() == oracle.tobytes()


@needs_ale
def test_spec_makes_an_equal_vector(closing):
    envs = closing(fastvec.make_vec(GAME, 3, autoreset_mode="SameStep", stack_num=2, num_threads=1, **SHORT))
    assert envs.spec.id == GAME
    for again in (fastvec.make_vec(envs.spec), gymnasium.make_vec(envs.spec)):
        assert type(closing(again)) is type(envs)
        rollout(again, envs, 12)


@needs_ale
def test_other_vector_envs_keep_their_metadata(closing):
    before = dict(gymnasium.vector.VectorEnv.metadata)
    closing(fastvec.make_vec(GAME, 1, autoreset_mode="SameStep"))
    assert gymnasium.vector.VectorEnv.metadata == before


@needs_ale
def test_list_shows_the_games_and_their_backend(capsys):
    assert cli_list.main(["--json"]) == 0
    listed = {row["id"]: row["backend"] for row in json.loads(capsys.readouterr().out)}
    assert listed["ALE/Pong-v5"] == "ale"
    assert listed["CartPole-v1"] == "native"
    assert "PongNoFrameskip-v4" not in listed
    assert cli_list.main(["--all", "--json"]) == 0
    listed = {row["id"]: row["backend"] for row in json.loads(capsys.readouterr().out)}
    assert listed["ALE/Pong-v5"] == "ale"
    assert listed["PongNoFrameskip-v4"] == "process"


@pytest.mark.parametrize("env_id", ["ALE/Pong-v5", "ale_py:ALE/Pong-v5"])
@pytest.mark.parametrize("backend", [None, "process"])
def test_without_ale_py_the_error_says_what_to_install(backend, env_id, monkeypatch):
    monkeypatch.setitem(sys.modules, "ale_py", None)  # as if it were not installed
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match=r"pip install fastvec\[atari\]"):
        fastvec.make_vec(env_id, 2, backend=backend)


def test_the_extra_that_the_error_names_installs_ale_py():
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert 'atari = ["ale-py' in text
