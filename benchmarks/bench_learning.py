"""What the presets learn: several seeds of `fastvec train` per env, as a user would run it.

    python benchmarks/bench_learning.py [ID...] [--algo ppo] [--seeds 1,1001,2001,3001,4001] [--jobs 1] [--output FILE]

Each run is a process of its own. `mean_return` is that of a greedy evaluation of 100 episodes in fresh envs after
the run, `training_return` that of the last 100 training episodes (with exploration noise, as most published figures
are). An env's target is compared with the mean over the seeds of the column that its reference used. The file is
brought up to date after every env: envs that are not measured this time keep their rows.

Env i of a run with seed s is seeded with s + i. Runs whose seeds are closer together than they have envs would begin
in the same states, and their spread would tell too little: such seeds are refused. `--jobs` runs so many seeds at
once, each with its share of the cores. Times are not kept: bench_train.py measures speed.

    python benchmarks/bench_learning.py --table

runs nothing: it prints the file as the table of docs/training/presets.md.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from fastvec.bench.report import describe_machine
from fastvec.cli.train import parse_flags
from fastvec.vector.cores import usable_cores

RESULTS = Path(__file__).parent / "results"
SEEDS = (1, 1001, 2001, 3001, 4001)
EVALUATION_ENVS = 100


@dataclass(frozen=True)
class Target:
    """What an env's mean over the seeds has to reach."""

    value: float
    column: Literal["mean_return", "training_return"]
    source: str


def result_of(algo: str) -> Path:
    """The file of an algorithm's rows."""
    return RESULTS / ("learning.json" if algo == "ppo" else f"learning_{algo}.json")


PPO_TARGETS: dict[str, Target | None] = {
    "CartPole-v1": Target(500.0, "mean_return", "the most that an episode can return"),
    "Acrobot-v1": Target(-90.0, "mean_return", "-86 at 500k steps, published for tuned settings"),
    "Pendulum-v1": Target(-250.0, "mean_return", "at 300k steps"),
    "MountainCarContinuous-v0": Target(85.0, "mean_return", "88 at 20k steps, published for tuned settings"),
    "FrozenLake-v1": Target(0.70, "mean_return", "an optimal policy reaches the goal in 0.744 of the episodes"),
    "FrozenLake8x8-v1": None,
    "MountainCar-v0": Target(-110.0, "mean_return", "the env's own reward_threshold"),
    "Taxi-v4": None,
    "Blackjack-v1": None,
    "LunarLander-v3": Target(200.0, "mean_return", "the env's own reward_threshold"),
    "LunarLanderContinuous-v3": Target(200.0, "mean_return", "the env's own reward_threshold"),
    "BipedalWalker-v3": Target(288.0, "mean_return", "at 5M steps, published for tuned settings"),
    "InvertedPendulum-v5": Target(950.0, "mean_return", "the env's own reward_threshold"),
    "HalfCheetah-v5": Target(1397.0, "training_return", "1443 +- 46 at 1M steps, published for CleanRL's defaults"),
    "Hopper-v5": Target(2111.0, "training_return", "2383 +- 272 at 1M steps, published for CleanRL's defaults"),
    "Walker2d-v5": Target(1716.0, "training_return", "2288 +- 572 at 1M steps, published for CleanRL's defaults"),
    "Swimmer-v5": Target(282.0, "mean_return", "at 1M steps, published for tuned settings"),
    "Reacher-v5": None,
    "InvertedDoublePendulum-v5": None,
    "Pusher-v5": None,
    "Ant-v5": Target(1327.0, "mean_return", "at 1M steps, published for tuned settings"),
    "Humanoid-v5": Target(
        664.0, "mean_return", "the best of three published runs of 1M steps of a variant of CleanRL's PPO"
    ),
}
TARGETS: dict[str, dict[str, Target | None]] = {
    "ppo": PPO_TARGETS,
    "pqn": {
        "CartPole-v1": Target(490.0, "mean_return", "495 +- 7 at 500k steps, published by CleanRL"),
        "Acrobot-v1": Target(-95.0, "mean_return", "-96 +- 6 at 500k steps, published by CleanRL"),
        "LunarLander-v3": Target(200.0, "mean_return", "the env's own reward_threshold"),
    },
    "sac": {
        "Pendulum-v1": Target(-160.0, "mean_return", "-157 at 20k steps, published for tuned settings (one run)"),
        "LunarLanderContinuous-v3": Target(
            260.0, "mean_return", "260 at 500k steps, published for tuned settings (one run)"
        ),
        "HalfCheetah-v5": Target(5163.0, "mean_return", "what PPO's preset returns after as many steps"),
    },
}
KEPT = ("seed", "mean_return", "training_return", "total_timesteps", "compiled")


