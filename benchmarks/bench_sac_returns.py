"""What SAC learns in few steps beside Stable-Baselines3's, with the same settings.

    python benchmarks/bench_sac_returns.py [--seeds 1,1001,2001] [--steps 40000] [--output FILE]
    python benchmarks/bench_sac_returns.py --table

HalfCheetah-v5, 16 environments, a fourth of a gradient step for each of their steps; 2 x 256 units, batches of 256 and
all other settings as SETTINGS has them, for both. For each seed the two are processes of their own, one after the
other, on one thread; CPU seconds are those of learning, compiling included. Afterwards both play the same greedy
episodes, in Gymnasium's own environments. The file is brought up to date after each seed. `--table` prints it as
Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastvec.bench.report import describe_machine
from results_file import parse_or_print

RESULT = Path(__file__).parent / "results" / "sac_returns.json"
ENV, EPISODES, EPISODE_STEPS = "HalfCheetah-v5", 20, 1_000
# By fastvec's names.
SETTINGS: dict[str, Any] = {
    "num_envs": 16,
    "updates_per_step": 0.25,
    "learning_starts": 5_000,
    "buffer_size": 1_000_000,
    "batch_size": 256,
    "learning_rate": 1e-3,
    "gamma": 0.99,
    "tau": 0.005,
    "initial_temperature": 0.1,
    "hidden_sizes": (256, 256),
}
NAMES = {"fastvec": "fastvec", "stable-baselines3": "Stable-Baselines3"}
Act = Callable[[Any], Any]


def cpu_seconds() -> float:
    """Those of this process so far, and of the compilers that it has called."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def ours(steps: int, seed: int) -> Act:
    """A policy that fastvec's SAC has learned."""
    from fastvec.train import SAC

    trainer = SAC(
        ENV, total_timesteps=steps, seed=seed, compile=True, torch_threads=1, num_threads=1, device="cpu", **SETTINGS
    )
    trainer.learn()
    return trainer.predict


def theirs(steps: int, seed: int) -> Act:
    """A policy that Stable-Baselines3's SAC has learned."""
    from stable_baselines3 import SAC
    from stable_baselines3.common.env_util import make_vec_env

    model = SAC(
        "MlpPolicy",
        make_vec_env(ENV, n_envs=SETTINGS["num_envs"], seed=seed),
        learning_rate=SETTINGS["learning_rate"],
        buffer_size=SETTINGS["buffer_size"],
        learning_starts=SETTINGS["learning_starts"],
        batch_size=SETTINGS["batch_size"],
        tau=SETTINGS["tau"],
        gamma=SETTINGS["gamma"],
        train_freq=1,
        gradient_steps=round(SETTINGS["updates_per_step"] * SETTINGS["num_envs"]),
        ent_coef=f"auto_{SETTINGS['initial_temperature']}",
        policy_kwargs={"net_arch": list(SETTINGS["hidden_sizes"])},
        seed=seed,
        device="cpu",
    )
    model.learn(steps)
    return lambda obs: model.predict(obs, deterministic=True)[0]


def greedy_return(act: Act, seed: int) -> float:
    """The mean return of EPISODES episodes, each of which ends with its time limit."""
    import gymnasium as gym

    envs = gym.make_vec(ENV, num_envs=EPISODES, vectorization_mode="sync")
    obs, _ = envs.reset(seed=seed + 1_000_003)
    total = np.zeros(EPISODES)
    for _ in range(EPISODE_STEPS):
        obs, rewards, terminated, _, _ = envs.step(act(obs))
        if terminated.any():
            raise RuntimeError(f"an episode of {ENV} ended before its time limit")
        total += rewards
    return float(total.mean())


def child(name: str, steps: int, seed: int) -> None:
    """Learn and play, and print what came of it."""
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    before = cpu_seconds()
    act = (ours if name == "fastvec" else theirs)(steps, seed)
    spent = cpu_seconds() - before
    print(json.dumps({"seed": seed, "mean_return": greedy_return(act, seed), "cpu_seconds": spent}))


def as_table(results: dict[str, Any]) -> str:
    """The runs in Markdown: means over the seeds, with the least and the most."""
    lines = ["| at the same settings | steps | seeds | greedy return | CPU seconds |", "|---|---|---|---|---|"]
    for name, runs in results["runs"].items():
        returns, seconds = ([run[what] for run in runs] for what in ("mean_return", "cpu_seconds"))
        spread = f" ({min(returns):.0f} to {max(returns):.0f})" if len(runs) > 1 else ""
        lines.append(
            f"| {NAMES[name]} | {results['steps']:,} | {len(runs)} | {statistics.mean(returns):.0f}{spread} "
            f"| {statistics.mean(seconds):.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run both for each seed in turn, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1,1001,2001")
    parser.add_argument("--steps", type=int, default=40_000)
    parser.add_argument("--child", choices=NAMES, help=argparse.SUPPRESS)
    arguments = parse_or_print(parser, RESULT, as_table)
    if arguments is None:
        return
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    if arguments.child:
        child(arguments.child, arguments.steps, *seeds)
        return
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
    for seed in seeds:
        for name in NAMES:
            command = [sys.executable, __file__, "--child", name, "--seeds", str(seed), "--steps", str(arguments.steps)]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
            runs[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{name:18} {json.dumps(runs[name][-1])}", flush=True)
        results = {
            "env": ENV, "steps": arguments.steps, "settings": SETTINGS, "runs": runs, "machine": describe_machine()
        }  # fmt: skip
        arguments.output.write_text(json.dumps(results, indent=2) + "\n")
    print(as_table(results))


if __name__ == "__main__":
    main()
