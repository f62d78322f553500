"""Checkpoints that older versions wrote are read, and their runs go on as they would have there.

``fixtures/format3.pt`` was written by commit ec08d38 after two iterations of the run whose settings it holds: CartPole,
an LSTM, both normalisers. What the run came to there, after all six iterations, is below.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import torch

from fastvec.train import PPO

FORMAT_3 = Path(__file__).parent / "fixtures" / "format3.pt"


def test_a_checkpoint_of_format_3_is_not_read_unless_it_is_trusted():
    with pytest.raises(ValueError, match=r"format3\.pt is a checkpoint of format 3 .* pass trust=True, or --trust"):
        PPO.load(FORMAT_3)


def test_a_run_of_format_3_goes_on_to_the_end_that_it_had():
    with pytest.warns(UserWarning, match="format 3, which is a pickle"):
        ppo = PPO.load(FORMAT_3, trust=True)
    with closing(ppo):
        assert (ppo.iteration, ppo.global_step, ppo.config.lstm_size) == (2, 32, 2)
        ppo.learn()
        assert list(ppo.episodes.recent) == [(13.0, 13), (14.0, 14), (47.0, 47)]
        parameters = torch.cat([p.detach().flatten() for p in ppo.network.parameters()])
        assert float(parameters.double().sum()) == pytest.approx(4.384349142375868, rel=1e-5)
        expected = torch.tensor([[-0.01723426, -0.24366787, 0.04012213, 0.32543463]])
        torch.testing.assert_close(ppo.collector.obs[-1, :1], expected)
