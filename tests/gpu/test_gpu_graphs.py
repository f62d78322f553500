"""Captured graphs: the same numbers as operations one by one, whatever else the device does."""

from __future__ import annotations

import gc

import pytest
import torch
from gpu_support import CASES, MODES, SETTINGS, make, on_gpu

from fastvec.train import PPO
from fastvec.train.checkpoint import read_checkpoint
from fastvec.train.cuda_graph import CudaGraph
from fastvec.train.report import TrainingDiverged

pytestmark = on_gpu


def outcome(ppo):
    """Everything that training changes."""
    tensors = [*ppo.learner.state.variables]
    for module in (ppo.obs_normalizer, ppo.reward_normalizer):
        tensors += [] if module is None else list(module.buffers())
    return [tensor.clone() for tensor in tensors]


def assert_equal(some, others):
    for a, b in zip(some, others, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_captured_or_not_training_is_the_same(case, mode):
    runs = []
    for captured in (True, False):
        ppo = make(case, mode=mode, cuda_graphs=captured)
        for _ in range(4):
            report = ppo.iterate()
        runs.append((outcome(ppo), report.metrics, report.mean_return))
    for a, b in zip(runs[0][0], runs[1][0], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert runs[0][1] == pytest.approx(runs[1][1], rel=1e-2, abs=1e-4)
    assert runs[0][2] == pytest.approx(runs[1][2], nan_ok=True)


def test_ten_thousand_replays_of_two_graphs_at_once_change_no_number():
    ppo = make("images", matmul_precision="high")
    with ppo.computing(), torch.no_grad():
        inputs = torch.randint(0, 256, (4, 64, 4, 84, 84), dtype=torch.uint8, device="cuda")
        lanes = []
        for _ in range(2):
            obs, out = torch.zeros_like(inputs[0]), torch.zeros(64, 6, device="cuda")

            def work(obs=obs, out=out):
                out.copy_(ppo.policy.parameters(obs, None, None))

            lanes.append((obs, out, CudaGraph(work, device=ppo.device)))
        expected = torch.zeros(4, 64, 6, device="cuda")
        for i, rows in enumerate(inputs):
            for obs, out, graph in lanes:
                obs.copy_(rows)
                graph()
                torch.cuda.synchronize()
                if obs is lanes[0][0]:
                    expected[i] = out
                assert torch.equal(out, expected[i])
            torch.testing.assert_close(expected[i], ppo.policy.parameters(rows, None, None), rtol=1e-2, atol=1e-3)
        wrong = [torch.zeros((), dtype=torch.int64, device="cuda") for _ in lanes]
        torch.cuda.synchronize()
        for step in range(5_000):  # of each of the two, one a step ahead in the inputs
            for lane, (obs, out, graph) in enumerate(lanes):
                i = (step + lane) % 4
                with torch.cuda.stream(graph.stream):
                    obs.copy_(inputs[i])
                    graph.launch()
                    wrong[lane] += (out != expected[i]).any()
        torch.cuda.synchronize()
        assert [int(count) for count in wrong] == [0, 0]


def test_each_graph_has_a_stream_of_its_own():
    ppo = make()
    ppo.iterate(), ppo.iterate()
    graphs = [sampler.graph for sampler in ppo.collector.samplers]
    graphs += [ppo.captured_estimate.first, ppo.learner.captured_pass.graph]
    assert len({graph.stream.cuda_stream for graph in graphs}) == len(graphs)
    assert torch.cuda.current_stream().cuda_stream not in {graph.stream.cuda_stream for graph in graphs}


def test_two_trainers_take_turns_and_one_leaves():
    def alone(seed):
        ppo = make(seed=seed)
        for _ in range(6):
            ppo.iterate()
        return outcome(ppo)

    expected = [alone(seed) for seed in (1, 2)]
    first, second = make(seed=1), make(seed=2)
    for _ in range(3):
        first.iterate(), second.iterate()
    for _ in range(3):
        second.iterate()
    assert_equal(outcome(second), expected[1])
    del second
    gc.collect()
    torch.cuda.empty_cache()
    clutter = [torch.full((1 << 20,), float("nan"), device="cuda") for _ in range(64)]  # takes over freed memory
    for _ in range(3):
        first.iterate()
    assert_equal(outcome(first), expected[0])
    assert len(clutter) == 64


def test_evaluating_while_graphs_are_captured_changes_nothing():
    runs = []
    for evaluates in (False, True):
        ppo = PPO("CartPole-v1", **SETTINGS, num_envs=16)
        for _ in range(4):
            ppo.iterate()
            if evaluates:
                ppo.evaluate(5)
        runs.append(outcome(ppo))
        ppo.close()
    assert_equal(*runs)


@pytest.mark.parametrize("more", [{}, {"lstm_size": 8}, {"normalize_obs": True, "normalize_reward": True}])
def test_a_run_resumes_exactly(more, tmp_path):
    settings = {**SETTINGS, **more, "num_envs": 16}
    whole, first = PPO("CartPole-v1", **settings), PPO("CartPole-v1", **settings)
    for _ in range(5):
        whole.iterate()
    first.iterate(), first.iterate()
    first.save(tmp_path / "checkpoint.pt")
    second = PPO.load(tmp_path)
    for _ in range(3):
        second.iterate()
    assert_equal(outcome(whole), outcome(second))
    third = PPO.load(tmp_path)  # loading into what was captured already
    third.iterate()
    third._restore(read_checkpoint(tmp_path))
    for _ in range(3):
        third.iterate()
    assert_equal(outcome(whole), outcome(third))


def test_checkpoints_go_from_one_kind_of_device_to_the_other(tmp_path):
    settings = {**SETTINGS, "num_envs": 16, "normalize_reward": True}
    for here, there in (("cuda", "cpu"), ("cpu", "cuda")):
        first = PPO("CartPole-v1", **{**settings, "device": here, "env_groups": 2})
        first.iterate(), first.iterate()
        first.save(tmp_path / "checkpoint.pt")
        second = PPO.load(tmp_path, device=there)
        obs = first.collector.obs[-1].numpy()
        assert (first.predict(obs) == second.predict(obs)).all()
        assert second._started
        assert second.iterate().iteration == 3
        for ppo in (first, second):
            ppo.close()


@pytest.mark.parametrize("what", ["obs", "reward"])
def test_what_is_not_finite_is_named_and_the_update_on_it_undone(what):
    ppo = make(num_envs=8)
    ppo.iterate(), ppo.iterate()
    before = outcome(ppo)[:-1]  # but for the sums of metrics
    step = ppo.groups[1].step

    def broken(actions):
        observations, rewards, *rest = step(actions)
        (observations if what == "obs" else rewards)[1] = float("nan")
        return observations, rewards, *rest

    ppo.groups[1].step = broken
    with pytest.raises(TrainingDiverged, match=f"{what} is not finite"):
        ppo.iterate()
    assert_equal(outcome(ppo)[:-1], before)
