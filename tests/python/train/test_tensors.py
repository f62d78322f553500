"""Which tensors the trainer makes, and what it asks the device for."""

from __future__ import annotations

import gymnasium as gym
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fastvec.train import PPO, PPOConfig, devices
from fastvec.train.estimate import explained_variance
from fastvec.train.learner.adam import LearnerState
from fastvec.train.learner.minibatch_threads import MinibatchThreads, shards_for
from support.train_envs import Counting, sync

SETTINGS = {"num_steps": 16, "num_minibatches": 2, "update_epochs": 2, "hidden_sizes": (8,), "compile": False}
PENDULUM = [lambda: gym.make("Pendulum-v1", max_episode_steps=7)] * 4
COUNTING = [lambda: Counting(terminate_at=3), lambda: Counting(truncate_at=5)] * 2


class Watch(TorchDispatchMode):
    """Notes every operation, those of autograd and of in-place updates included, and the dtypes of its results."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: dict[torch.dtype, str] = {}
        self.operations: set[str] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.operations.add(str(function))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self.dtypes.setdefault(value.dtype, str(function))
        return result


CASES = {
    "gaussian": (PENDULUM, {}),
    "categorical": (COUNTING, {"target_kl": 0.5, "clip_vloss": True}),
    "lstm": (COUNTING, {"lstm_size": 4}),
}


@pytest.mark.parametrize(
    "autoreset_mode", ["NextStep", *(pytest.param(mode, marks=pytest.mark.slow) for mode in ("SameStep", "Disabled"))]
)
@pytest.mark.parametrize("case", CASES)
def test_no_tensor_of_the_trainer_is_float64(case, autoreset_mode):
    makers, settings = CASES[case]
    watch = Watch()
    with watch:
        ppo = PPO(
            sync(autoreset_mode, *makers),
            **SETTINGS,
            **settings,
            normalize_obs=True,
            normalize_reward=True,
            total_timesteps=16 * 4 * 4,
        )
        ppo.learn()
        ppo.predict(ppo.collector.obs[-1].numpy(), state=ppo.initial_state(4))
    assert watch.dtypes.get(torch.float64) is None
    assert torch.float32 in watch.dtypes
    assert {"aten.mm.default", "aten.lerp_.Scalar"} <= watch.operations  # backward and Adam were seen as well
    held = [
        *ppo.network.parameters(),
        *ppo.network.buffers(),
        *tensors_of(ppo.learner.state),
        *vars(ppo.collector).values(),
    ]
    for module in (ppo.obs_normalizer, ppo.reward_normalizer):
        held += module.buffers()
    dtypes = {value.dtype for value in held if isinstance(value, torch.Tensor)}
    assert dtypes <= {torch.float32, torch.int64, torch.bool}


def tensors_of(state: LearnerState) -> list[torch.Tensor]:
    return [*state.variables, state.learning_rate, *state.scalars.values()]


WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "item", "is_nonzero", "equal.default")
"""Operations whose result the host must see before it can go on: none of them can be captured in a CUDA graph."""


@pytest.mark.parametrize("lstm_size", [0, 4])
def test_neither_what_is_captured_on_cuda_nor_the_rest_of_an_iteration_asks_the_device_for_anything(lstm_size):
    ppo = PPO(sync("NextStep", *PENDULUM), **SETTINGS, lstm_size=lstm_size, normalize_obs=True)
    ppo.iterate(), ppo.iterate()
    rollout = ppo.collect()
    batch = ppo.estimator(rollout)
    order = torch.randperm(batch.num_rows)
    it, watch = ppo.collector, Watch()
    addresses = [tensor.data_ptr() for tensor in (*tensors_of(ppo.learner.state), it.obs_device, it.actions)]
    starts = None if it.episode_starts is None else it.episode_starts[0]
    with torch.no_grad(), watch:
        ppo.learner.one_pass(batch, order)
        ppo.policy.choose(it.obs_device[0], torch.zeros(4, 1), None, it.memory, starts)
        explained_variance(ppo.estimator(rollout))
        ppo.update(batch, ppo.generator)
    assert not [name for name in watch.operations if any(wait in name for wait in WAITS)]
    assert addresses == [tensor.data_ptr() for tensor in (*tensors_of(ppo.learner.state), it.obs_device, it.actions)]
    with watch:
        float(batch.values.sum())
    assert any("_local_scalar_dense" in name for name in watch.operations)  # the watch would have seen it


@pytest.mark.parametrize(
    "autoreset_mode", ["NextStep", *(pytest.param(mode, marks=pytest.mark.slow) for mode in ("SameStep", "Disabled"))]
)
@pytest.mark.parametrize("settings", [{}, {"lstm_size": 4}, {"normalize_obs": True}], ids=["mlp", "lstm", "normalised"])
def test_groups_of_environments_are_one_vector(settings, autoreset_mode):
    states = []
    for groups in (1, 2):
        ppo = PPO(
            "CartPole-v1",
            **{**SETTINGS, **settings},
            num_envs=8,
            env_groups=groups,
            total_timesteps=16 * 8 * 4,
            autoreset_mode=autoreset_mode,
            env_kwargs={},
        )
        ppo.learn()
        states.append((ppo.learner.state.flat_parameters, ppo.collector.obs.clone(), ppo.collector.episodes.recent))
        ppo.close()
    # What is remembered goes into the update; a product of 4 rows may round otherwise than one of 8.
    rounding = {"rtol": 1e-5, "atol": 1e-6} if "lstm_size" in settings else {"rtol": 0.0, "atol": 0.0}
    torch.testing.assert_close(states[0][0], states[1][0], **rounding)
    assert torch.equal(states[0][1], states[1][1])
    assert states[0][2] == states[1][2]
    assert states[0][2]


def test_groups_resume_exactly(tmp_path):
    settings = {**SETTINGS, "num_envs": 8, "env_groups": 2, "total_timesteps": 16 * 8 * 4}
    whole = PPO("CartPole-v1", **settings).learn()
    first = PPO("CartPole-v1", **settings)
    first.iterate(), first.iterate()
    first.save(tmp_path / "checkpoint.pt")
    second = PPO.load(tmp_path).learn()
    assert torch.equal(whole.learner.state.flat_parameters, second.learner.state.flat_parameters)
    for ppo in (whole, first, second):
        ppo.close()


def test_groups_must_divide_the_environments():
    with pytest.raises(ValueError, match="env_groups must divide num_envs = 4, got 3"):
        PPO("CartPole-v1", num_envs=4, env_groups=3)


def test_a_minibatch_shared_by_threads_gives_the_same_update():
    ppo = PPO(sync("NextStep", *COUNTING), **SETTINGS)
    ppo.iterate()
    batch = ppo.estimator(ppo.collect())
    results = []
    for threads in (None, MinibatchThreads(2, torch_threads=1), MinibatchThreads(4, torch_threads=1)):
        twin = PPO(sync("NextStep", *COUNTING), **SETTINGS)
        learner = twin.make_learner(threads)
        metrics = [
            learner.update(batch, torch.Generator().manual_seed(3), epochs=twin.config.update_epochs) for _ in range(2)
        ][-1]
        results.append((learner.state.flat_parameters, metrics))
    for theta, metrics in results[1:]:
        torch.testing.assert_close(theta, results[0][0], rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(metrics, results[0][1], rtol=1e-4, atol=1e-6)


def test_an_error_in_a_worker_comes_back_and_the_workers_go_on():
    threads = MinibatchThreads(2, torch_threads=1)

    def divide(a, b):
        return a / b

    assert threads.map(divide, [(1, 1), (4, 2)]) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        threads.map(divide, [(1, 1), (1, 0)])
    assert threads.map(divide, [(6, 1), (6, 2), (6, 3)]) == [6, 3, 2]


def test_parts_of_a_minibatch_are_equal_and_not_too_small():
    assert [shards_for(rows, 2, min_rows=128) for rows in (128, 254, 256, 257, 8192)] == [1, 1, 2, 1, 2]
    assert shards_for(8192, 3, min_rows=128) == 2
    assert shards_for(1024, 16, min_rows=128) == 8


def test_a_thread_is_used_only_where_a_minibatch_has_12_million_multiplications_for_it(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(devices, "usable_cores", lambda: 4)
    network = torch.nn.Linear(100, 120, bias=False)  # 12,000 multiplications a row
    configs = [PPOConfig(num_envs=rows, num_steps=1, num_minibatches=1) for rows in (1, 1999, 2000, 3000, 10_000)]
    assert [devices.threads_for(network, config) for config in configs] == [1, 1, 2, 3, 4]
