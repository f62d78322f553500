"""Action masks that change with every step: no action that is ruled out ever reaches an environment."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from fastvec.train import PPO
from fastvec.train.env.masks import mask_rows, newest_mask
from support.train_envs import sync

SETTINGS = {"num_steps": 16, "num_minibatches": 2, "update_epochs": 2, "hidden_sizes": (8,), "compile": False}
SETTINGS |= {"total_timesteps": 16 * 4 * 3}


class Turns(gym.Env):
    """Allows one action only, another one at every step, and raises where it gets one that it did not allow."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space: gym.Space = spaces.Discrete(5, start=2)

    def __init__(self, length):
        self.length, self.t = length, 0

    def _info(self):
        self.allowed = int(self.np_random.integers(5))
        return {"action_mask": (np.arange(5) == self.allowed).astype(np.int8)}

    def _check(self, action):
        assert action == 2 + self.allowed

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), self._info()

    def step(self, action):
        self._check(action)
        self.t += 1
        ends = self.t >= self.length
        return np.zeros(1, np.float32), 1.0, ends and self.length % 2 == 0, ends and self.length % 2 == 1, self._info()


class TurnsInParts(Turns):
    """The same with two choices at once, and masks as Gymnasium's ``MultiDiscrete.sample`` takes them."""

    action_space = spaces.MultiDiscrete([2, 3])

    def _info(self):
        self.allowed = self.np_random.integers([2, 3])
        first, second = self.allowed
        return {"action_mask": ((np.arange(2) == first).astype(np.int8), (np.arange(3) == second).astype(np.int8))}

    def _check(self, action):
        np.testing.assert_array_equal(action, self.allowed)


@pytest.mark.parametrize("env", [Turns, TurnsInParts])
@pytest.mark.parametrize("lstm_size", [0, 4])
def test_no_action_that_is_ruled_out_is_ever_taken(env, lstm_size, autoreset_mode):
    makers = [lambda length=length: env(length) for length in (1, 2, 3, 50)]
    ppo = PPO(sync(autoreset_mode, *makers), **SETTINGS, lstm_size=lstm_size).learn()
    assert ppo.collector.episodes.finished > 10
    for deterministic in (True, False):
        result = ppo.evaluate(12, envs=sync(autoreset_mode, *makers), deterministic=deterministic)
        assert sorted(result.lengths) == sorted([1, 2, 3, 50] * 3)


class Late(Turns):
    """Forgets the mask where an episode begins."""

    def reset(self, *, seed=None, options=None):
        observation, _ = super().reset(seed=seed)
        self.allowed = None
        return observation, {}

    def _check(self, action):
        pass


class Short(Turns):
    """Its mask has an entry too few."""

    def _info(self):
        return {"action_mask": np.ones(4, np.int8)}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Late, r"gives info\['action_mask'\] after a step, but gave none after reset"),
        (Short, r"an action mask for Discrete\(5, start=2\) has 5 entries, expected \(4, 5\), got \(4, 4\)"),
    ],
)
def test_a_mask_that_cannot_be_followed_is_an_error(env, message):
    with pytest.raises(ValueError, match=message):
        PPO(sync("NextStep", *[lambda: env(3)] * 4), **SETTINGS).learn()


class Continuous(Turns):
    """A mask means nothing for its actions, of which there are as many numbers as the mask has."""

    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def _info(self):
        return {"action_mask": np.zeros(4, np.int8)}

    def _check(self, action):
        pass


def test_a_mask_beside_continuous_actions_is_left_alone():
    ppo = PPO(sync("NextStep", *[lambda: Continuous(3)] * 4), **SETTINGS)
    metrics = ppo.iterate().metrics
    assert np.isfinite(list(metrics.values())).all()
    assert ppo.collector.masks is None


def test_rows_of_masks_have_one_form():
    space = spaces.MultiDiscrete([2, 3])
    rows = np.array([[1, 0, 0, 1, 1], [0, 1, 1, 0, 0]], dtype=bool)
    tuples = [(row[:2], row[2:]) for row in rows]
    objects = np.empty(2, dtype=object)
    objects[:] = tuples
    for form in (rows, rows.astype(np.int8), rows.tolist(), tuples, objects):
        np.testing.assert_array_equal(mask_rows(form, space, 2), rows)


def test_environments_that_say_nothing_keep_their_mask():
    space = spaces.Discrete(2)
    info = {"action_mask": np.array([[1, 0], [0, 0], [0, 1]]), "_action_mask": np.array([True, False, True])}
    assert newest_mask(None, info, space, 3).tolist() == [[True, False], [True, True], [False, True]]
    before = np.array([[0, 1], [0, 1], [1, 1]], dtype=bool)
    assert newest_mask(before, info, space, 3).tolist() == [[True, False], [False, True], [False, True]]
    assert newest_mask(before, {}, space, 3) is before


