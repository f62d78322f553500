"""The CUDA road on a simulated device: whatever order streams run in, the numbers are those of a CPU."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from fastvec.train import PPO, cuda_graph
from fastvec.train.cuda_graph import CudaGraph
from fastvec.train.rollout.cuda_sampler import CudaSampler
from support.simulated_cuda import ORDERINGS, Event, early, late, shuffled, simulated
from support.simulated_cuda.outcomes import assert_same, differ, on_cpu
from support.train_envs import Counting

SETTINGS = {
    "num_steps": 6,
    "num_minibatches": 2,
    "update_epochs": 2,
    "hidden_sizes": (8,),
    "total_timesteps": 10**6,
    "compile": False,
    "learning_rate": 1e-2,
}
COUNTING = [lambda: Counting(terminate_at=3), lambda: Counting(truncate_at=5)]


class Pictures(Counting):
    """A picture that shows how many steps were taken."""

    observation_space = gym.spaces.Box(0, 255, (1, 8, 8), np.uint8)

    def _obs(self):
        return np.full((1, 8, 8), self.t, np.uint8)


class Masked(Counting):
    """Three actions, of which one is not allowed."""

    action_space = gym.spaces.Discrete(3)

    def reset(self, **arguments):
        return super().reset(**arguments)[0], self._info()

    def step(self, action):
        return *super().step(action)[:4], self._info()

    def _info(self):
        return {"action_mask": (np.arange(3) != self.t % 3).astype(np.int8)}


CASES = {
    "categorical": (COUNTING, {}),
    "normalisers": (
        [lambda: gym.make("Pendulum-v1", max_episode_steps=5, disable_env_checker=True)] * 2,
        {
            "normalize_obs": True,
            "normalize_reward": True,
        },
    ),
    "masks": ([lambda: Masked(truncate_at=3)] * 2, {}),
    "lstm": (COUNTING, {"lstm_size": 4, "num_steps": 4, "update_epochs": 1}),
    "target_kl": (COUNTING, {"target_kl": 1e-5, "update_epochs": 4}),
    "pictures": ([lambda: Pictures(terminate_at=3)] * 2, {"num_steps": 4}),
}


def train(case, mode, device, **more):
    """A short run on two groups of environments, and its last report. The first iteration that updates captures."""
    makers, settings = CASES[case]
    iterations = 3 if "normalize_obs" in settings else 2
    groups = [SyncVectorEnv(makers, autoreset_mode=AutoresetMode(mode)) for _ in range(2)]
    ppo = PPO(groups, device=device, **{**SETTINGS, **settings, **more})
    for _ in range(iterations):
        report = ppo.iterate()
    return ppo, report


def outcome(ppo, report):
    """All numbers that a run leaves, as tensors on the CPU."""
    tensors = [*ppo.learner.state.variables, *(x for x in (ppo.obs_normalizer,) if x is not None for x in x.buffers())]
    return on_cpu(tensors, report)


def simulate(case, mode, ordering, **more):
    """The outcome of a run on a simulated device."""
    with simulated(ordering) as device:
        result = outcome(*train(case, mode, "cuda", **more))
        device.finish()
    return result


def with_modes():
    """Every case with every mode; those that add little to the others are slow."""
    for case in CASES:
        for mode in AutoresetMode:
            common = mode is AutoresetMode.NEXT_STEP or case in ("categorical", "normalisers")
            yield pytest.param(case, mode.value, marks=() if common else pytest.mark.slow)


@pytest.mark.parametrize(("case", "mode"), list(with_modes()))
def test_every_ordering_gives_the_numbers_of_a_cpu(case, mode):
    expected = outcome(*train(case, mode, "cpu"))
    first = simulate(case, mode, None)
    assert_same(first, expected)
    names = list(ORDERINGS) if mode == "NextStep" else ["newest first"]
    for name in names:
        assert not differ(simulate(case, mode, ORDERINGS[name]), first), name
    if case == "categorical":
        assert_same(simulate(case, mode, shuffled(9), cuda_graphs=False), expected)


@pytest.fixture
def sound(request):
    """Settings, and the outcome of a run in which everything happens at once, before a fault is planted."""
    settings = getattr(request, "param", {})
    return settings, simulate("categorical", "NextStep", None, **settings)


def found(sound):
    """Whether some ordering shows that something is wrong."""
    settings, expected = sound
    for ordering in (early, late, shuffled(0)):
        try:
            if differ(simulate("categorical", "NextStep", ordering, **settings), expected):
                return True
        except (AssertionError, IndexError, RuntimeError, ValueError):  # numbers so wrong that something stopped
            return True
    return False


@pytest.mark.parametrize("sound", [{"num_steps": 16}], ids=["longer rollouts"], indirect=True)
def test_graphs_that_are_captured_on_one_stream_are_found(monkeypatch, sound):
    """They share a workspace, and run at the same time: what PyTorch does where no stream is named."""
    capture = torch.cuda.graph

    class OnOneStream(CudaGraph):
        def __init__(self, *arguments, **options):
            graph = torch.cuda.graph
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(torch.cuda, "graph", lambda g, **_: graph(g))
                super().__init__(*arguments, **options)

    assert not found(sound)
    monkeypatch.setattr("fastvec.train.rollout.cuda_sampler.CudaGraph", OnOneStream)
    assert found(sound)
    assert torch.cuda.graph is capture


def test_a_host_buffer_that_is_written_before_its_copy_is_over_is_found(monkeypatch, sound):
    def impatient(self):
        if self.impatient % 2:  # the actions of before
            self.chosen_on_host.synchronize()
        self.impatient += 1
        return self.host.numpy()

    monkeypatch.setattr(CudaSampler, "impatient", 0, raising=False)
    monkeypatch.setattr(CudaSampler, "actions", impatient)
    assert found(sound)


def test_noise_that_is_read_before_it_is_drawn_is_found(monkeypatch, sound):
    launch = CudaSampler.launch

    def unordered(self, t, noise):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(self.graph.stream), "wait_stream", lambda *_: None)
            launch(self, t, noise)

    monkeypatch.setattr(CudaSampler, "launch", unordered)
    assert found(sound)


def test_an_update_that_does_not_wait_for_the_estimate_is_found(monkeypatch, sound):
    def unordered(self):
        with torch.cuda.stream(self.stream):
            self._launch()

    monkeypatch.setattr(CudaGraph, "__call__", unordered)
    assert found(sound)


def test_state_that_a_capture_changes_and_nobody_names_is_found(monkeypatch, sound):
    init = CudaGraph.__init__
    monkeypatch.setattr(
        CudaGraph, "__init__", lambda self, work, **options: init(self, work, **{**options, "state": ()})
    )
    assert found(sound)


def test_actions_that_nothing_ever_waits_for_would_hang():
    with simulated(early) as device:
        event = Event()
        event.pending = 1
        device.current.wait_event(event)
        with pytest.raises(AssertionError, match="would hang"):
            torch.cuda.synchronize()
        event.pending = 0


def test_what_asks_the_device_cannot_be_captured():
    with simulated(None):
        value = torch.zeros((), device="cuda")
        with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
            CudaGraph(lambda: float(value), device=torch.device("cuda", 0))


def test_warming_up_leaves_state_as_it_was():
    with simulated(shuffled(4)) as device:
        x = torch.zeros(3, device="cuda")
        graph = CudaGraph(lambda: x.add_(1.0), device=torch.device("cuda", 0), state=[x])
        assert x.tolist() == [0.0] * 3
        for _ in range(2):
            graph()
        assert x.tolist() == [2.0] * 3
        assert cuda_graph.WARM_UP >= 1
        device.finish()
