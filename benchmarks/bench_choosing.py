"""Which algorithm reaches a return with the fewest steps, and which in the least time.

    python benchmarks/bench_choosing.py [ID...] [--seeds 1,1001,2001] [--output FILE]
    python benchmarks/bench_choosing.py --table

Each run is `fastvec train ID --algo NAME --stop-at-return RETURN` as a user types it: a process of its own, with the
preset of that algorithm for that env, which ends when the last 100 training episodes return so much on average (with
exploration; for PQN's at most a twentieth of random actions in the end). Steps do not depend on what else the machine
does; seconds do: of the process from start to exit, and of all its threads. The learning curves are kept, thinned to a
hundred points each. `--table` prints the file as Markdown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from fastvec.bench.report import describe_machine
from fastvec.train.run.plot import read_curve
from processes import timed

RESULT = Path(__file__).parent / "results" / "choosing.json"
# (env, return to reach, algorithm, flags beside the preset's)
RUNS: tuple[tuple[str, float, str, tuple[str, ...]], ...] = (
    ("CartPole-v1", 475.0, "ppo", ()),
    ("CartPole-v1", 475.0, "pqn", ("--exploration-fraction", "0.2", "--epsilon-end", "0.01")),
    ("Acrobot-v1", -100.0, "ppo", ()),
    ("Acrobot-v1", -100.0, "pqn", ()),
    ("LunarLander-v3", 200.0, "ppo", ()),
    ("LunarLander-v3", 200.0, "pqn", ()),
    ("Pendulum-v1", -200.0, "ppo", ("--total-timesteps", "600000")),
    ("Pendulum-v1", -200.0, "sac", ("--total-timesteps", "40000")),
    ("LunarLanderContinuous-v3", 200.0, "ppo", ()),
    ("LunarLanderContinuous-v3", 200.0, "sac", ()),
    ("HalfCheetah-v5", 4000.0, "ppo", ()),
    ("HalfCheetah-v5", 4000.0, "sac", ()),
    ("HalfCheetah-v5", 5000.0, "ppo", ()),
    ("HalfCheetah-v5", 5000.0, "sac", ()),
)


def curve_of(run_dir: Path) -> list[list[float]]:
    """``[steps, seconds since the run began, mean return of the last 100 episodes]`` at a hundred points at most."""
    steps, returns = read_curve(run_dir)
    seconds, _ = read_curve(run_dir, over="time")
    kept = sorted({round(i * (len(steps) - 1) / 99) for i in range(100)}) if len(steps) else []
    return [[int(steps[i]), round(float(seconds[i]), 2), round(float(returns[i]), 2)] for i in kept]


def run(env_id: str, wanted: float, algo: str, flags: tuple[str, ...], seed: int) -> dict[str, Any]:
    """One run: steps, whether it got there, seconds of the process, CPU seconds, and its curve."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fastvec", "train", env_id, "--algo", algo, "--json", "--seed", str(seed)]
        command += ["--stop-at-return", str(wanted), "--eval-episodes", "0", "--run-dir", f"{folder}/run", *flags]
        printed, took = timed(command)
        curve = curve_of(Path(folder) / "run")
    summary = json.loads(printed.splitlines()[-1])
    return {
        "seed": seed,
        "steps": summary["total_timesteps"],
        "training_return": summary["training_return"],
        "reached": summary["training_return"] >= wanted,
        **took,
        "curve": curve,
    }


def write_rows(output: Path, rows: list[dict[str, Any]]) -> None:
    """Write the machine and the rows as JSON, a row in a line: curves are long."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    output.write_text(f'{{"machine": {json.dumps(describe_machine())},\n"rows": [\n{lines}\n]}}\n')


def as_table(results: dict[str, Any]) -> str:
    """The rows in Markdown: medians over the seeds."""
    lines = [
        "| env, return | algorithm | seeds that got there | steps | seconds | CPU seconds |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        reached = [r for r in row["runs"] if r["reached"]]
        medians = (
            f"{statistics.median([r[key] for r in reached]):,.0f}" if reached else "-"
            for key in ("steps", "seconds", "cpu_seconds")
        )
        command = " ".join(["--algo", row["algo"], *row["flags"]])
        lines.append(
            f"| {row['env_id']}, {row['return']:g} | `{command}` | {len(reached)} of {len(row['runs'])} "
            f"| {' | '.join(medians)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for, and bring the file up to date after each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env_ids", nargs="*", metavar="ID")
    parser.add_argument("--seeds", default="1,1001,2001")
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--table", action="store_true", help="run nothing, print the file as a table")
    args = parser.parse_args()
    results = json.loads(args.output.read_text()) if args.output.exists() else {"rows": []}
    if args.table:
        print(as_table(results))
        return
    for env_id, wanted, algo, flags in RUNS:
        if args.env_ids and env_id not in args.env_ids:
            continue
        runs = [run(env_id, wanted, algo, flags, int(seed)) for seed in args.seeds.split(",")]
        row = {"env_id": env_id, "return": wanted, "algo": algo, "flags": flags, "runs": runs}
        rows = [r for r in results["rows"] if (r["env_id"], r["return"], r["algo"]) != (env_id, wanted, algo)]
        results = {"rows": [*rows, row]}
        write_rows(args.output, results["rows"])
        print(as_table({"rows": [row]}).splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