def run_seed(env_id: str, seed: int, flags: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """One run: its summary, and the configuration that it wrote down."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "fastvec", "train", env_id, "--json", "--seed", str(seed)]
        command += ["--run-dir", directory, *flags]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}")
        config = json.loads((Path(directory) / "config.json").read_text())["config"]
    summary = json.loads(done.stdout.splitlines()[-1])
    del config["seed"]
    return {key: summary[key] for key in KEPT}, config


def check_apart(seeds: list[int], num_envs: int) -> None:
    """Raise ValueError where two runs would share the seed of an env, in training or in the last evaluation."""
    needed = max(num_envs, EVALUATION_ENVS)
    for first, second in pairwise(sorted(seeds)):
        if second - first < needed:
            raise ValueError(f"seeds must lie {needed} apart: runs {first} and {second} would share env seeds")


def summarise(target: Target | None, runs: list[dict[str, Any]], config: dict[str, Any]) -> dict[str, Any]:
    """The row of one env: mean and spread over the seeds of both returns, and whether the target is reached."""
    machine = describe_machine()
    with suppress(importlib.metadata.PackageNotFoundError):
        machine["versions"]["mujoco"] = importlib.metadata.version("mujoco")
    row: dict[str, Any] = {"config": config, "machine": machine}
    for column in ("mean_return", "training_return"):
        values = [run[column] for run in runs]
        row[column] = {
            "mean": statistics.mean(values),
            "std": statistics.stdev(values) if len(values) > 1 else None,
            "min": min(values),
            "max": max(values),
        }
    if target is not None:
        row["target"] = {"value": target.value, "column": target.column, "source": target.source}
        row["reached"] = row[target.column]["mean"] >= target.value
    return {**row, "runs": runs}


def as_table(results: dict[str, Any]) -> str:
    """The rows in Markdown: mean and standard deviation over the seeds of both returns, and the target."""
    lines = ["| env | steps | seeds | greedy | training | target |", "|---|---|---|---|---|---|"]
    for env_id, row in results.items():
        returns = []
        for column in ("mean_return", "training_return"):
            mean, std = row[column]["mean"], row[column]["std"] or 0.0
            digits = 0 if abs(mean) >= 1000 else 1 if abs(mean) >= 2 else 2 if abs(mean) >= 0.1 else 3
            returns.append(f"{mean:.{digits}f} ± {std:.{digits}f}")
        target, shown = row.get("target"), "-"
        if target is not None:
            shown = f"≥ {target['value']:g} ({'greedy' if target['column'] == 'mean_return' else 'training'})"
        steps = row["config"]["total_timesteps"]
        size = f"{steps / 1e6:g}M" if steps >= 1_000_000 else f"{steps / 1e3:g}k"
        lines.append(f"| {env_id} | {size} | {len(row['runs'])} | {' | '.join(returns)} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    """Run all, print a line per env."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID", help="envs (default: all with a target)")
    parser.add_argument("--algo", choices=sorted(TARGETS), default="ppo", help="what learns")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="seeds, separated by commas")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    parser.add_argument("--output", type=Path, help="where to write the JSON (default: the algorithm's in results/)")
    parser.add_argument("--table", action="store_true", help="print the JSON as a table, and run nothing")
    arguments, flags = parser.parse_known_args()
    targets, output = TARGETS[arguments.algo], arguments.output or result_of(arguments.algo)
    flags = ["--algo", arguments.algo, *flags]
    if arguments.table:
        print(as_table(json.loads(output.read_text())))
        return

    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    ids = arguments.ids or list(targets)
    for env_id in ids:
        try:
            check_apart(seeds, parse_flags([env_id, *flags]).config().num_envs)
        except ValueError as error:
            parser.error(f"{env_id}: {error}")
    if arguments.jobs > 1:
        flags = ["--num-threads", str(max(1, usable_cores() // arguments.jobs)), *flags]
    for env_id in ids:
        with ThreadPoolExecutor(arguments.jobs) as pool:
            done = list(pool.map(lambda seed, env_id=env_id: run_seed(env_id, seed, flags), seeds))
        runs = [summary for summary, _ in done]
        row = summarise(targets.get(env_id), runs, done[0][1])
        results = json.loads(output.read_text()) if output.exists() else {}
        results = {**results, env_id: row}
        order = {name: i for i, name in enumerate(targets)}
        results = dict(sorted(results.items(), key=lambda item: order.get(item[0], len(order))))
        output.write_text(json.dumps(results, indent=2) + "\n")
        greedy, training = row["mean_return"], row["training_return"]
        verdict = "" if "target" not in row else f"  target {row['target']['value']:g}: {row['reached']}"
        print(
            f"{env_id:26} greedy {greedy['mean']:8.2f} +- {greedy['std'] or 0.0:6.2f}"
            f"  training {training['mean']:8.2f} +- {training['std'] or 0.0:6.2f}  {len(runs)} seeds{verdict}",
            flush=True,
        )


if __name__ == "__main__":
    main()