def test_predict_takes_the_mask_of_one_observation_or_of_many():
    ppo = PPO(sync("NextStep", *[lambda: TurnsInParts(3)] * 4), **SETTINGS)
    mask = (np.array([0, 1]), np.array([0, 0, 1]))
    one = np.zeros(1, np.float32)
    assert ppo.predict(one, mask=mask).tolist() == [1, 2]
    assert ppo.predict(one, mask=np.array([0, 1, 1, 0, 0])).tolist() == [1, 0]
    assert ppo.predict(np.zeros((2, 1), np.float32), mask=[mask, mask]).tolist() == [[1, 2], [1, 2]]
    with pytest.raises(ValueError, match=r"has 5 entries, expected \(1, 5\), got \(1, 2\)"):
        ppo.predict(one, mask=[1, 0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("name", "lstm_size"), [pytest.param("policy.pt2", 4, marks=pytest.mark.slow), ("policy.onnx", 0)]
)
def test_an_exported_policy_follows_masks(name, lstm_size, tmp_path):
    if name.endswith("onnx"):
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)
    trained = PPO(sync("NextStep", *[lambda: TurnsInParts(3)] * 4), **SETTINGS, lstm_size=lstm_size).learn()
    trained.save(tmp_path / "p.pt")
    ppo = PPO.load(tmp_path / "p.pt", env=sync("NextStep", *[lambda: TurnsInParts(3)] * 4))
    ppo.export(tmp_path / name, format="onnx" if name.endswith("onnx") else "torch")
    mask = np.array([[0, 1, 0, 0, 1], [1, 0, 0, 1, 0], [1, 1, 1, 1, 1]], dtype=bool)
    inputs = {"obs": np.zeros((3, 1), np.float32), "mask": mask}
    arguments = [torch.from_numpy(inputs["obs"])]
    if lstm_size:
        inputs["memory"] = np.zeros((3, 8), np.float32)
        arguments.append(torch.from_numpy(inputs["memory"]))
    if name.endswith("onnx"):
        session = pytest.importorskip("onnxruntime").InferenceSession(str(tmp_path / name))
        actions = session.run(["actions"], inputs)[0]
    else:
        actions = torch.export.load(tmp_path / name).module()(*arguments, mask=torch.from_numpy(mask))
        actions = (actions[0] if lstm_size else actions).numpy()
    assert actions[:2].tolist() == [[1, 2], [0, 1]]
    expected = ppo.predict(inputs["obs"], mask=mask, state=ppo.initial_state(3))
    np.testing.assert_array_equal(actions, expected)


@pytest.mark.parametrize(
    ("space", "masks", "refused"),
    [
        (spaces.Discrete(2), [[1, 0], [0, 0]], True),
        (spaces.MultiDiscrete([2, 3]), [[1, 0, 1, 0, 0], [1, 1, 0, 0, 0]], True),
        (spaces.MultiDiscrete([2, 3]), [[1, 0, 1, 0, 0], [0, 1, 0, 0, 1]], False),
    ],
)
def test_mask_that_allows_nothing_is_refused_by_name(space, masks, refused):
    info = {"action_mask": np.array(masks, dtype=np.int8)}
    if not refused:
        assert newest_mask(None, info, space, 2).tolist() == np.array(masks, dtype=bool).tolist()
        return
    with pytest.raises(ValueError, match="of environment 1 allows no action"):
        newest_mask(None, info, space, 2)
    ended = np.array([False, True])
    assert newest_mask(None, info, space, 2, ended=ended)[1].all()
    with pytest.raises(ValueError, match="allows no action"):
        newest_mask(None, info, space, 2, ended=~ended)


class Stuck(Turns):
    """Allows nothing at its third step; with ``at_the_end`` the third step is the last one."""

    def __init__(self, at_the_end):
        super().__init__(3 if at_the_end else 9)

    def _info(self):
        return super()._info() if self.t != 3 else {"action_mask": np.zeros(5, dtype=np.int8)}


def test_training_refuses_a_mask_without_an_action_and_takes_one_at_the_end(autoreset_mode):
    with pytest.raises(ValueError, match=r"info\['action_mask'\] of environment 0 allows no action"):
        PPO(sync(autoreset_mode, *[lambda: Stuck(False)] * 4), **SETTINGS).learn()
    PPO(sync(autoreset_mode, *[lambda: Stuck(True)] * 4), **SETTINGS).learn()


def test_prediction_refuses_a_mask_without_an_action():
    ppo = PPO(sync("NextStep", *[lambda: Turns(4)] * 4), **SETTINGS)
    with pytest.raises(ValueError, match="the mask of row 1 allows no action of Discrete"):
        ppo.predict(np.zeros((2, 1), np.float32), mask=np.array([[1, 1, 1, 1, 1], [0, 0, 0, 0, 0]]))
