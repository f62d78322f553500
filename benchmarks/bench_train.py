"""Training speed on CartPole-v1: this trainer, and Stable-Baselines3 where it is installed, in one process.

    python benchmarks/bench_train.py [--rows same throughput solve process] [--runs 3] [--device cpu] [--json FILE]

Rows:
  same        64 envs x 32 steps, minibatch 256, 4 epochs, two 64-64 tanh networks, for both libraries
  throughput  the preset of that name: 1024 envs x 32 steps, minibatch 4096, 4 epochs, the same networks
  solve       the same preset until the last 100 training episodes return 475 on average, with 5 seeds: seconds after
              the warm-up, and the return of a greedy evaluation
  process     fastvec train CartPole-v1 from start to exit, with PyTorch's compile cache filled: seconds

Speeds are medians over the runs of environment steps per second after a warm-up (in which compiling happens). That
something was learned is checked: a run whose policy is no better than at the start is an error. With --device cuda the
throughput row uses 16384 envs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "5000")  # as the command line does; before PyTorch is loaded

import gymnasium as gym
import torch

from fastvec.train import PPO, PPOConfig, preset
from fastvec.vector.cores import usable_cores
from processes import timed

SAME = PPOConfig(
    total_timesteps=60_000,
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
WARM_UP = 3
ROWS = ("same", "throughput", "solve", "process")
SOLVED = 475.0
SEEDS = 5


def throughput(device: str) -> PPOConfig:
    """The settings of the rows ``throughput`` and ``solve``."""
    config = preset("CartPole-v1", "throughput")
    if not device.startswith("cuda"):
        return config
    return dataclasses.replace(config, num_envs=16_384, num_minibatches=16, total_timesteps=20_000_000)


def time_fastvec(config: PPOConfig, *, seed: int, device: str, compiled: bool) -> dict[str, Any]:
    """One run of this trainer: steps per second and the return after it."""
    ppo = PPO("CartPole-v1", config=config, seed=seed, device=device, compile=compiled)
    start = time.perf_counter()
    for _ in range(WARM_UP):
        ppo.iterate()
    warm = time.perf_counter()
    parts = [0.0, 0.0, 0.0]
    solved = None
    while not ppo.done:
        report = ppo.iterate()
        if solved is None and report.mean_return >= SOLVED:
            solved = time.perf_counter() - warm
        for i, part in enumerate((report.env_seconds, report.inference_seconds, report.update_seconds)):
            parts[i] += part
    seconds = time.perf_counter() - warm
    steps = ppo.global_step - WARM_UP * ppo.config.rollout_size
    result = ppo.evaluate(100).mean_return
    ppo.close()
    assert result > 150, f"nothing was learned: mean return {result}"
    return {
        "seed": seed,
        "steps_per_second": steps / seconds,
        "warm_up_seconds": warm - start,
        "seconds_to_475": solved,
        "mean_return": result,
        "env_inference_update": [part / seconds for part in parts],
    }


def time_process(device: str) -> list[float]:
    """Seconds from start to exit of the command line, twice: the second run finds the compile cache filled."""
    command = [sys.executable, "-m", "fastvec", "train", "CartPole-v1", "--device", device, "--json"]
    seconds = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            seconds.append(timed([*command, "--run-dir", f"{folder}/run"])[1]["seconds"])
    return seconds


def time_sb3(*, seed: int, device: str, threads: int) -> dict[str, Any]:
    """One run of Stable-Baselines3 with the settings of the row ``same``."""
    torch.set_num_threads(threads)
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
        "cores": usable_cores(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "gymnasium": gym.__version__,
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def main() -> None:
    """Run all rows and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--runs", type=int, default=3, help="runs per row (the median counts)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-compile", action="store_true", help="run this trainer eagerly")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    args = parser.parse_args()

    results: dict[str, Any] = {}
    seeds = range(1, args.runs + 1)
    options: dict[str, Any] = {"device": args.device, "compiled": not args.no_compile}
    if "same" in args.rows:
        results["fastvec same"] = [time_fastvec(SAME, seed=s, **options) for s in seeds]
        try:
            for threads in sorted({1, min(torch.get_num_threads(), usable_cores())}):  # the faster counts
                name = f"sb3 same, {threads} threads"
                results[name] = [time_sb3(seed=s, device=args.device, threads=threads) for s in seeds]
        except ImportError:
            print("stable_baselines3 is not installed: its row is left out")
    if "solve" in args.rows or "throughput" in args.rows:
        count = SEEDS if "solve" in args.rows else args.runs
        config = throughput(args.device)
        results["fastvec throughput"] = [time_fastvec(config, seed=s, **options) for s in range(1, count + 1)]
    if "process" in args.rows:
        results["process seconds"] = time_process(args.device)

    machine = describe_machine(args.device)
    for key, value in machine.items():
        print(f"{key:14} {value}")
    speeds = {name: [r["steps_per_second"] for r in runs] for name, runs in results.items() if "seconds" not in name}
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    peer = max((speed for name, speed in medians.items() if name.startswith("sb3")), default=None)
    print(f"\n{'row':22} {'steps/s':>12} {'best':>12} {'ratio to sb3':>13}")
    for name, speed in medians.items():
        ratio = f"{speed / peer:12.1f}x" if peer and " same" in name else ""
        print(f"{name:22} {speed:12,.0f} {max(speeds[name]):12,.0f} {ratio}")
    for run in results.get("fastvec throughput", []):
        reached = "never" if run["seconds_to_475"] is None else f"after {run['seconds_to_475']:.1f} s"
        print(f"seed {run['seed']}: 475 {reached}, greedy evaluation {run['mean_return']:.1f}")
    if "process seconds" in results:
        print("whole process: {:.1f} s, with a warm cache {:.1f} s".format(*results["process seconds"]))
    if args.json is not None:
        content = {"machine": machine, "medians": medians, "runs": results}
        args.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
