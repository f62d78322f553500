"""The LSTM policy against a loop over single steps, in all three autoreset modes."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch

from fastvec.train import PPO
from fastvec.train.distributions import Categorical
from fastvec.train.jit import can_compile
from fastvec.train.networks import build_network
from support.train_envs import Counting, Snapshotting, sync

SETTINGS = {
    "num_steps": 12,
    "num_minibatches": 2,
    "update_epochs": 2,
    "hidden_sizes": (8,),
    "lstm_size": 6,
    "total_timesteps": 6 * 12 * 4,
    "compile": False,
}
MAKERS = [
    lambda: Counting(truncate_at=4),
    lambda: Counting(terminate_at=3),
    lambda: Counting(terminate_at=5),
    lambda: Counting(truncate_at=7),
]


def slow_lstm(network, obs, output, cell):
    """One step of one environment by PyTorch's own LSTM cell: parameters, value, output, cell."""
    features = network.torso(obs)
    size = len(output)
    cell_of_torch = torch.nn.LSTMCell(features.shape[-1], size)
    cell_of_torch.load_state_dict(
        {
            "weight_ih": network.from_features.weight,
            "bias_ih": network.from_features.bias,
            "weight_hh": network.from_output,
            "bias_hh": torch.zeros(4 * size),
        }
    )
    output, cell = cell_of_torch(features.unsqueeze(0), (output.unsqueeze(0), cell.unsqueeze(0)))
    return network.actor_layer(output)[0], network.critic_layer(output)[0, 0], output[0], cell[0]


def random_network(**overrides):
    """An LSTM policy with weights that are not tiny."""
    ppo = PPO(sync("NextStep", *MAKERS), **{**SETTINGS, **overrides})
    with torch.no_grad():
        ppo.learner.state.flat_parameters.normal_(0.0, 0.4, generator=torch.Generator().manual_seed(1))
    return ppo


@torch.no_grad()
def test_a_sequence_equals_single_steps_of_torch_lstm_cell_with_resets():
    network = random_network().network
    obs, memory = torch.randn(9, 3, 2), torch.randn(3, 12)
    starts = (torch.rand(9, 3) < 0.3).float()
    params, values, memories = network(obs, memory, starts)
    assert starts.any()
    for n in range(3):
        output, cell = memory[n, :6], memory[n, 6:]
        for t in range(9):
            if starts[t, n]:
                output, cell = torch.zeros(6), torch.zeros(6)
            expected_params, expected_value, output, cell = slow_lstm(network, obs[t, n], output, cell)
            torch.testing.assert_close(params[t, n], expected_params)
            torch.testing.assert_close(values[t, n], expected_value)
            torch.testing.assert_close(memories[t, n], torch.cat([output, cell]))


@torch.no_grad()
def test_memory_starts_anew_exactly_where_the_observed_episode_does(autoreset_mode):
    ppo = PPO(sync(autoreset_mode, *MAKERS), **SETTINGS)
    ppo.learner.state.flat_parameters.normal_(0.0, 0.4)
    for number in range(3):  # the second and third rollout begin with what the one before remembered
        rollout = ppo.collect()
        batch = ppo.estimator(rollout)
        # Counting's observation is [episode, step]: an episode's first row has step 0, also behind a reset row.
        assert torch.equal(rollout.episode_starts, (rollout.obs[..., 1] == 0).float())
        if number == 0:
            carried = [(torch.zeros(6), torch.zeros(6))] * 4
        values = torch.zeros(12, 4)
        for n in range(4):
            output, cell = carried[n]
            for t in range(12):
                if rollout.obs[t, n, 1] == 0:
                    output, cell = torch.zeros(6), torch.zeros(6)
                _, values[t, n], output, cell = slow_lstm(ppo.network, rollout.obs[t, n], output, cell)
            carried[n] = (output, cell)
        torch.testing.assert_close(batch.values, values, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            ppo.collector.memory, torch.stack([torch.cat(pair) for pair in carried]), rtol=1e-4, atol=1e-5
        )


