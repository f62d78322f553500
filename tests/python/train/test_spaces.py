"""Observation encoding against Gymnasium's flatten, and steps on every kind of space."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from fastvec.train import PPO
from fastvec.train.env.encode import ObservationEncoder, is_single, take_rows
from support.train_envs import sync

SPACES = [
    spaces.Box(-1, 1, (3,), np.float32),
    spaces.Box(-1, 1, (2, 2), np.float64),
    spaces.Discrete(5),
    spaces.Discrete(4, start=2),
    spaces.MultiDiscrete([3, 2]),
    spaces.MultiBinary(4),
    spaces.Tuple([spaces.Discrete(3), spaces.Box(0, 1, (2,), np.float32)]),
    spaces.Dict({"b": spaces.Discrete(3), "a": spaces.Tuple([spaces.MultiBinary(2), spaces.Discrete(2, start=1)])}),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_encoding_a_batch_is_flattening_each_observation(space):
    space.seed(0)
    observations = [space.sample() for _ in range(6)]
    encoder = ObservationEncoder(space)
    expected = np.stack([spaces.flatten(space, x) for x in observations]).astype(np.float32)
    batch = concatenate(space, observations, create_empty_array(space, n=6))
    np.testing.assert_array_equal(encoder.encode_batch(batch, 6), expected)
    np.testing.assert_array_equal(encoder.encode_list(observations), expected)
    np.testing.assert_array_equal(encoder.encode_one(observations[3]), expected[3:4])
    assert [is_single(space, observations[0]), is_single(space, batch)] == [True, False]
    rows = np.array([4, 1])
    np.testing.assert_array_equal(encoder.encode_batch(take_rows(batch, rows), 2), expected[rows])


@pytest.mark.parametrize(
    ("space", "observation"),
    [(spaces.Discrete(3), [3]), (spaces.Discrete(3, start=1), [0]), (spaces.MultiDiscrete([3, 2]), [[3, 0]])],
)
def test_a_choice_outside_its_space_is_no_choice_of_another(space, observation):
    with pytest.raises(ValueError, match="an observation is outside its space: expected choices below"):
        ObservationEncoder(space).encode_batch(np.array(observation), 1)


def test_predict_tells_one_observation_from_many_by_its_shape():
    ppo = PPO(sync("NextStep", *[lambda: Random(SPACES[0], spaces.Discrete(3, start=5))] * 2), **SETTINGS)
    far = np.array([9.0, -9.0, 9.0])  # float64 and outside the space's bounds
    one = ppo.predict(far)
    assert one.shape == ()
    assert ppo.predict(far.tolist()) == one
    for batch in (np.stack([far, far]), np.stack([far, far]).tolist(), torch.tensor(np.stack([far, far]))):
        assert ppo.predict(batch).tolist() == [one, one]
    for wrong in (np.zeros((2, 4)), np.zeros((1, 2, 3)), 0.0):
        with pytest.raises(ValueError, match=r"expected an observation of shape \(3,\), or a batch \('N', 3\)"):
            ppo.predict(wrong)


class Random(gym.Env):
    """Random observations and rewards of any spaces; may offer an action mask."""

    def __init__(self, observation_space, action_space, mask=None):
        self.observation_space, self.action_space = observation_space, action_space
        self.info = {} if mask is None else {"action_mask": np.array(mask, np.int8)}
        self.actions = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), dict(self.info)

    def step(self, action):
        assert self.action_space.contains(action)
        self.actions.append(action)
        ends = self.np_random.random(2) < 0.1
        return self.observation_space.sample(), self.np_random.normal(), bool(ends[0]), bool(ends[1]), dict(self.info)


ACTIONS = [
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([2, 3]),
    spaces.Box(-1, 1, (2,), np.float32),
]
SETTINGS = {"num_steps": 16, "num_minibatches": 2, "update_epochs": 2, "hidden_sizes": (8,), "compile": False}


@pytest.mark.parametrize("action_space", ACTIONS, ids=str)
@pytest.mark.parametrize("space", [SPACES[0], SPACES[3], SPACES[7]], ids=["box", "discrete", "dict"])
def test_all_spaces_train_in_all_modes(space, action_space, autoreset_mode):
    envs = sync(autoreset_mode, *[lambda: Random(space, action_space)] * 3)
    ppo = PPO(envs, **SETTINGS, normalize_reward=True, state_dependent_std=True)
    before = ppo.learner.state.flat_parameters.clone()
    ppo.iterate(), ppo.iterate()
    assert not torch.equal(before, ppo.learner.state.flat_parameters)
    assert np.isfinite(ppo.learner.state.flat_parameters.numpy()).all()
    space.seed(1)
    assert action_space.contains(ppo.predict(space.sample()))


def test_masked_actions_are_never_taken(autoreset_mode):
    made = []

    def make():
        made.append(Random(SPACES[0], spaces.Discrete(4), mask=[1, 0, 0, 1]))
        return made[-1]

    ppo = PPO(sync(autoreset_mode, make, make), **SETTINGS)
    ppo.iterate(), ppo.iterate()
    taken = {int(action) for env in made for action in env.actions}
    assert taken == {0, 3}
    actions = ppo.predict(batch_space(SPACES[0], 40).sample(), deterministic=False, mask=np.tile([0, 1, 1, 0], (40, 1)))
    assert set(actions.tolist()) <= {1, 2}


def test_bytes_become_shares_of_the_largest_that_their_space_allows():
    code = spaces.Box(0, np.array([4, 1, 0]), dtype=np.uint8)
    space = spaces.Dict({"ram": spaces.Box(0, 255, (3,), np.uint8), "code": code})
    observation = {"ram": np.array([[0, 51, 255]], np.uint8), "code": np.array([[1, 1, 0]], np.uint8)}
    encoded = ObservationEncoder(space).encode_batch(observation, 1)
    np.testing.assert_array_equal(encoded, np.array([[0.25, 1.0, 0.0, 0.0, 0.2, 1.0]], np.float32))


@pytest.mark.parametrize("lstm_size", [0, 4])
@pytest.mark.parametrize("largest", [1, 255])
def test_pictures_without_colours_are_scaled_and_go_through_the_cnn(largest, lstm_size, autoreset_mode):
    space = spaces.Box(0, largest, (12, 14), np.uint8)
    envs = sync(autoreset_mode, *[lambda: Random(space, spaces.Discrete(2))] * 2)
    ppo = PPO(envs, **SETTINGS, lstm_size=lstm_size)
    assert (ppo.collector.obs.dtype, ppo.collector.obs.shape[2:]) == (torch.uint8, (1, 12, 14))
    before = ppo.learner.state.flat_parameters.clone()
    ppo.iterate()
    assert not torch.equal(before, ppo.learner.state.flat_parameters)
    space.seed(0)
    pictures = np.stack([space.sample() for _ in range(3)])
    cnn = ppo.network.torso if lstm_size else ppo.network
    seen = []
    cnn.torso[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    assert ppo.predict(pictures, state=ppo.initial_state(3)).shape == (3,)
    assert ppo.predict(pictures[0], state=ppo.initial_state(1)).shape == ()
    torch.testing.assert_close(seen[0], torch.tensor(pictures / largest, dtype=torch.float32).unsqueeze(1))


@pytest.mark.parametrize("shape", [(36, 40, 3), (35, 16, 3), (12, 12, 3), (4, 10, 9), (5, 3, 2), (2, 1, 1)], ids=str)
def test_images_of_any_size_go_through_the_cnn(shape):
    space = spaces.Box(0, 255, shape, np.uint8)
    ppo = PPO(sync("SameStep", *[lambda: Random(space, spaces.Discrete(2))] * 2), **SETTINGS)
    assert type(ppo.network).__name__ == "CnnActorCritic"
    assert ppo.collector.obs.dtype == torch.uint8
    before = ppo.learner.state.flat_parameters.clone()
    ppo.iterate()
    assert not torch.equal(before, ppo.learner.state.flat_parameters)
    assert ppo.predict(batch_space(space, 3).sample()).shape == (3,)


def test_a_small_images_every_pixel_matters():
    ppo = PPO(sync("SameStep", lambda: Random(spaces.Box(0, 255, (5, 6, 2), np.uint8), spaces.Discrete(2))), **SETTINGS)
    image = torch.full((1, 5, 6, 2), 100, dtype=torch.uint8)
    value = ppo.network.critic(image)
    for place in np.ndindex(5, 6, 2):
        changed = image.clone()
        changed[0][place] = 255
        assert ppo.network.critic(changed) != value, place


FLOATS = spaces.Box(0, 1, (12, 10, 2), np.float32)
BYTES = spaces.Box(0, 255, (12, 10, 2), np.uint8)


@pytest.mark.parametrize("picture", [FLOATS, BYTES], ids=["floats", "bytes"])
def test_a_picture_in_a_dict_is_what_its_convolutions_see_beside_the_rest(picture):
    space = spaces.Dict({"a": spaces.Box(-1, 1, (2,), np.float32), "p": picture, "z": spaces.Discrete(3)})
    space.seed(0)
    observations = [space.sample() for _ in range(4)]
    ppo = PPO(sync("NextStep", *[lambda: Random(space, spaces.Discrete(2))] * 2), **SETTINGS)
    rows = torch.from_numpy(ppo.encoder.encode_list(observations))
    pixels = torch.tensor(np.stack([x["p"] for x in observations]), dtype=torch.float32) / picture.high.max()
    others = [[*x["a"], *np.eye(3)[x["z"]]] for x in observations]
    (torso,) = ppo.network.torsos
    seen = ppo.network.joined(torch.cat([torch.tensor(np.array(others, np.float32)), torso(pixels.movedim(3, 1))], -1))
    torch.testing.assert_close(ppo.network(rows)[0], ppo.network.actor_layer(seen), rtol=1e-5, atol=1e-6)
    before = [p.clone() for p in torso.parameters()]
    ppo.iterate()
    assert all(not torch.equal(p, q) for p, q in zip(before, torso.parameters(), strict=True))
    ppo.close()


def test_pictures_of_floats_go_through_a_cnn():
    ppo = PPO(sync("NextStep", *[lambda: Random(FLOATS, spaces.Discrete(2))] * 2), **SETTINGS)
    assert [module for module in ppo.network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert ppo.iterate().iteration == 1
    ppo.close()


def test_each_picture_of_a_tuple_has_its_place_and_its_own_network(tmp_path):
    parts = [spaces.Box(0, 255, (3, 12, 9), np.uint8), spaces.Discrete(3), spaces.Box(-1, 1, (8, 8, 2), np.float64)]
    space = spaces.Tuple([*parts, spaces.Box(0, 255, (9, 9), np.uint8)])
    encoder = ObservationEncoder(space)
    assert [(p.start, p.shape) for p in encoder.pictures] == [(0, (3, 12, 9)), (327, (8, 8, 2)), (455, (1, 9, 9))]
    space.seed(0)
    first, _, second, third = observation = space.sample()
    row = encoder.encode_one(observation)[0]
    np.testing.assert_allclose(row[:324].reshape(3, 12, 9), first / np.float32(255), rtol=1e-6)
    np.testing.assert_allclose(row[327:455].reshape(8, 8, 2), second, rtol=1e-6)
    np.testing.assert_allclose(row[455:].reshape(9, 9), third / np.float32(255), rtol=1e-6)
    ppo = PPO(sync("NextStep", *[lambda: Random(space, spaces.Discrete(2))] * 2), **SETTINGS)
    ppo.iterate()
    ppo.export(tmp_path / "policy.pt2")
    ppo.close()


def test_a_matrix_is_no_picture():
    for shape in [(10, 10), (2, 3, 4), (8, 2, 2)]:
        assert ObservationEncoder(spaces.Box(-1, 1, shape, np.float32)).pictures == ()


@pytest.mark.parametrize("space", [spaces.Discrete(2_000_000), spaces.MultiDiscrete([1_000_000, 1_000_000])], ids=str)
def test_more_choices_than_there_is_room_for_are_refused_in_one_sentence(space):
    with pytest.raises(ValueError, match=r"at most 65,536 choices, which are encoded one-hot, got .* with 2,000,000"):
        ObservationEncoder(space)
