"""Settings that cannot be meant are refused before anything is made, by a message that names them."""

from __future__ import annotations

import dataclasses

import pytest

from fastvec.train.config import PPOConfig
from fastvec.train.presets import PPO_BY_ENV, preset

NAN, INF = float("nan"), float("inf")
WRONG = {
    "total_timesteps": (0, -1),
    "num_envs": (0,),
    "num_steps": (0,),
    "num_minibatches": (0,),
    "update_epochs": (-3,),
    "learning_rate": (-1e-3, NAN, INF),
    "gamma": (-0.1, 1.1, NAN),
    "gae_lambda": (-0.1, 1.1, NAN),
    "clip_coef": (0.0, -0.2, NAN, INF),
    "ent_coef": (NAN, INF),
    "vf_coef": (-0.5, NAN),
    "max_grad_norm": (0.0, -1.0, NAN),
    "target_kl": (0.0, -0.01, NAN),
    "adam_eps": (0.0, NAN),
    "log_std_init": (NAN, -INF),
    "hidden_sizes": ((0,), (64, -1)),
    "activation": ("gelu",),
    "autoreset_mode": ("Sometimes",),
    "lstm_size": (-1,),
    "seed": (-1,),
    "torch_threads": (0, -2),
    "num_threads": (0,),
    "env_groups": (0, 3),
    "eval_episodes": (-1,),
    "eval_every": (-1,),
    "eval_max_episode_steps": (0,),
    "warmup_steps": (-1,),
    "stop_at_return": (NAN,),
    "anneal_shape": ("square",),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must .*, got .+"):
        PPOConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_envs", 4.0), ("num_steps", "8"), ("seed", None), ("num_envs", True), ("gamma", "0.9"), ("ent_coef", None)],
)
def test_a_value_of_another_type_is_refused_by_name(name, value):
    with pytest.raises(TypeError, match=rf"^{name} must be an? (integer|number), got {value!r}"):
        PPOConfig(**{name: value})


def test_values_at_the_edges_are_taken():
    edges = {"learning_rate": 0.0, "gamma": 1.0, "gae_lambda": 0.0, "max_grad_norm": INF, "ent_coef": -0.01, "seed": 0}
    config = PPOConfig(**edges, hidden_sizes=())
    assert {name: getattr(config, name) for name in edges} == edges


def test_every_number_is_checked():
    numbers = {f.name for f in dataclasses.fields(PPOConfig) if f.type.startswith(("int", "float"))}
    assert numbers <= set(WRONG)


@pytest.mark.parametrize("env_id", PPO_BY_ENV)
@pytest.mark.parametrize("kind", ["learning", "throughput"])
def test_presets_are_settings_that_are_taken(env_id, kind):
    config = preset(env_id, kind)
    assert config.rollout_size % config.num_minibatches == 0