@torch.no_grad()
def test_a_truncated_episode_is_bootstrapped_with_its_own_memory(autoreset_mode):
    ppo = PPO(sync(autoreset_mode, *MAKERS), **SETTINGS, gamma=0.5, gae_lambda=0.0)
    ppo.learner.state.flat_parameters.normal_(0.0, 0.4)
    batch = ppo.estimator(ppo.collect())
    # The first environment's first episode: observations [1, 0] ... [1, 4], truncated in its fourth step.
    output = cell = torch.zeros(6)
    for t in range(5):
        _, last_value, output, cell = slow_lstm(ppo.network, torch.tensor([1.0, t]), output, cell)
    torch.testing.assert_close(batch.returns[3, 0], 4.0 + 0.5 * last_value, rtol=1e-4, atol=1e-4)


def test_minibatches_are_whole_sequences_with_their_memories():
    ppo = random_network()
    ppo.collect()
    batch = ppo.estimator(ppo.collect())
    part = batch.take(torch.tensor([2, 0]))
    assert batch.num_rows == 4
    assert part.obs.shape == (12, 2, 2)
    assert torch.equal(part.obs[:, 0], batch.obs[:, 2])
    assert torch.equal(part.memory, batch.memory[[2, 0]])
    assert batch.memory.abs().sum() > 0
    with torch.no_grad():  # an update before the first gradient step sees what the rollout saw
        params, values, _ = ppo.network(part.obs, part.memory, part.episode_starts)
        torch.testing.assert_close(values, part.values)
        torch.testing.assert_close(ppo.head.log_prob(params, part.actions), part.log_probs)


def test_masked_rows_change_nothing_but_for_what_they_show():
    thetas = []
    for garbage in (0.0, 1e6):
        ppo = random_network()
        batch = ppo.estimator(ppo.collect())
        dead = batch.valid == 0
        assert dead.any()
        batch.advantages[dead] = garbage
        batch.returns[dead] = garbage
        batch.obs[dead] = garbage / 1e6  # the next row forgets what this one left behind
        ppo.update(batch, torch.Generator().manual_seed(0))
        thetas.append(ppo.learner.state.flat_parameters.clone())
    assert torch.equal(*thetas)


