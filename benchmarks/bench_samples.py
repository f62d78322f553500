"""How many steps SAC takes to the return that PPO's preset has in the end, and PPO's own way there.

    python benchmarks/bench_samples.py ID... [--algo sac] [--seeds 1] [--until RETURN] [--peer] [--output FILE]
        [flags of `fastvec train`]
    python benchmarks/bench_samples.py --table

The goal is the mean over the seeds of PPO's greedy returns in results/learning.json. The greedy policy plays EPISODES
episodes every EVERY steps, in environments of their own, and the run ends where their mean is at --until (by default
the goal), or after --total-timesteps; PPO's runs go on to their preset's end. Settings are those of the algorithm's
preset but for the flags, which come after the IDs and are kept in the file (--total-timesteps apart). With --peer,
Stable-Baselines3's SAC learns with these settings. On one thread, so that several environments can be learned beside
each other; CPU seconds are those of learning alone, without the evaluations. The file is brought up to date after each
run. `--table` prints it as Markdown: the steps to the goal, what SAC returns after a million, and what the peer does
beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

from bench_choosing import write_rows
from fastvec.cli.train import parse_flags
from sb3_sac import greedy, make_sb3_sac, mean_return

if TYPE_CHECKING:
    from fastvec.train.report import Report

RESULTS = Path(__file__).parent / "results"
RESULT = RESULTS / "samples.json"
EPISODES, EVERY = 10, 10_000
PEERS = "stable-baselines3 "  # before the name of an algorithm in the file
ON_ONE_THREAD = ("--device", "cpu", "--torch-threads", "1", "--num-threads", "1")


def goal_of(env_id: str) -> float:
    """What PPO's preset returns in the end."""
    return json.loads((RESULTS / "learning.json").read_text())[env_id]["mean_return"]["mean"]


class Curve:
    """``[steps, greedy return]`` of a run on its way, until there is a return."""

    def __init__(self, name: str, until: float) -> None:
        self.name = name
        self.until = until
        self.points: list[tuple[int, float]] = []
        self.seconds = 0.0
        """CPU time that evaluations took."""

    def goes_on(self, steps: int, taken: int, evaluate: Callable[[], float], remark: str = "") -> bool:
        """Evaluate if the last ``taken`` of so many steps went past a multiple of EVERY: False if it is there."""
        if steps // EVERY == (steps - taken) // EVERY:
            return True
        before = process_time()
        self.points.append((steps, round(evaluate(), 2)))
        self.seconds += process_time() - before
        print(f"{self.name}: {self.points[-1]}{remark}", flush=True)
        return self.points[-1][1] < self.until

    def of_run(self, seed: int, steps: int, seconds: float) -> dict[str, Any]:
        """What is kept of a run that took so much CPU time, evaluations included."""
        spent = round(seconds - self.seconds, 1)
        return {"seed": seed, "steps": steps, "cpu_seconds": spent, "curve": self.points}


def run(env_id: str, algo: str, seed: int, until: float, flags: Sequence[str]) -> dict[str, Any]:
    """Train until a return is reached, or to the end: CPU seconds, and ``[steps, greedy return]`` on the way."""
    import torch

    torch.set_num_threads(1)
    given = parse_flags([env_id, "--algo", algo, "--seed", str(seed), *ON_ONE_THREAD, *flags])
    trainer = given.algorithm.trainer_class()(env_id, **dataclasses.asdict(given.config()))
    curve = Curve(f"{env_id} by {algo}, seed {seed}", until)

    def evaluate(report: Report) -> bool:
        return curve.goes_on(
            report.global_step,
            trainer.steps_per_iteration,
            lambda: trainer.evaluate(EPISODES).mean_return,
            f", {report.mean_return:.0f} in training",
        )

    before = process_time()
    trainer.learn(callback=evaluate)
    return curve.of_run(seed, trainer.global_step, process_time() - before)


def run_peer(env_id: str, seed: int, until: float, flags: Sequence[str]) -> dict[str, Any]:
    """The same of Stable-Baselines3's SAC, in Gymnasium's own environments."""
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    torch.set_num_threads(1)
    config = parse_flags([env_id, "--algo", "sac", *flags]).config()
    model = make_sb3_sac(env_id, config, seed)
    curve = Curve(f"{env_id} by Stable-Baselines3, seed {seed}", until)

    class Evaluate(BaseCallback):
        def _on_step(self) -> bool:
            steps = self.num_timesteps
            return curve.goes_on(
                steps, config.num_envs, lambda: mean_return(greedy(self.model), env_id, EPISODES, seed + steps)
            )

    before = process_time()
    model.learn(config.total_timesteps, callback=Evaluate())
    return curve.of_run(seed, model.num_timesteps, process_time() - before)


def row_of(rows: list[dict[str, Any]], env_id: str, algo: str, flags: list[str]) -> dict[str, Any] | None:
    """The row of an environment's runs with these flags, if there is one."""
    which = {"env_id": env_id, "algo": algo, "flags": flags}
    return next((row for row in rows if which.items() <= row.items()), None)


def keep(output: Path, env_id: str, algo: str, flags: list[str], one: dict[str, Any]) -> None:
    """Put a run into the file, in the place of an earlier one with its flags and seed."""
    rows = json.loads(output.read_text())["rows"] if output.exists() else []
    row = row_of(rows, env_id, algo, flags)
    if row is None:
        row = {"env_id": env_id, "algo": algo, "flags": flags, "goal": goal_of(env_id), "runs": []}
        rows.append(row)
    row["runs"] = sorted([*(r for r in row["runs"] if r["seed"] != one["seed"]), one], key=lambda r: r["seed"])
    write_rows(output, rows)


