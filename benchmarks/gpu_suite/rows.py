"""What is measured, most important first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

Mode = Literal["eager", "captured", "compiled"]
MODES: dict[Mode, dict[str, bool]] = {
    "eager": {"compile": False, "cuda_graphs": False},
    "captured": {"compile": False, "cuda_graphs": True},
    "compiled": {"compile": True, "cuda_graphs": True},
}
SECONDS = {"eager": (12.0, 60.0), "captured": (12.0, 60.0), "compiled": (30.0, 120.0)}
"""For each mode: seconds that have to be left for a row to be begun, and its time limit."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement, in a process of its own."""

    name: str
    kind: Literal["machine", "train", "sac", "sb3"] = "train"
    env_id: str = ""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    mode: Mode = "captured"
    settings: dict[str, Any] = field(default_factory=dict)
    """What PPOConfig or SACConfig is told, beside the mode and the device."""
    device: str | None = None
    """Where it runs; None is what the command was told."""
    needs: tuple[str, ...] = ()
    """Distributions without which it is left out."""
    least_seconds: float = 12.0
    """It is not begun with less time left."""
    limit: float = 60.0
    """Its process is ended after so many seconds."""
    published: tuple[str, float] | None = None
    """Whose figure it is set beside, and steps per second there."""


CARTPOLE = {"num_steps": 32, "num_minibatches": 8, "update_epochs": 4, "learning_rate": 2.5e-3}
SAME = {
    "num_envs": 64,
    "num_steps": 32,
    "num_minibatches": 8,
    "update_epochs": 4,
    "learning_rate": 1e-3,
    "gamma": 0.98,
    "gae_lambda": 0.9,
    "anneal_lr": False,
}
"""The settings that this trainer and Stable-Baselines3 both run with, as in bench_train.py."""
HALF_CHEETAH = {
    "num_steps": 32,
    "num_minibatches": 8,
    "update_epochs": 4,
    "normalize_obs": True,
    "normalize_reward": True,
    "gamma": 0.98,
    "gae_lambda": 0.92,
    "log_std_init": -2.0,
}
PONG = {
    "num_steps": 128,
    "num_minibatches": 4,
    "update_epochs": 4,
    "learning_rate": 2.5e-4,
    "clip_coef": 0.1,
    "ent_coef": 0.01,
}
# The settings of CleanRL's and LeanRL's scripts. LeanRL's figures: its README, "compile+cudagraphs", one H100; its
# continuous one is for HalfCheetah-v4. Both count the agent's steps, of four frames each in Atari.
LEANRL_ATARI = {**PONG, "num_envs": 8, "clip_vloss": True}
LEANRL_CONTINUOUS = {
    "num_envs": 1,
    "num_steps": 2048,
    "num_minibatches": 32,
    "update_epochs": 10,
    "learning_rate": 3e-4,
    "clip_vloss": True,
    "normalize_obs": True,
    "normalize_reward": True,
}


def _train(
    name: str,
    env_id: str,
    mode: Mode,
    settings: dict[str, Any],
    *,
    needs: tuple[str, ...] = (),
    env_kwargs: dict[str, Any] | None = None,
    published: tuple[str, float] | None = None,
) -> Row:
    least_seconds, limit = SECONDS[mode]
    return Row(
        name=f"{name}-{mode}",
        env_id=env_id,
        env_kwargs=env_kwargs or {},
        mode=mode,
        settings=settings,
        needs=needs,
        least_seconds=least_seconds,
        limit=limit,
        published=published,
    )


def _cartpole(num_envs: int, mode: Mode) -> Row:
    return _train(f"cartpole-{num_envs}", "CartPole-v1", mode, {**CARTPOLE, "num_envs": num_envs})


def _same(mode: Mode) -> Row:
    return _train("same", "CartPole-v1", mode, SAME)


def _half_cheetah(num_envs: int, mode: Mode) -> Row:
    settings = {**HALF_CHEETAH, "num_envs": num_envs}
    return _train(f"halfcheetah-{num_envs}", "HalfCheetah-v5", mode, settings, needs=("mujoco",))


def _pong(num_envs: int, mode: Mode) -> Row:
    settings = {**PONG, "num_envs": num_envs}
    return _train(f"pong-{num_envs}", "ALE/Pong-v5", mode, settings, needs=("ale-py",))