@pytest.mark.parametrize("normalize", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_resumed_lstm_run_is_the_same_bit_for_bit(autoreset_mode, normalize, tmp_path):
    def envs():
        makers = [lambda: gym.make("CartPole-v1", max_episode_steps=9, disable_env_checker=True)] * 4
        return Snapshotting(makers, autoreset_mode=gym.vector.AutoresetMode(autoreset_mode))

    settings = {**SETTINGS, "normalize_obs": normalize}
    whole = PPO(envs(), **settings).learn()
    first = PPO(envs(), **settings)
    first.iterate(), first.iterate()
    first.save(tmp_path / "checkpoint.pt")
    second = PPO.load(tmp_path, env=envs(), trust=True).learn()
    assert second.iteration == 6
    assert torch.equal(whole.learner.state.flat_parameters, second.learner.state.flat_parameters)
    assert torch.equal(whole.collector.memory, second.collector.memory)


def test_predict_carries_its_state_and_forgets_on_demand():
    ppo = random_network()
    obs = np.random.default_rng(0).normal(size=(5, 2, 2)).astype(np.float32)
    state = ppo.initial_state(2)
    for row in obs:
        ppo.predict(row, state=state)
    carried = state.memory.clone()
    with torch.no_grad():
        expected = ppo.network(torch.from_numpy(obs), torch.zeros(2, 12), torch.zeros(5, 2))[2][-1]
    torch.testing.assert_close(carried, expected)
    state.forget([True, False])
    assert state.memory[0].abs().sum() == 0
    assert torch.equal(state.memory[1], carried[1])
    with pytest.raises(ValueError, match=r"pass state=ppo\.initial_state"):
        ppo.predict(obs[0])
    with pytest.raises(ValueError, match="got one for 3 environments"):
        ppo.predict(obs[0], state=ppo.initial_state(3))


def test_evaluation_starts_each_episode_with_an_empty_memory(autoreset_mode):
    ppo = random_network()
    seen = []
    predict = ppo.predict

    def watch(observations, *, state, **options):
        seen.extend(zip(observations[:, 1], state.memory.abs().sum(-1).tolist(), strict=True))
        return predict(observations, state=state, **options)

    ppo.predict = watch
    ppo.evaluate(8, envs=sync(autoreset_mode, *MAKERS))
    assert {memory == 0 for step, memory in seen if step == 0} == {True}
    assert {memory == 0 for step, memory in seen if step > 0} == {False}


@pytest.mark.slow
@pytest.mark.skipif(not can_compile(), reason="this PyTorch cannot compile whole updates")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_and_eager_lstm_agree():
    states = []
    for compiled in (False, True):
        settings = {**SETTINGS, "compile": compiled, "num_steps": 4, "total_timesteps": 10**6}
        ppo = PPO(sync("NextStep", *MAKERS), **settings)
        for _ in range(3):
            ppo.iterate()
        states.append(ppo.learner.state)
    assert int(states[1].step) == 12
    torch.testing.assert_close(states[1].flat_parameters, states[0].flat_parameters, rtol=1e-4, atol=1e-5)


def test_minibatches_must_divide_the_environments():
    with pytest.raises(ValueError, match="with an LSTM, num_minibatches must divide num_envs = 4, got 3"):
        PPO(sync("NextStep", *MAKERS), **{**SETTINGS, "num_minibatches": 3})


def test_images_go_through_the_cnn_into_the_lstm():
    config = random_network().config
    network = build_network((36, 40, 3), torch.uint8, Categorical(2), config)
    obs = torch.randint(0, 256, (4, 2, 36, 40, 3), dtype=torch.uint8)
    params, values, memories = network(obs, torch.zeros(2, 12), torch.zeros(4, 2))
    assert (params.shape, values.shape, memories.shape) == ((4, 2, 2), (4, 2), (4, 2, 12))


class Recall(gym.Env):
    """Shows +1 or -1 once, then nothing; the last of ``LENGTH`` actions must say which it was (1 for right, else
    0). Without memory the best mean return is 0.5."""

    LENGTH = 4
    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.sign = 0, int(self.np_random.integers(2))
        return np.array([2.0 * self.sign - 1.0, 0.0], np.float32), {}

    def step(self, action):
        self.t += 1
        ended = self.t == self.LENGTH
        obs = np.array([0.0, self.t == self.LENGTH - 1], np.float32)
        return obs, float(ended and action == self.sign), ended, False, {}


@pytest.mark.slow
@pytest.mark.parametrize("lstm_size", [0, 16])
def test_only_memory_solves_recall(lstm_size):
    settings = {
        "num_steps": 16,
        "num_minibatches": 4,
        "update_epochs": 4,
        "hidden_sizes": (16,),
        "total_timesteps": 14_000,
        "learning_rate": 5e-3,
        "ent_coef": 0.01,
        "compile": False,
    }
    ppo = PPO(sync("SameStep", *[Recall] * 16), lstm_size=lstm_size, **settings).learn()
    result = ppo.evaluate(200, envs=sync("SameStep", *[Recall] * 20), seed=9).mean_return
    assert result > 0.95 if lstm_size else result < 0.7


def read_policy(path):
    """``(obs, memory) -> (actions, memory)`` of an exported file, in NumPy."""
    if path.suffix == ".pt2":
        module = torch.export.load(path).module()
        return lambda *inputs: [output.numpy() for output in module(*map(torch.from_numpy, inputs))]
    session = pytest.importorskip("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda obs, memory: session.run(None, {"obs": obs, "memory": memory})


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", ["policy.pt2", pytest.param("policy.onnx", marks=pytest.mark.slow)])
def test_an_exported_policy_takes_and_gives_its_memory(name, tmp_path):
    if name.endswith("onnx"):
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)
    ppo = random_network(normalize_obs=True)
    with torch.no_grad():
        ppo.learner.state.flat_parameters.mul_(4.0)
    ppo.export(tmp_path / name, format="onnx" if name.endswith("onnx") else "torch")
    policy = read_policy(tmp_path / name)
    obs = np.random.default_rng(0).normal(size=(6, 3, 2)).astype(np.float32)
    state, memory = ppo.initial_state(3), np.zeros((3, 12), np.float32)
    chosen = []
    for row in obs:
        actions, memory = policy(row, memory)
        np.testing.assert_array_equal(actions, ppo.predict(row, state=state))
        np.testing.assert_allclose(memory, state.memory, rtol=1e-5, atol=1e-6)
        chosen.append(actions)
    assert len(np.unique(chosen)) == 2
