"""Soft actor-critic against slow, obvious formulas."""

from __future__ import annotations

import copy
import json

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from fastvec.cli.eval import main as eval_main
from fastvec.cli.train import main as train_main
from fastvec.train import PPO, SAC, SACConfig
from fastvec.train.distributions import ScaledActionDecoder, TanhGaussian
from fastvec.train.export import export_policy
from fastvec.train.jit import can_compile
from fastvec.train.networks.soft import SoftActorCritic
from fastvec.train.normalize import ReturnScale
from fastvec.train.rollout.replay import Transitions
from fastvec.train.soft_step import METRICS, project_distribution
from fastvec.train.soft_update import SoftUpdate, soft_parts_for
from support.train_envs import Counting, sync

SMALL = {
    "num_envs": 4,
    "num_steps": 2,
    "learning_starts": 200,
    "batch_size": 16,
    "buffer_size": 600,
    "updates_per_step": 1 / 16,
    "actor_width": 8,
    "critic_width": 8,
    "num_atoms": 11,
    "hidden_sizes": (8, 8),
    "total_timesteps": 3 * 1024,
    "compile": False,
    "seed": 5,
}


class BoxCounting(Counting):
    action_space = gym.spaces.Box(np.float32([-2.0, 0.0]), np.float32([3.0, 1000.0]))


def random_batches(count, rows, num_obs=3, num_actions=2):
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    batches = Transitions(
        obs=draw(count, rows, num_obs),
        actions=draw(count, rows, num_actions).tanh(),
        rewards=draw(count, rows),
        next_obs=draw(count, rows, num_obs),
        discounts=torch.where(torch.rand(count, rows, generator=generator) < 0.2, 0.0, 0.9),
    )
    return batches, draw(count, 2, rows, num_actions)


def made(seed=0, **settings):
    torch.manual_seed(seed)
    config = SACConfig(**{"network": "mlp", "scale_rewards": False, "hidden_sizes": (16, 16), **settings})
    return SoftActorCritic(3, 2, config), config


