"""The learner takes any loss: here, least squares against PyTorch's own Adam."""

from __future__ import annotations

import copy
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from fastvec.train import PPO
from fastvec.train.checkpoint import read_checkpoint, write_checkpoint
from fastvec.train.distributed import ALONE
from fastvec.train.jit import can_compile
from fastvec.train.learner.adam import AdamSettings
from fastvec.train.learner.learner import Learner
from fastvec.train.learner.minibatch_threads import MinibatchThreads


class Points(NamedTuple):
    obs: Tensor
    targets: Tensor

    @property
    def num_rows(self):
        return len(self.obs)

    def take(self, rows):
        return Points(self.obs[rows], self.targets[rows])


class LeastSquares:
    metrics = ("squares", "weight")

    def moments(self, batch, minibatches=None, world=ALONE):
        sizes = [batch.num_rows] if minibatches is None else [len(rows) for rows in minibatches]
        return [torch.tensor(1.0 / size) for size in sizes]

    def __call__(self, forward, part, moments, scalars):
        squares = (forward(part.obs) - part.targets).square().sum() * moments
        return scalars["weight"] * squares, torch.stack([squares, scalars["weight"] * moments * len(part.obs)]).detach()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "compiles", [False, pytest.param(True, marks=pytest.mark.skipif(not can_compile(), reason="this PyTorch cannot"))]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_loss_of_ones_own_is_made_smaller_as_by_torch_adam(threads, compiles):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    points = Points(torch.randn(32, 3), torch.randn(32, 2))
    reference = copy.deepcopy(network)
    optimizer = torch.optim.Adam(reference.parameters(), lr=0.01, eps=1e-8)
    learner = Learner(
        network,
        LeastSquares(),
        AdamSettings(0.01, eps=1e-8, max_grad_norm=1.0),
        num_minibatches=4,
        scalars={"weight": 2.0},
        stateless=True,
        compiles=compiles,
        threads=None if threads == 1 else MinibatchThreads(threads, torch_threads=1),
    )
    for weight in (2.0, 0.5):
        learner.set_scalar("weight", weight)
        optimizer.param_groups[0]["lr"] *= weight
        learner.set_learning_rate(learner.learning_rate * weight)
        means = learner.update(points, torch.Generator().manual_seed(3), epochs=3)
        drawn, sums = torch.Generator().manual_seed(3), torch.zeros(3)
        for _ in range(3):
            for rows in torch.randperm(32, generator=drawn).view(4, 8):
                optimizer.zero_grad()
                squares = (reference(points.obs[rows]) - points.targets[rows]).square().sum() / 8
                (weight * squares).backward()
                norm = nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
                optimizer.step()
                sums += torch.tensor([squares.detach(), weight, float(norm)])
        assert learner.metrics == ("squares", "weight", "grad_norm")
        torch.testing.assert_close(means, sums / 12, rtol=1e-4, atol=1e-5)
        for mine, other in zip(network.parameters(), reference.parameters(), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_of_another_algorithm_is_refused(tmp_path):
    ppo = PPO("CartPole-v1", num_envs=2, num_steps=4, num_minibatches=1, total_timesteps=8, compile=False)
    ppo.save(tmp_path / "checkpoint.pt")
    ppo.close()
    write_checkpoint(tmp_path / "checkpoint.pt", {**read_checkpoint(tmp_path), "algorithm": "dreamer"})
    with pytest.raises(ValueError, match="expected a checkpoint of ppo, got one of dreamer"):
        PPO.load(tmp_path)
