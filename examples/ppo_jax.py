"""PPO in JAX on fastvec.jax: rollout, advantages and update in one jit.

    pip install "fastvec[jax]" equinox optax
    python examples/ppo_jax.py --env-id CartPole-v1

The envs step in C++ inside the compiled loop, as a pure function of their state: the carry of `lax.scan` holds them
beside the network and the optimiser, and no Python runs until a report is due. For envs with Box observations and
Discrete actions.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import fastvec.jax


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings; `--total-steps` and so on."""

    env_id: str = "CartPole-v1"
    total_steps: int = 1_000_000  # env steps; training ends before, at `goal`
    goal: float = 475.0  # mean return of the episodes that ended since the last report
    num_envs: int = 64
    num_steps: int = 64  # of a rollout
    num_minibatches: int = 8
    num_epochs: int = 8
    updates_per_report: int = 8
    learning_rate: float = 1e-3
    discount: float = 0.99
    gae_lambda: float = 0.95
    clip: float = 0.2
    value_coefficient: float = 0.5
    entropy_coefficient: float = 0.005
    max_gradient_norm: float = 0.5
    seed: int = 0


class ActorCritic(eqx.Module):
    """Two networks: logits of the actions, and the value of an observation."""

    actor: eqx.nn.MLP
    critic: eqx.nn.MLP

    def __init__(self, observation_size: int, num_actions: int, key: jax.Array) -> None:
        actor_key, critic_key = jax.random.split(key)
        self.actor = eqx.nn.MLP(observation_size, num_actions, 64, 2, jnp.tanh, key=actor_key)
        self.critic = eqx.nn.MLP(observation_size, "scalar", 64, 2, jnp.tanh, key=critic_key)


class Transition(NamedTuple):
    """One step of all envs, an array per field."""

    observation: jax.Array
    action: jax.Array
    log_prob: jax.Array
    reward: jax.Array
    terminated: jax.Array
    done: jax.Array  # terminated or truncated
    final_observation: jax.Array  # of episodes that are done; zeros else


class Carry(NamedTuple):
    """All that training goes on from. A pytree: saved and loaded, training goes on bit for bit."""

    params: Any
    optimizer: Any
    envs: fastvec.jax.State
    observation: jax.Array
    episode_return: jax.Array  # of the episodes under way
    key: jax.Array


def log_prob_of(logits: jax.Array, action: jax.Array) -> jax.Array:
    return jnp.take_along_axis(jax.nn.log_softmax(logits), action[..., None], axis=-1)[..., 0]


def advantages_of(config: Config, values: jax.Array, next_values: jax.Array, steps: Transition) -> jax.Array:
    """Generalised advantage estimates, (num_steps, num_envs); `next_values` are those of the same episodes."""
    deltas = steps.reward + config.discount * next_values * ~steps.terminated - values

    def back(advantage: jax.Array, row: Any) -> Any:
        delta, done = row
        advantage = delta + config.discount * config.gae_lambda * ~done * advantage
        return advantage, advantage

    return jax.lax.scan(back, jnp.zeros_like(values[0]), (deltas, steps.done), reverse=True)[1]


