"""Training speed on CartPole-v1: this trainer, and Stable-Baselines3 where it is installed, in one process.

    python benchmarks/bench_train.py [--runs 3] [--device cpu] [--json FILE]

Rows:
  same        64 envs x 32 steps, minibatch 256, 4 epochs, two 64-64 tanh networks, for both libraries
  throughput  1024 envs x 32 steps, 8 minibatches, 4 epochs, the same networks

Each figure is the median over the runs of environment steps per second after a warm-up (in which compiling
happens). That something was learned is checked: a run whose policy is no better than at the start is an
error.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "5000")  # as the command line does; before PyTorch is loaded

import gymnasium as gym
import torch

from fastvec.train import PPO, PPOConfig

SAME = PPOConfig(
    total_timesteps=100_000,
    num_envs=64,
    num_steps=32,
    num_minibatches=8,
    update_epochs=4,
    learning_rate=1e-3,
    gamma=0.98,
    gae_lambda=0.9,
    anneal_lr=False,
    compile=True,
)
ROWS = {
    "same": {},
    "throughput": {"num_envs": 1024, "num_steps": 32, "num_minibatches": 8, "total_timesteps": 1_000_000},
}
WARM_UP = 3


def time_fastvec(row: str, *, seed: int, device: str, compiled: bool) -> dict[str, Any]:
    """One run of this trainer: steps per second and the returns before and after."""
    ppo = PPO("CartPole-v1", config=SAME, seed=seed, device=device, compile=compiled, **ROWS[row])
    start = time.perf_counter()
    for _ in range(WARM_UP):
        ppo.iterate()
    warm = time.perf_counter()
    parts = [0.0, 0.0, 0.0]
    while not ppo.done:
        report = ppo.iterate()
        for i, part in enumerate((report.env_seconds, report.inference_seconds, report.update_seconds)):
            parts[i] += part
    seconds = time.perf_counter() - warm
    steps = ppo.global_step - WARM_UP * ppo.config.rollout_size
    result = ppo.evaluate(50).mean_return
    ppo.close()
    assert result > 150, f"nothing was learned: mean return {result}"
    return {
        "steps_per_second": steps / seconds,
        "warm_up_seconds": warm - start,
        "mean_return": result,
        "env_inference_update": [part / seconds for part in parts],
    }


def time_sb3(*, seed: int, device: str) -> dict[str, Any]:
    """One run of Stable-Baselines3 with the settings of the row ``same``."""
    import stable_baselines3
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env

    class Clock(BaseCallback):
        """Notes when the warm-up was over."""

        begin, steps, rollouts = 0.0, 0, 0

        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            self.rollouts += 1
            if self.rollouts == WARM_UP + 1:
                self.begin, self.steps = time.perf_counter(), self.num_timesteps

    envs = make_vec_env("CartPole-v1", n_envs=SAME.num_envs, seed=seed)
    model = stable_baselines3.PPO(
        "MlpPolicy",
        envs,
        n_steps=SAME.num_steps,
        batch_size=SAME.minibatch_size,
        n_epochs=SAME.update_epochs,
        learning_rate=SAME.learning_rate,
        gamma=SAME.gamma,
        gae_lambda=SAME.gae_lambda,
        device=device,
        seed=seed,
    )
    clock = Clock()
    model.learn(SAME.total_timesteps, callback=clock)
    seconds = time.perf_counter() - clock.begin
    envs.close()
    return {"steps_per_second": (model.num_timesteps - clock.steps) / seconds}


def describe_machine(device: str) -> dict[str, Any]:
    """What the figures depend on."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "gymnasium": gym.__version__,
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def main() -> None:
    """Run all rows and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs per row (the median counts)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-compile", action="store_true", help="run this trainer eagerly")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    args = parser.parse_args()

    results: dict[str, list[dict[str, Any]]] = {}
    seeds = range(1, args.runs + 1)
    for row in ROWS:
        results[f"fastvec {row}"] = [
            time_fastvec(row, seed=s, device=args.device, compiled=not args.no_compile) for s in seeds
        ]
    try:
        results["sb3 same"] = [time_sb3(seed=s, device=args.device) for s in seeds]
    except ImportError:
        print("stable_baselines3 is not installed: its row is left out")

    machine = describe_machine(args.device)
    for key, value in machine.items():
        print(f"{key:14} {value}")
    medians = {name: statistics.median(r["steps_per_second"] for r in runs) for name, runs in results.items()}
    peer = medians.get("sb3 same")
    print(f"\n{'row':20} {'steps/s':>12} {'ratio to sb3':>13}")
    for name, speed in medians.items():
        print(f"{name:20} {speed:12,.0f} " + (f"{speed / peer:12.1f}x" if peer else ""))
    if args.json is not None:
        args.json.write_text(json.dumps({"machine": machine, "medians": medians, "runs": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
