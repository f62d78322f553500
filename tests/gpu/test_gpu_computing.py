"""Acting, estimating and updating on a CUDA device, against float64 on the CPU."""

from __future__ import annotations

import pytest
import torch
from gpu_support import CASES, MODES, collect, double, error, exact, log_prob_and_entropy, make, on_gpu, plain_update

from fastvec.train.distributed import World

pytestmark = on_gpu


@pytest.mark.parametrize("case", CASES)
def test_actions_are_those_that_the_noise_picks_from_an_exact_network(case):
    ppo = make(case)
    ppo.iterate(), ppo.iterate()
    rollout, noise = collect(ppo)
    network, obs = exact(ppo.network), double(ppo.policy.normalize(rollout.obs))
    inputs = (obs,) if rollout.memory is None else (obs, double(rollout.memory), double(rollout.episode_starts))
    if rollout.memory is None:
        inputs = (obs[:-1].flatten(0, 1),)
    params = network(*inputs)[0].detach()
    params = params[:-1].flatten(0, 1) if rollout.memory is not None else params
    noise, actions = double(noise).flatten(0, 1), double(rollout.actions).flatten(0, 1)
    if case == "gaussian":
        mean, log_std = params.chunk(2, -1)
        assert error(actions, mean + log_std.exp() * noise) < 1e-5
        return
    if rollout.masks is not None:
        params = torch.where(double(rollout.masks).flatten(0, 1), params, -1e300)
    scores = (params + noise).split(ppo.head.nvec, -1)
    for score, action in zip(scores, actions.view(len(actions), -1).unbind(-1), strict=True):
        best, second = score.topk(2, -1).values.unbind(-1)
        clear = best - second > 1e-4
        assert clear.float().mean() > 0.9
        assert torch.equal(score.argmax(-1)[clear], action[clear])


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_an_iteration_is_that_of_plain_float64(case, mode, compiled):
    if compiled and (case == "lstm" or mode == "Disabled"):
        pytest.skip("compiled in the other cases")
    ppo = make(case, mode=mode, compile=compiled)
    for _ in range(2):  # captures, and with a normaliser primes it
        ppo.iterate()
    ppo.learner.load_state_dict({name: torch.zeros_like(x) for name, x in ppo.learner.state_dict().items()})
    before = exact(ppo.network)
    rollout, _ = collect(ppo)
    # Normalised before the statistics take this rollout in.
    obs = ppo.policy.normalize(rollout.obs).clone()
    finals = [
        (t, final.env_ids, torch.from_numpy(final.observations).to(ppo.device))
        for t, final in rollout.bootstrap_observations
    ]
    finals = [(t, env_ids, double(ppo.policy.normalize(rows))) for t, env_ids, rows in finals]
    batch, summary = ppo.captured_estimate(rollout)

    # Values and log-probabilities of before the update, and advantages by a loop.
    x = double(obs)
    if rollout.memory is None:
        steps, envs = rollout.rewards.shape
        params, values = (y.detach() for y in before(x.flatten(0, 1)))
        params, values = params.view(steps + 1, envs, -1)[:-1], values.view(steps + 1, envs)
    else:
        params, values, memories = (
            y.detach() for y in before(x, double(rollout.memory), double(rollout.episode_starts))
        )
        params = params[:-1]
    log_probs, _ = log_prob_and_entropy(ppo, params, double(rollout.actions), double(rollout.masks))
    following = values[1:].clone()
    for t, env_ids, rows in finals:
        for i, row in zip(env_ids, rows, strict=True):
            one = (row[None],) if rollout.memory is None else (row[None, None], memories[t, i][None], torch.zeros(1, 1))
            following[t, i] = before(*one)[1].detach().reshape(())
    rewards = double(rollout.rewards)
    if ppo.reward_normalizer is not None:
        rewards = (rewards * (double(ppo.reward_normalizer.moments.var) + 1e-8).rsqrt()).clamp(-10, 10)
    terminated, done = double(rollout.terminated), double(rollout.done)
    advantage, config = torch.zeros_like(rewards[0]), ppo.config
    advantages = torch.zeros_like(rewards)
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + config.gamma * following[t] * (1 - terminated[t]) - values[t]
        advantage = delta + config.gamma * config.gae_lambda * (1 - done[t]) * advantage
        advantages[t] = advantage
    kept = double(rollout.valid) == 1
    shape = rollout.rewards.shape
    assert error(double(batch.advantages).view(shape)[kept], advantages[kept]) < 1e-4
    assert error(double(batch.log_probs).view(shape)[kept], log_probs[kept]) < 1e-5
    returns, known_values = double(batch.returns).view(shape)[kept], values[:-1][kept]
    expected = 1 - (returns - known_values).var(correction=0) / returns.var(correction=0)
    assert float(summary[0]) == pytest.approx(float(expected), abs=1e-3)

    # The update on these rows.
    generator = torch.Generator(ppo.device).manual_seed(5)
    epochs = config.update_epochs if config.target_kl is None else 1
    orders = [torch.randperm(batch.num_rows, generator=generator, device=ppo.device) for _ in range(epochs)]
    copies = type(batch)(*[double(x) for x in batch])
    theta = ppo.learner.state.flat_parameters.clone()
    metrics = ppo.update(batch, torch.Generator(ppo.device).manual_seed(5))
    assert torch.isfinite(metrics).all()
    if config.target_kl is not None:
        taken = int(ppo.learner.state.step) // config.num_minibatches
        assert 1 <= taken < config.update_epochs  # stopped early
        generator = torch.Generator(ppo.device).manual_seed(5)
        orders = [torch.randperm(batch.num_rows, generator=generator, device=ppo.device) for _ in range(taken)]
    plain = exact(ppo.network)
    plain.load_state_dict(before.state_dict())
    plain_update(ppo, plain, copies, orders)
    changed = torch.cat([(p - q).flatten() for p, q in zip(plain.parameters(), before.parameters(), strict=True)])
    mine = torch.cat([p.double().cpu().flatten() for p in ppo.network.parameters()])
    old = torch.cat([p.flatten() for p in before.parameters()])
    assert not torch.equal(theta, ppo.learner.state.flat_parameters)
    assert error(mine - old, changed.detach()) < (2e-2 if case == "images" else 2e-3)  # Adam's first steps are signs