def first_at(goal: float, curve: list[list[float]]) -> float:
    """The first steps at which the return was at least the goal; infinity if it never was."""
    return next((steps for steps, value in curve if value >= goal), math.inf)


def as_table(results: dict[str, Any]) -> str:
    """A line for each algorithm and its flags: medians over the seeds."""
    lines = [
        "| env, return | algorithm | seeds that got there | steps | CPU seconds for 10,000 steps |",
        "|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        reached = [at for at in (first_at(row["goal"], r["curve"]) for r in row["runs"]) if at < math.inf]
        last = max(r["steps"] for r in row["runs"])
        steps = f"{statistics.median(reached):,.0f}" if reached else f"more than {last:,}"
        digits = 0 if abs(row["goal"]) >= 100 else 1
        cost = statistics.median(1e4 * r["cpu_seconds"] / r["steps"] for r in row["runs"])
        command = f"`{' '.join(['--algo', row['algo'].removeprefix(PEERS), *row['flags']])}`"
        if row["algo"].startswith(PEERS):
            command = f"Stable-Baselines3's, {command}"
        lines.append(
            f"| {row['env_id']}, {row['goal']:,.{digits}f} | {command} | {len(reached)} of {len(row['runs'])} "
            f"| {steps} | {cost:.3g} |"
        )
    return "\n".join(lines)


def last_return(run: dict[str, Any], steps: float = math.inf) -> float:
    """The mean over a run's last five evaluations, or the last five in its first so many steps."""
    return statistics.mean([value for at, value in run["curve"] if at < steps + EVERY / 2][-5:])


def spread(values: Sequence[float]) -> str:
    """The mean, with the least and the most where there are several."""
    least_and_most = f" ({min(values):,.0f} to {max(values):,.0f})" if len(values) > 1 else ""
    return f"{statistics.mean(values):,.0f}{least_and_most}"


def million_table(results: dict[str, Any]) -> str:
    """A line for SAC's runs of a million steps, beside PPO's preset: the mean over the seeds, with least and most."""
    lines = ["| env | `--algo sac` with | seeds | return | PPO's preset | CPU seconds |", "|---|---|---|---|---|---|"]
    for row in results["rows"]:
        whole = [run for run in row["runs"] if run["steps"] >= 1_000_000]
        if row["algo"] != "sac" or not whole:
            continue
        seconds = statistics.median(run["cpu_seconds"] for run in whole)
        flags = f"`{' '.join(row['flags'])}`" if row["flags"] else "its preset"
        lines.append(
            f"| {row['env_id']} | {flags} | {len(whole)} | {spread([last_return(run) for run in whole])} "
            f"| {row['goal']:,.0f} | {seconds:,.0f} |"
        )
    return "\n".join(lines)


def peer_table(results: dict[str, Any]) -> str:
    """Two lines for each peer's row that fastvec has too, whose runs may be longer: returns after as many steps."""
    lines = ["| env | SAC of | steps | seeds | return | CPU seconds for 10,000 steps |", "|---|---|---|---|---|---|"]
    for peer in (row for row in results["rows"] if row["algo"].startswith(PEERS)):
        own = row_of(results["rows"], peer["env_id"], peer["algo"].removeprefix(PEERS), peer["flags"])
        if own is None:
            continue
        steps = min(run["steps"] for run in peer["runs"])
        for name, row in (("Stable-Baselines3", peer), ("fastvec", own)):
            returns = [last_return(run, steps) for run in row["runs"]]
            cost = statistics.median(1e4 * run["cpu_seconds"] / run["steps"] for run in row["runs"])
            lines.append(f"| {row['env_id']} | {name} | {steps:,} | {len(returns)} | {spread(returns)} | {cost:.3g} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env_ids", nargs="*", metavar="ID", help="envs that have a preset of PPO")
    parser.add_argument("--algo", default="sac", choices=("ppo", "sac"))
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--until", type=float, metavar="RETURN", help="by default the goal for SAC, and none for PPO")
    parser.add_argument("--total-timesteps", help="by default the preset's")
    parser.add_argument("--peer", action="store_true", help="Stable-Baselines3's SAC with the settings of fastvec's")
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--table", action="store_true", help="run nothing, print the file as a table")
    args, flags = parser.parse_known_args()
    if args.table:
        results = json.loads(args.output.read_text())
        print(as_table(results), million_table(results), peer_table(results), sep="\n\n")
        return
    if not args.env_ids:
        parser.error("expected the ID of an env, and flags after it")
    if args.peer and args.algo != "sac":
        parser.error(f"--peer is Stable-Baselines3's SAC, but --algo is {args.algo}")
    length = ["--total-timesteps", args.total_timesteps] if args.total_timesteps else []
    for env_id in args.env_ids:
        until = args.until
        if until is None:
            until = goal_of(env_id) if args.algo == "sac" else math.inf
        for seed in map(int, args.seeds.split(",")):
            if args.peer:
                algo, one = f"{PEERS}sac", run_peer(env_id, seed, until, [*flags, *length])
            else:
                algo, one = args.algo, run(env_id, args.algo, seed, until, [*flags, *length])
            keep(args.output, env_id, algo, flags, one)


if __name__ == "__main__":
    main()