def test_squashed_normals_have_torchs_density():
    params, noise = torch.randn(50, 6) * 1.5, torch.randn(50, 3)
    mean, log_std = params.double().chunk(2, -1)
    reference = TransformedDistribution(Independent(Normal(mean, log_std.exp()), 1), TanhTransform(cache_size=1))
    distribution = TanhGaussian(3)
    actions, log_prob = distribution.sample_with_log_prob(params, noise)
    before = mean + log_std.exp() * noise.double()
    torch.testing.assert_close(actions.double(), before.tanh(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(actions, distribution.sample(params, noise))
    exact = reference.base_dist.log_prob(before) - TanhTransform().log_abs_det_jacobian(before, before.tanh()).sum(-1)
    torch.testing.assert_close(log_prob.double(), exact, rtol=1e-4, atol=1e-4)
    inside = before.abs().amax(-1) < 3.0  # nearer to the edge, float32 has no digits left
    torch.testing.assert_close(
        distribution.log_prob(params, actions)[inside].double(), exact[inside], rtol=1e-2, atol=1e-2
    )
    far = distribution.sample_with_log_prob(torch.tensor([[40.0, 0.0]]), torch.zeros(1, 1))[1]
    assert torch.isfinite(far).all()


def test_actions_reach_the_bounds_of_their_space():
    space = BoxCounting.action_space
    actions = ScaledActionDecoder(space)(torch.tensor([[-1.0, -1.0], [0.0, 0.5], [1.0, 1.0]]))
    np.testing.assert_allclose(actions, [[-2.0, 0.0], [0.5, 750.0], [3.0, 1000.0]])
    assert actions.dtype == space.dtype


def test_a_distribution_is_projected_as_by_a_loop():
    rng = np.random.default_rng(0)
    support = torch.linspace(-2.0, 2.0, 9)
    probabilities = torch.softmax(torch.from_numpy(rng.normal(size=(40, 9))).float(), -1)
    values = torch.from_numpy(rng.normal(scale=2.0, size=(40, 9))).float()
    values[0] = support  # exactly on it
    expected = np.zeros((40, 9))
    for b in range(40):
        for atom in range(9):
            place = (min(max(float(values[b, atom]), -2.0), 2.0) + 2.0) / 0.5
            low = min(int(np.floor(place)), 7)
            expected[b, low] += float(probabilities[b, atom]) * (1.0 - (place - low))
            expected[b, low + 1] += float(probabilities[b, atom]) * (place - low)
    projected = project_distribution(probabilities, values, support)
    np.testing.assert_allclose(projected.numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(projected[0].numpy(), probabilities[0].numpy(), atol=1e-6)


class PlainSAC:
    """The same by PyTorch's own modules, optimisers and ``backward``, one critic after the other."""

    def __init__(self, network, config):
        def critic(i):
            layers = [layer for layer in network.critic_net.layers if hasattr(layer, "weight")]
            made = []
            for layer in layers:
                plain = nn.Linear(layer.weight.shape[1], layer.weight.shape[2])
                plain.weight.data = layer.weight.data[i].t().clone()
                plain.bias.data = layer.bias.data[i, 0].clone()
                made += [plain, nn.ReLU()]
            return nn.Sequential(*made[:-1])

        self.actor = copy.deepcopy(network.actor_net)
        self.critics = [critic(0), critic(1)]
        self.targets = copy.deepcopy(self.critics)
        self.log_alpha = torch.tensor(config.initial_temperature).log().requires_grad_()
        self.config = config
        parameters = [p for critic in self.critics for p in critic.parameters()]
        settings = {"lr": config.learning_rate, "eps": config.adam_eps}
        self.of_actor = torch.optim.Adam(self.actor.parameters(), **settings)
        self.of_critics = torch.optim.Adam(parameters, **settings)
        self.of_alpha = torch.optim.Adam([self.log_alpha], **settings)

    def act(self, obs, noise):
        mean, log_std = self.actor(obs).chunk(2, -1)
        log_std = -5.0 + 3.5 * (log_std.tanh() + 1.0)
        u = mean + log_std.exp() * noise
        log_prob = Normal(mean, log_std.exp()).log_prob(u).sum(-1) - torch.log(1.0 - u.tanh() ** 2 + 1e-9).sum(-1)
        return u.tanh(), log_prob

    def step(self, batch, noise):
        def value(critics, obs, actions):
            return torch.stack([critic(torch.cat([obs, actions], -1)).squeeze(-1) for critic in critics])

        alpha = self.log_alpha.exp().detach()
        with torch.no_grad():
            actions, log_prob = self.act(batch.next_obs, noise[0])
            bootstrap = value(self.targets, batch.next_obs, actions).min(0).values - alpha * log_prob
            target = batch.rewards + batch.discounts * bootstrap
        first, second = value(self.critics, batch.obs, batch.actions)
        critic_loss = nn.functional.mse_loss(first, target) + nn.functional.mse_loss(second, target)
        self.of_critics.zero_grad()
        critic_loss.backward()
        self.of_critics.step()
        actions, log_prob = self.act(batch.obs, noise[1])
        actor_loss = (alpha * log_prob - value(self.critics, batch.obs, actions).min(0).values).mean()
        self.of_actor.zero_grad()
        actor_loss.backward()
        self.of_actor.step()
        alpha_loss = -(self.log_alpha * (log_prob.mean().detach() - 2.0))
        self.of_alpha.zero_grad()
        alpha_loss.backward()
        self.of_alpha.step()
        for critic, slow in zip(self.critics, self.targets, strict=True):
            for p, q in zip(critic.parameters(), slow.parameters(), strict=True):
                q.data.mul_(1.0 - self.config.tau).add_(self.config.tau * p.data)
        return [x.item() for x in (critic_loss, actor_loss, -log_prob.mean(), alpha, (first + second).mean() / 2)]


def test_gradient_steps_are_those_of_plain_torch():
    network, config = made(learning_rate=3e-3, tau=0.1)
    plain = PlainSAC(network, config)
    update = SoftUpdate(network, 2, config)
    batches, noise = random_batches(6, 32)
    means = update(batches, noise)
    seen = [plain.step(Transitions(*(x[k] for x in batches)), noise[k]) for k in range(6)]
    assert dict(zip(METRICS, means.tolist(), strict=True)) == pytest.approx(
        dict(zip(METRICS, np.mean(seen, 0).tolist(), strict=True)), rel=1e-3
    )
    for mine, other in zip(network.actor_net.parameters(), plain.actor.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(update.temperature.log_alpha[0], plain.log_alpha, rtol=1e-4, atol=1e-5)
    target = update.layouts[1].split(update.state.target)
    for i in range(2):
        for name, slow in (("layers.0", plain.targets[i][0]), ("layers.4", plain.targets[i][4])):
            torch.testing.assert_close(target[f"{name}.weight"][i].t(), slow.weight, rtol=1e-3, atol=1e-5)


def test_weights_of_residual_networks_keep_length_one_and_their_critics_learn():
    network, config = made(network="residual", scale_rewards=True, actor_width=8, critic_width=8, num_atoms=21)
    update = SoftUpdate(network, 2, config)
    batches, noise = random_batches(1, 64)
    repeated = Transitions(*(x.expand(60, *x.shape[1:]) for x in batches))
    first = float(update(Transitions(*(x[:1] for x in repeated)), noise.expand(1, *noise.shape[1:]))[0])
    update(repeated, noise.expand(60, *noise.shape[1:]))
    last = float(update(Transitions(*(x[:1] for x in repeated)), noise.expand(1, *noise.shape[1:]))[0])
    assert last < first
    weights = [p for name, p in network.named_parameters() if name.endswith("unit_weight")]
    assert len(weights) == 10
    for weight in weights:
        torch.testing.assert_close(weight.norm(dim=-2), torch.ones_like(weight[:, 0]))


@pytest.mark.skipif(not can_compile(), reason="this PyTorch cannot compile whole updates")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("num_threads", [1, 2, 4])
@pytest.mark.parametrize("network", ["mlp", "residual"])
def test_compiled_steps_are_the_eager_ones_in_any_number_of_threads(network, num_threads):
    results = []
    for compiles in (False, True):
        made_of = {"network": network, "scale_rewards": network == "residual", "learning_rate": 3e-3, "tau": 0.1}
        module, config = made(**made_of, hidden_sizes=(8, 8), actor_width=8, critic_width=8, num_atoms=11)
        update = SoftUpdate(module, 2, config, compiles=compiles, num_threads=num_threads)
        assert update.num_parts == (num_threads if compiles else 1)
        batches, noise = random_batches(4, 16)
        update(batches, noise)
        metrics = update(Transitions(*(x[:3] for x in batches)), noise[:3])  # other tensors, and fewer
        state = update.state
        results.append((metrics, *(part.flat_parameters for part in state[:3]), state.target))
    for eager, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, eager, rtol=1e-3, atol=1e-4)


def test_a_batch_is_cut_where_its_parts_are_worth_a_thread(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr("fastvec.train.devices.usable_cores", lambda: 6)

    def parts(**settings):
        return soft_parts_for(*made(**settings))

    assert parts(hidden_sizes=(256, 256), batch_size=256) == 4  # 6 and 5 do not divide it
    assert parts(hidden_sizes=(256, 256), batch_size=64) == 2  # of 32 rows
    assert parts(hidden_sizes=(256, 256), batch_size=63) == 1
    assert parts(hidden_sizes=(8, 8), batch_size=256) == 1  # too little to do
    assert parts(hidden_sizes=(256, 256), batch_size=256, torch_threads=1) == 1
    assert parts(hidden_sizes=(8, 8), batch_size=256, torch_threads=2) == 2


def test_rewards_are_scaled_by_the_deviation_of_returns_or_by_their_peak():
    scale = ReturnScale(2, 0.9, 5.0)
    rewards = torch.tensor([[1.0, -2.0], [3.0, 4.0], [100.0, 0.5]])
    done = torch.tensor([[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    scale.take_in(rewards, done, torch.ones(3, 2))
    returns = np.array([[1.0, -2.0], [3.9, 4.0], [103.51, 4.1]])
    assert float(scale.factor) == pytest.approx(1.0 / max(returns.std(), 103.51 / 5.0), rel=1e-4)


def test_a_run_resumes_bit_for_bit_with_its_replay_buffer(tmp_path):
    settings = {**SMALL, "save_replay": True}
    whole = SAC("Pendulum-v1", **settings).learn()
    first = SAC("Pendulum-v1", **settings)
    first.iterate(), first.iterate()
    first.save(tmp_path / "checkpoint.pt")
    first.iterate()  # what comes after the checkpoint is of no account
    second = SAC.load(tmp_path)
    assert second.global_step == 2 * 1024
    second.learn()
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name]), name
    assert torch.equal(whole.update.state.target, second.update.state.target)
    assert torch.equal(whole.replay.obs, second.replay.obs)
    assert whole.episodes.recent == second.episodes.recent
    for sac in (whole, first, second):
        sac.close()


def test_without_its_replay_buffer_a_run_fills_a_new_one_first(tmp_path):
    first = SAC("Pendulum-v1", **SMALL)
    first.iterate()
    first.save(tmp_path / "checkpoint.pt")
    second = SAC.load(tmp_path, learning_starts=2048)
    before = second.update.state.actor.flat_parameters.clone()
    assert second.iterate().metrics == {}
    assert torch.equal(before, second.update.state.actor.flat_parameters)
    assert len(second.replay) > 0
    with pytest.raises(ValueError, match="expected a checkpoint of ppo, got one of sac"):
        PPO.load(tmp_path)
    first.close(), second.close()


@pytest.mark.parametrize("network", ["mlp", "residual"])
def test_all_modes_train_and_a_file_of_the_policy_acts_alike(autoreset_mode, network, tmp_path):
    envs = sync(autoreset_mode, *[lambda: BoxCounting(truncate_at=9), lambda: BoxCounting(terminate_at=7)])
    settings = {**SMALL, "num_envs": 2, "n_step": 3, "total_timesteps": 2048}
    sac = SAC(envs, **settings, network=network, scale_rewards=network == "residual")
    report = sac.iterate()
    assert set(report.metrics) == set(METRICS)
    assert all(np.isfinite(value) for value in report.metrics.values())
    observations = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    greedy = sac.predict(observations)
    assert greedy.shape == (5, 2)
    assert all(BoxCounting.action_space.contains(action) for action in greedy)
    export_policy(sac.policy, tmp_path / "policy.pt2")
    loaded = torch.export.load(tmp_path / "policy.pt2").module()
    np.testing.assert_allclose(loaded(torch.from_numpy(observations)).numpy(), greedy, rtol=1e-4, atol=1e-4)
    sac.close()


def test_spaces_that_sac_cannot_work_with_are_named():
    with pytest.raises(TypeError, match=r"SAC needs float Box actions, got Discrete\(2\)"):
        SAC("CartPole-v1", compile=False)
    with pytest.raises(ValueError, match="a residual network needs scale_rewards"):
        SACConfig(network="residual", scale_rewards=False)
    with pytest.raises(ValueError, match="updates_per_step must be positive and finite, got 0"):
        SACConfig(updates_per_step=0)


def test_the_command_line_trains_and_evaluates(tmp_path, capfd):
    words = [
        *("--algo", "sac", "--total-timesteps", "1024", "--learning-starts", "100", "--batch-size", "16"),
        *("--updates-per-step", "0.02", "--no-compile", "--eval-episodes", "2", "--run-dir", str(tmp_path / "run")),
    ]
    assert train_main(["Pendulum-v1", *words, "--json"]) == 0
    captured = capfd.readouterr()
    assert json.loads(captured.out)["total_timesteps"] == 1024
    assert "Pendulum-v1 by SAC on cpu" in captured.err
    assert "a replay buffer of 1,000,000 steps takes 0.031 GB" in captured.err  # 31 bytes a step
    assert "no gradient steps" not in captured.err
    assert eval_main([str(tmp_path / "run"), "--episodes", "2", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["episodes"] == 2
    assert train_main(["--resume", str(tmp_path / "run"), "--algo", "ppo"]) == 2
    assert "is a run of sac, not of ppo" in capfd.readouterr().err


def test_a_run_that_ends_before_learning_starts_says_so(tmp_path, capfd):
    words = ["--algo", "sac", "--total-timesteps", "1024", "--learning-starts", "1024", "--eval-episodes", "0"]
    assert train_main(["Pendulum-v1", *words, "--run-dir", str(tmp_path / "run")]) == 0
    assert "no gradient steps: learning_starts is 1,024, and the run ends after 1,024" in capfd.readouterr().out


@pytest.mark.slow
def test_sac_learns_pendulum_in_20_000_steps():
    sac = SAC("Pendulum-v1")
    sac.learn()
    assert sac.evaluate(100, seed=7).mean_return >= -160
    sac.close()
