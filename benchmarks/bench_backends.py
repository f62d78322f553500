"""What native environments are worth to a whole run: the same training by each backend, from command to end.

    python benchmarks/bench_backends.py [--seeds 1,1001,2001,3001,4001] [--backends native,process] [--output FILE]
    python benchmarks/bench_backends.py --table

Each run is `fastvec train LunarLander-v3 --backend NAME --stop-at-return 200` as a user types it, in a process of its
own; the backends take turns with each seed. Their environments give the same numbers, so a seed is the same run, of
the same steps, by each of them. Wall seconds depend on what else the machine does. `--table` prints the file as
Markdown.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from bench_choosing import run
from fastvec.bench.report import describe_machine
from results_file import parse_or_print

RESULT = Path(__file__).parent / "results" / "backends.json"
ENV_ID, RETURN, ALGO = "LunarLander-v3", 200.0, "ppo"
BACKENDS = {
    "native": "native, in C++",
    "gymnasium": "Gymnasium's `SyncVectorEnv`",
    "process": "Gymnasium's, in worker processes",
}


def as_table(results: dict[str, Any]) -> str:
    """The backends in Markdown: medians over the seeds, with the least and the most."""
    lines = [
        "| environments | `--backend` | seeds that got there | steps | seconds | CPU seconds |",
        "|---|---|---|---|---|---|",
    ]
    for backend, runs in results["runs"].items():
        cells = [f"{sum(one['reached'] for one in runs)} of {len(runs)}"]
        for key in ("steps", "seconds", "cpu_seconds"):
            values = [one[key] for one in runs]
            cells.append(f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})")
        lines.append(f"| {BACKENDS[backend]} | `{backend}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run all backends with each seed in turn, and bring the file up to date after each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1,1001,2001,3001,4001")
    parser.add_argument("--backends", default=",".join(BACKENDS))
    args = parse_or_print(parser, RESULT, as_table)
    if args is None:
        return
    runs: dict[str, list[dict[str, Any]]] = {backend: [] for backend in args.backends.split(",")}
    for seed in map(int, args.seeds.split(",")):
        for backend, done in runs.items():
            one = run(ENV_ID, RETURN, ALGO, ("--backend", backend), seed)
            del one["curve"]  # the same for all
            done.append(one)
            print(f"{backend}, seed {seed}: {one['steps']:,} steps, {one['seconds']:.1f} s", flush=True)
        args.output.write_text(json.dumps({"machine": describe_machine(), "runs": runs}, indent=1) + "\n")
    print(as_table({"runs": runs}))


if __name__ == "__main__":
    main()
