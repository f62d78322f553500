"""SAC's CUDA road on a simulated device: whatever order streams run in, the numbers are those of a CPU."""

from __future__ import annotations

import gymnasium as gym
import pytest
import torch

from fastvec.train import SAC
from fastvec.train.cuda_graph import CudaGraph
from fastvec.train.learner import captured_steps
from fastvec.train.learner.captured_steps import CapturedSteps
from support.simulated_cuda import ORDERINGS, early, late, shuffled, simulated
from support.simulated_cuda.outcomes import assert_same, differ, on_cpu
from support.train_envs import Counting, sync

SETTINGS = {
    "num_steps": 2,
    "learning_starts": 24,
    "updates_per_step": 0.4,  # 3 or 4 gradient steps after every 8 steps
    "batch_size": 8,
    "buffer_size": 40,
    "hidden_sizes": (8,),
    "actor_width": 8,
    "critic_width": 8,
    "num_atoms": 11,
    "learning_rate": 1e-2,
    "total_timesteps": 10**6,
    "compile": False,
}
CASES = {
    "mlp": {},
    "residual": {"network": "residual", "normalize_obs": True, "n_step": 3},
}


class Moving(Counting):
    """Like :class:`Counting`, with actions that are numbers, and small observations."""

    action_space = gym.spaces.Box(-2.0, 2.0, (2,))

    def _obs(self):
        return 0.1 * super()._obs()


@pytest.fixture(autouse=True)
def short_iterations(monkeypatch):
    monkeypatch.setattr("fastvec.train.sac.STEPS_PER_REPORT", 48)


def train(case, mode, device, **more):
    """A short run on two groups of two environments."""
    groups = [sync(mode, lambda: Moving(terminate_at=3), lambda: Moving(truncate_at=5)) for _ in range(2)]
    sac = SAC(groups, device=device, **{**SETTINGS, **CASES[case], **more})
    return sac, sac.iterate()


def outcome(sac, report):
    """All numbers that a run leaves, as tensors on the CPU."""
    replay = sac.replay
    tensors = [*sac.update.state.variables, replay.obs, replay.actions, replay.rewards, replay.last_obs]
    return on_cpu(tensors, report)


def simulate(case, mode, ordering, **more):
    """The outcome of a run on a simulated device."""
    with simulated(ordering) as device:
        result = outcome(*train(case, mode, "cuda", **more))
        device.finish()
    return result


@pytest.mark.parametrize("case", CASES)
def test_every_ordering_gives_the_numbers_of_a_cpu(case, autoreset_mode):
    expected = outcome(*train(case, autoreset_mode, "cpu"))
    first = simulate(case, autoreset_mode, None)
    assert_same(first, expected)
    names = list(ORDERINGS) if autoreset_mode == "NextStep" else ["newest first"]
    for name in names:
        assert not differ(simulate(case, autoreset_mode, ORDERINGS[name]), first), name
    assert_same(simulate(case, autoreset_mode, shuffled(9), cuda_graphs=False), expected)


def test_many_gradient_steps_are_several_graphs(monkeypatch):
    expected = simulate("mlp", "NextStep", None)
    monkeypatch.setattr(captured_steps, "STEPS_PER_GRAPH", 2)  # 3 gradient steps are two and one
    assert not differ(simulate("mlp", "NextStep", late), expected)


def test_a_buffer_that_does_not_fit_on_the_device_lies_on_the_host(autoreset_mode):
    expected = outcome(*train("residual", autoreset_mode, "cpu"))
    for ordering in (early, late):
        with simulated(ordering) as device, pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.cuda, "mem_get_info", lambda *_: (1000, 1000))
            sac, report = train("residual", autoreset_mode, "cuda")
            assert sac.replay.storage == torch.device("cpu")
            assert "of the host's memory: there is less on cuda:0" in sac.notes[0]
            assert_same(outcome(sac, report), expected)
            device.finish()


def test_a_buffer_that_fits_nowhere_is_refused_with_what_there_is(monkeypatch):
    monkeypatch.setattr("fastvec.train.rollout.replay.usable_memory", lambda: 2000)
    with simulated(None), pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "mem_get_info", lambda *_: (1000, 1000))
        with pytest.raises(ValueError, match=r"takes 0.0 GB, and there are 0.0 GB on cuda:0 and 0.0 GB on the host"):
            train("mlp", "NextStep", "cuda", buffer_size=400)


def test_a_checkpoint_goes_from_the_device_to_a_cpu(tmp_path):
    """With the buffer, whose last observations lie in a table of their own."""
    with simulated(late) as device:
        sac, _ = train("mlp", "SameStep", "cuda", save_replay=True)
        sac.save(tmp_path / "checkpoint.pt")
        kept, draws = sac.replay.state_dict(), sac.replay.sample(50)
        draws = [x.cpu() for x in draws]
        device.finish()
    groups = [sync("SameStep", lambda: Moving(terminate_at=3), lambda: Moving(truncate_at=5)) for _ in range(2)]
    other = SAC(groups, **{**SETTINGS, "seed": 9})
    other.replay.load_state_dict(kept)
    assert not differ(other.replay.sample(50), draws)


def test_steps_that_do_not_wait_for_their_batch_are_found(monkeypatch):
    expected = simulate("mlp", "NextStep", None)

    def unordered(self):
        with torch.cuda.stream(self.stream):
            self._launch()

    monkeypatch.setattr(CudaGraph, "__call__", unordered)
    assert any(differ(simulate("mlp", "NextStep", ordering), expected) for ordering in (early, late, shuffled(0)))


def test_a_batch_that_stays_the_one_of_the_capture_is_found(monkeypatch):
    expected = simulate("mlp", "NextStep", None)
    capture = CapturedSteps.capture_steps

    def apart(self, parts):
        held, graph = capture(self, parts)
        return [x.clone() for x in held], graph

    monkeypatch.setattr(CapturedSteps, "capture_steps", apart)
    assert differ(simulate("mlp", "NextStep", None), expected)


def test_gradient_steps_of_warming_up_that_count_are_found(monkeypatch):
    expected = simulate("mlp", "NextStep", None)
    init = CudaGraph.__init__
    monkeypatch.setattr(
        CudaGraph, "__init__", lambda self, work, **options: init(self, work, **{**options, "state": ()})
    )
    assert differ(simulate("mlp", "NextStep", None), expected)
