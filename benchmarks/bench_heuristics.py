"""What single settings are worth, in steps to a return: each changed alone, the others as in the preset.

    python benchmarks/bench_heuristics.py [QUESTION...] [--seeds 1,1001,2001] [--output FILE]
    python benchmarks/bench_heuristics.py --table

Runs are those of bench_choosing.py. Only steps are told: they do not depend on what else the machine does. `--table`
prints the file as Markdown.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from bench_choosing import run, write_rows
from results_file import parse_or_print

RESULT = Path(__file__).parent / "results" / "heuristics.json"
# what is asked, env, return to reach, algorithm: {what is said of it: flags}
QUESTIONS: tuple[tuple[str, str, float, str, dict[str, tuple[str, ...]]], ...] = (
    (
        "how many envs",
        "CartPole-v1",
        475.0,
        "ppo",
        {
            "8 of 512 steps": ("--num-envs", "8", "--num-steps", "512"),
            "64 of 64 steps": (),
            "512 of 8 steps": ("--num-envs", "512", "--num-steps", "8"),
        },
    ),
    (
        "how often a rollout is used",
        "CartPole-v1",
        475.0,
        "ppo",
        {"once": ("--update-epochs", "1"), "4 times": (), "10 times": ("--update-epochs", "10")},
    ),
    (
        "observations on one scale",
        "LunarLander-v3",
        200.0,
        "ppo",
        {"--normalize-obs": (), "--no-normalize-obs": ("--no-normalize-obs",)},
    ),
    (
        "rewards on one scale",
        "LunarLander-v3",
        200.0,
        "ppo",
        {"--normalize-reward": (), "--no-normalize-reward": ("--no-normalize-reward",)},
    ),
    (
        "how far to look ahead",
        "LunarLander-v3",
        200.0,
        "ppo",
        {"--gamma 0.99": ("--gamma", "0.99"), "--gamma 0.999": ()},
    ),
    (
        "returns over several steps",
        "LunarLander-v3",
        200.0,
        "pqn",
        {"--q-lambda 0 (one step)": ("--q-lambda", "0"), "the preset's": ()},
    ),
    (
        "gradient steps for each step",
        "Pendulum-v1",
        -200.0,
        "sac",
        {
            "--updates-per-step 0.25": ("--updates-per-step", "0.25", "--total-timesteps", "40000"),
            "--updates-per-step 1": ("--total-timesteps", "40000"),
        },
    ),
    (
        "rewards of several steps",
        "Pendulum-v1",
        -200.0,
        "sac",
        {
            "--n-step 1": ("--updates-per-step", "0.25", "--total-timesteps", "40000"),
            "--n-step 3": ("--n-step", "3", "--updates-per-step", "0.25", "--total-timesteps", "40000"),
        },
    ),
)


def as_table(results: dict[str, Any]) -> str:
    """The rows in Markdown: the median of the steps, and the least and the most, over the seeds that got there."""
    lines = ["| what | env, return | setting | seeds that got there | steps |", "|---|---|---|---|---|"]
    for row in results["rows"]:
        steps = sorted(r["steps"] for r in row["runs"] if r["reached"])
        shown = f"{statistics.median(steps):,.0f} ({steps[0]:,} to {steps[-1]:,})" if steps else "-"
        lines.append(
            f"| {row['question']} | {row['env_id']}, {row['return']:g} | {row['algo']}, {row['setting']} "
            f"| {len(steps)} of {len(row['runs'])} | {shown} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run all, and bring the file up to date after each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help="those of the table to ask (default: all)")
    parser.add_argument("--seeds", default="1,1001,2001")
    args = parse_or_print(parser, RESULT, as_table)
    if args is None:
        return
    rows: list[dict[str, Any]] = json.loads(args.output.read_text())["rows"] if args.output.exists() else []
    for question, env_id, wanted, algo, settings in QUESTIONS:
        if args.questions and question not in args.questions:
            continue
        rows = [row for row in rows if row["question"] != question]
        for setting, flags in settings.items():
            runs = [run(env_id, wanted, algo, flags, int(seed)) for seed in args.seeds.split(",")]
            runs = [{key: r[key] for key in ("seed", "steps", "training_return", "reached")} for r in runs]
            rows.append({"question": question, "env_id": env_id, "return": wanted, "algo": algo, "setting": setting})
            rows[-1].update(flags=flags, runs=runs)
            write_rows(args.output, rows)
            print(as_table({"rows": rows[-1:]}).splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