def test_summing_gradients_over_ranks_is_captured_as_well():
    import torch.distributed as dist

    if not dist.is_nccl_available():
        pytest.skip("this PyTorch has no NCCL")
    ppo = make(groups=1)
    ppo.iterate()
    rollout, _ = collect(ppo)
    batch, _ = ppo.captured_estimate(rollout)
    dist.init_process_group("nccl", store=dist.HashStore(), rank=0, world_size=1)
    try:
        results = []
        # One process plays a rank of two whose partner has nothing to add: sums over ranks go through NCCL.
        for world in (World(), World(rank=0, size=2)):
            twin = make(groups=1)
            learner = twin.make_learner(world=world)
            for _ in range(3):
                learner.update(batch, torch.Generator(ppo.device).manual_seed(3), epochs=twin.config.update_epochs)
            results.append(learner.state.flat_parameters.clone())
        torch.cuda.synchronize()
        torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-6)
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_less_exact_products_are_as_exact_as_they_say_and_the_process_keeps_its_setting(precision):
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    for case in ("categorical", "images"):
        ppo = make(case, matmul_precision=precision)
        ppo.iterate()
        rollout, _ = collect(ppo)
        network = exact(ppo.network)
        with ppo.computing():
            batch, _ = ppo.captured_estimate(rollout)
        values = network(double(rollout.obs[:-1]).flatten(0, 1))[1].detach()
        assert error(batch.values, values) < 2e-2
    assert before == (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)
