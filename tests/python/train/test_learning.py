"""The trainer learns."""

from __future__ import annotations

import pytest
import torch

from fastvec.train import PPO


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_cartpole_is_learned_from_little(mode):
    settings = {"total_timesteps": 40_000, "update_epochs": 10, "anneal_lr": False, "anneal_clip": False}
    ppo = PPO("CartPole-v1", seed=2, autoreset_mode=mode, compile=False, **settings)
    before = ppo.evaluate(20).mean_return
    after = ppo.learn().evaluate(20).mean_return
    ppo.close()
    assert before < 200
    assert after > 300


def test_no_tensor_of_the_trainer_is_float64():
    ppo = PPO(
        "Pendulum-v1",
        num_envs=4,
        num_steps=16,
        num_minibatches=2,
        total_timesteps=256,
        normalize_obs=True,
        normalize_reward=True,
        compile=False,
    )
    seen = set()

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            for value in result if isinstance(result, tuple | list) else [result]:
                if isinstance(value, torch.Tensor):
                    seen.add((value.dtype, getattr(function, "__name__", "?")))
            return result

    with Watch():
        ppo.learn()
    ppo.close()
    assert {name for dtype, name in seen if dtype == torch.float64} == set()
    assert torch.float32 in {dtype for dtype, _ in seen}