def _leanrl_atari(mode: Mode) -> Row:
    return _train(
        "leanrl-atari",
        "ALE/Breakout-v5",
        mode,
        LEANRL_ATARI,
        needs=("ale-py",),
        env_kwargs={"episodic_life": True, "reward_clipping": True},
        published=("LeanRL, PPO (Atari), an H100", 6809.0),
    )


def _leanrl_continuous(mode: Mode) -> Row:
    return _train(
        "leanrl-continuous",
        "HalfCheetah-v5",
        mode,
        LEANRL_CONTINUOUS,
        needs=("mujoco",),
        published=("LeanRL, PPO (continuous action), an H100", 1774.0),
    )


def _sac(name: str, mode: Mode, **settings: Any) -> Row:
    least_seconds, limit = SECONDS[mode]
    return Row(
        name=f"sac-{name}-{mode}",
        kind="sac",
        env_id="HalfCheetah-v5",
        mode=mode,
        settings={"learning_starts": 1024, "buffer_size": 200_000, **settings},
        needs=("mujoco",),
        least_seconds=least_seconds,
        limit=limit,
    )


def _sac_of_one(mode: Mode) -> Row:
    """The setting of the first paper, and of most figures: one environment, a gradient step for each step."""
    return _sac("1", mode, num_envs=1)


def _sac_of_many(mode: Mode) -> Row:
    """16 gradient steps of large batches for every 256 steps."""
    return _sac("256", mode, num_envs=256, updates_per_step=1 / 16, batch_size=4096)


def _sb3(name: str, device: str | None) -> Row:
    return Row(
        name=name,
        kind="sb3",
        env_id="CartPole-v1",
        settings=SAME,
        device=device,
        needs=("stable-baselines3",),
        limit=75.0,
    )


def _exact(row: Row) -> Row:
    """``row`` with products of full float32."""
    return replace(row, name=f"{row.name}-highest", settings={**row.settings, "matmul_precision": "highest"})


MACHINE = Row(name="machine", kind="machine", limit=90.0)

ROWS = (
    _cartpole(65_536, "captured"),
    _cartpole(65_536, "eager"),
    _cartpole(65_536, "compiled"),
    _same("captured"),
    _sb3("sb3-cpu", "cpu"),
    _sb3("sb3-device", None),
    _half_cheetah(1024, "captured"),
    _pong(64, "captured"),
    _sac_of_one("captured"),
    _sac_of_many("captured"),
    _sac_of_one("eager"),
    _leanrl_continuous("captured"),
    _leanrl_atari("captured"),
    _cartpole(8192, "captured"),
    _cartpole(8192, "eager"),
    _cartpole(1024, "captured"),
    _cartpole(1024, "eager"),
    _same("compiled"),
    _cartpole(8192, "compiled"),
    _cartpole(1024, "compiled"),
    _leanrl_continuous("compiled"),
    _leanrl_atari("compiled"),
    _half_cheetah(64, "captured"),
    _half_cheetah(256, "captured"),
    _pong(256, "captured"),
    _half_cheetah(1024, "compiled"),
    _pong(64, "compiled"),
    _sac_of_one("compiled"),
    _sac_of_many("compiled"),
    _exact(_cartpole(65_536, "captured")),
    _exact(_pong(64, "captured")),
    _same("eager"),
    replace(_same("eager"), name="same-cpu", device="cpu"),
)

SMALL = (
    "cartpole-1024-eager",
    "cartpole-1024-captured",
    "same-captured",
    "sb3-cpu",
    "halfcheetah-64-captured",
    "pong-64-captured",
)
"""What ``--small`` runs where ``--rows`` does not say otherwise: nothing that compiles for long."""


def small(row: Row) -> Row:
    """The same row with a rollout of some dozens of steps, or with small batches."""
    settings = {**row.settings, "num_envs": min(row.settings["num_envs"], 8)}
    if row.kind == "sac":
        settings |= {"learning_starts": 64, "buffer_size": 2048, "batch_size": 16}
    else:
        settings |= {"num_steps": 16, "num_minibatches": 2}
    return replace(row, settings=settings, least_seconds=1.0)