def make_train(config: Config) -> tuple[Carry, Any]:
    """(what training begins with, a jitted function that trains for `updates_per_report` updates)."""
    # With SameStep every row of a rollout is a step of an episode; `final_obs` is where the one that ended got to.
    env = fastvec.jax.make(config.env_id, config.num_envs, autoreset_mode="SameStep")
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.max_gradient_norm), optax.adam(config.learning_rate, eps=1e-5)
    )
    key, network_key, env_key = jax.random.split(jax.random.key(config.seed), 3)
    sizes = env.single_observation_space.shape[0], int(env.single_action_space.n)
    params, static = eqx.partition(ActorCritic(*sizes, key=network_key), eqx.is_array)

    def logits_of(params: Any, observations: jax.Array) -> jax.Array:
        return jnp.vectorize(eqx.combine(params, static).actor, signature="(i)->(o)")(observations)

    def value_of(params: Any, observations: jax.Array) -> jax.Array:
        return jnp.vectorize(eqx.combine(params, static).critic, signature="(i)->()")(observations)

    def step(carry: Carry, _: Any) -> tuple[Carry, Any]:
        key, action_key = jax.random.split(carry.key)
        logits = logits_of(carry.params, carry.observation)
        action = jax.random.categorical(action_key, logits)
        envs, row = env.step(carry.envs, action)
        done = row.terminated | row.truncated
        total = carry.episode_return + row.reward
        made = Transition(
            carry.observation,
            action,
            log_prob_of(logits, action),
            row.reward,
            row.terminated,
            done,
            row.info["final_obs"],
        )
        ended = jnp.where(done, total, 0.0).sum(), done.sum()
        carry = carry._replace(
            envs=envs, observation=row.observation, episode_return=jnp.where(done, 0.0, total), key=key
        )
        return carry, (made, ended)

    def loss_of(params: Any, batch: Any) -> jax.Array:
        steps, advantage, target = batch
        log_probs = jax.nn.log_softmax(logits_of(params, steps.observation))
        ratio = jnp.exp(jnp.take_along_axis(log_probs, steps.action[:, None], axis=1)[:, 0] - steps.log_prob)
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        clipped = jnp.clip(ratio, 1.0 - config.clip, 1.0 + config.clip)
        policy_loss = -jnp.minimum(ratio * advantage, clipped * advantage).mean()
        value_loss = 0.5 * jnp.square(value_of(params, steps.observation) - target).mean()
        entropy = -(jnp.exp(log_probs) * log_probs).sum(axis=1).mean()
        return policy_loss + config.value_coefficient * value_loss - config.entropy_coefficient * entropy

    def learn(state: Any, batch: Any) -> Any:
        params, optimizer_state = state
        updates, optimizer_state = optimizer.update(jax.grad(loss_of)(params, batch), optimizer_state, params)
        return (optax.apply_updates(params, updates), optimizer_state), None

    def update(carry: Carry, _: Any) -> tuple[Carry, Any]:
        carry, (steps, ended) = jax.lax.scan(step, carry, length=config.num_steps)
        values = value_of(carry.params, steps.observation)
        following = jnp.concatenate([steps.observation[1:], carry.observation[None]])
        following = jnp.where(steps.done[..., None], steps.final_observation, following)
        advantages = advantages_of(config, values, value_of(carry.params, following), steps)
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), (steps, advantages, advantages + values))
        key, *epoch_keys = jax.random.split(carry.key, config.num_epochs + 1)
        size = config.num_steps * config.num_envs
        orders = jnp.concatenate([jax.random.permutation(epoch_key, size) for epoch_key in epoch_keys])
        orders = orders.reshape(config.num_epochs * config.num_minibatches, -1)
        (params, optimizer_state), _ = jax.lax.scan(
            lambda state, order: learn(state, jax.tree.map(lambda x: x[order], flat)),
            (carry.params, carry.optimizer),
            orders,
        )
        return carry._replace(params=params, optimizer=optimizer_state, key=key), jax.tree.map(jnp.sum, ended)

    def train(carry: Carry) -> tuple[Carry, Any]:
        return jax.lax.scan(update, carry, length=config.updates_per_report)

    envs, first = env.reset(env_key)
    carry = Carry(params, optimizer.init(params), envs, first.observation, jnp.zeros(config.num_envs), key)
    return carry, jax.jit(train, donate_argnums=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in dataclasses.fields(Config):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    config = Config(**vars(parser.parse_args()))
    carry, train = make_train(config)
    train = train.lower(carry).compile()
    start, steps = time.perf_counter(), 0
    while steps < config.total_steps:
        carry, (returns, episodes) = train(carry)
        mean = float(returns.sum() / jnp.maximum(episodes.sum(), 1))
        steps += config.updates_per_report * config.num_steps * config.num_envs
        seconds = time.perf_counter() - start
        print(f"{steps:>9,} steps  {seconds:6.2f} s  return {mean:6.1f} of {int(episodes.sum())} episodes", flush=True)
        if mean >= config.goal:
            break


if __name__ == "__main__":
    main()
