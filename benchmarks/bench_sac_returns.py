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
from pathlib import Path
from typing import Any

from fastvec.bench.report import describe_machine
from fastvec.train.config import SACConfig
from results_file import parse_or_print
from sb3_sac import Act, greedy, make_sb3_sac, mean_return

RESULT = Path(__file__).parent / "results" / "sac_returns.json"
ENV, EPISODES = "HalfCheetah-v5", 20
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


def cpu_seconds() -> float:
    """Those of this process so far, and of the compilers that it has called."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def ours(steps: int, seed: int) -> Act:
    """A policy that fastvec's SAC has learned."""
    from fastvec.train import SAC

    config = SACConfig(  # without the env's preset, which the other does not have
        total_timesteps=steps, seed=seed, compile=True, torch_threads=1, num_threads=1, device="cpu", **SETTINGS
    )
    trainer = SAC(ENV, config=config)
    trainer.learn()
    return trainer.predict


def theirs(steps: int, seed: int) -> Act:
    """A policy that Stable-Baselines3's SAC has learned."""
    model = make_sb3_sac(ENV, SACConfig(**SETTINGS), seed)
    model.learn(steps)
    return greedy(model)


def child(name: str, steps: int, seed: int) -> None:
    """Learn and play, and print what came of it."""
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    before = cpu_seconds()
    act = (ours if name == "fastvec" else theirs)(steps, seed)
    spent = cpu_seconds() - before
    returned = mean_return(act, ENV, EPISODES, seed + 1_000_003)
    print(json.dumps({"seed": seed, "mean_return": returned, "cpu_seconds": spent}))


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
