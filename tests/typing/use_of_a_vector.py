"""Not run: what a strict type checker has to accept. README's example first, then what else a vector has."""

# ruff: noqa: E402
import fastvec

envs = fastvec.make_vec("CartPole-v1", num_envs=1024)
observations, infos = envs.reset(seed=0)
observations, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())
envs.close()

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

envs = fastvec.make_vec(
    "CartPole-v1", 8, autoreset_mode=AutoresetMode.SAME_STEP, batch_size=4, sutton_barto_reward=True
)
envs.set_attr("gravity", [9.8] * 8)
gravities: tuple[Any, ...] = envs.get_attr("gravity")
poles: tuple[Any, ...] = envs.call("state")
size: int = envs.bytes_per_env
names: tuple[str, ...] = envs.parameters
limit: int | None = envs.max_episode_steps
fields = {key: dtype for key, dtype, _ in envs.info_fields}
state: bytes = envs.get_state()
envs.set_state(state, np.arange(8))
envs.async_reset(seed=3)
batch = envs.recv(timeout=1.0, batch_size=envs.num_in_flight)
envs.send(envs.action_space.sample(), batch[4]["env_id"])
frames: tuple[Any, ...] | None = envs.render()
mode: AutoresetMode = envs.autoreset_mode
seeds: tuple[int, ...] = envs.np_random_seed
envs.reset(seed=[1, None] * 4, options={"reset_mask": np.ones(8, np.bool_)})
ids: list[str] = fastvec.list_envs()


def make_env() -> gymnasium.Env[Any, Any]:
    return gymnasium.make("CartPole-v1")


of_callables: fastvec.VectorEnv = fastvec.make_vec([make_env, make_env], num_workers=1)
assert envs.spec is not None
from_spec: fastvec.VectorEnv = fastvec.make_vec(envs.spec, 2, "sync", {"copy": False}, [gymnasium.wrappers.ClipReward])
