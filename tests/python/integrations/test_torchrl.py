"""TorchRL's GymWrapper on fastvec's vectors, against the same wrapper on Gymnasium's, and its PPO."""

from __future__ import annotations

import gymnasium as gym
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import fastvec

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
NUM_ENVS = 4
MODES = [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]


@pytest.fixture(scope="module", autouse=True)
def torchrl():
    """TorchRL warns of its own accord when it is imported."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("torchrl", exc_type=ImportError)
        yield pytest.importorskip("torchrl.envs.libs.gym", exc_type=ImportError)


def rollout(torchrl, envs, steps):
    env = torchrl.GymWrapper(envs)
    env.set_seed(3)
    generator = torch.Generator().manual_seed(0)

    def act(tensordict):
        choices = torch.randint(0, 2, (NUM_ENVS,), generator=generator)
        return tensordict.set("action", torch.nn.functional.one_hot(choices, 2))

    result = env.rollout(steps, policy=act, break_when_any_done=False)
    env.close()
    return result


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_rollout_is_that_of_gymnasiums_vector(torchrl, mode):
    make = [lambda: gym.make("CartPole-v1", max_episode_steps=25)] * NUM_ENVS
    expected = rollout(torchrl, SyncVectorEnv(make, autoreset_mode=mode), 200)
    envs = fastvec.make_vec("CartPole-v1", NUM_ENVS, autoreset_mode=mode, max_episode_steps=25)
    actual = rollout(torchrl, envs, 200)
    ends = actual["next", "done"]
    assert ends.sum() > 10
    assert actual["next", "truncated"].any()
    assert actual["next", "terminated"].any()
    # an episode's last observation is in "next", the first one of the next episode in the root of the row after it
    assert not torch.equal(
        actual["next", "observation"][:, :-1][ends[:, :-1, 0]], actual["observation"][:, 1:][ends[:, :-1, 0]]
    )
    for key in (
        "observation",
        "action",
        ("next", "observation"),
        ("next", "reward"),
        ("next", "done"),
        ("next", "terminated"),
    ):
        assert torch.equal(actual[key], expected[key]), key


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_the_specs_hold(torchrl, mode):
    from torchrl.envs.utils import check_env_specs

    env = torchrl.GymWrapper(fastvec.make_vec("Pendulum-v1", NUM_ENVS, autoreset_mode=mode))
    check_env_specs(env)
    env.close()


def test_torchrls_ppo_learns_on_it(torchrl):
    from tensordict.nn import TensorDictModule
    from torchrl.collectors import Collector
    from torchrl.modules import OneHotCategorical, ProbabilisticActor, ValueOperator
    from torchrl.objectives import ClipPPOLoss
    from torchrl.objectives.value import GAE

    torch.manual_seed(0)

    def net(outputs):
        return torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.Tanh(), torch.nn.Linear(64, outputs))

    env = torchrl.GymWrapper(fastvec.make_vec("CartPole-v1", 16, autoreset_mode="Disabled"))
    env.set_seed(0)
    actor = ProbabilisticActor(
        TensorDictModule(net(2), in_keys=["observation"], out_keys=["logits"]),
        in_keys=["logits"],
        distribution_class=OneHotCategorical,
        return_log_prob=True,
        spec=env.action_spec,
    )
    critic = ValueOperator(net(1), in_keys=["observation"])
    loss = ClipPPOLoss(actor, critic, entropy_coeff=0.0)
    advantage = GAE(gamma=0.99, lmbda=0.95, value_network=critic)
    optimizer = torch.optim.Adam(loss.parameters(), 1e-2)
    collector = Collector(env, actor, frames_per_batch=1024, total_frames=12_288)
    lengths = []
    for batch in collector:
        with torch.no_grad():
            advantage(batch)
        flat = batch.reshape(-1)
        for _ in range(4):
            for rows in torch.randperm(len(flat)).split(256):
                losses = loss(flat[rows])
                optimizer.zero_grad()
                (losses["loss_objective"] + losses["loss_critic"]).backward()
                optimizer.step()
        lengths.append(batch["next", "done"].numel() / max(1, int(batch["next", "done"].sum())))
    collector.shutdown()
    assert sum(lengths[-3:]) / 3 > 3 * lengths[0]


def test_the_mode_that_torchrl_refuses_is_said(torchrl):
    envs = fastvec.make_vec("CartPole-v1", 2)
    with pytest.raises(RuntimeError, match="SAME_STEP or DISABLED"):
        torchrl.GymWrapper(envs)
    envs.close()
