"""What a step of CarRacing costs one core, beside Gymnasium and EnvPool (if installed).

    python benchmarks/bench_car_racing.py [--rounds 5] [--output FILE]
    python benchmarks/bench_car_racing.py --table

Nearly all of a step is a picture, and at an episode's start the camera is high: much is to be drawn. So the CPU time of
one thread is kept for the reset and for each twenty steps after it, of 8 envs (Gymnasium: 2), which all drive along a
wide curve; medians over the rounds, in which the peers take turns. CPU time does not depend much on what else the
machine does. `--table` prints the file as Markdown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import fastvec
from fastvec.bench.report import describe_machine
from results_file import parse_or_print

RESULT = Path(__file__).parent / "results" / "car_racing.json"
ENV_ID, PART, PARTS = "CarRacing-v3", 20, 5


def vectors() -> dict[str, Any]:
    """The peers, each on one thread."""
    made: dict[str, Any] = {
        "fastvec": fastvec.make_vec(ENV_ID, 8, num_threads=1),
        "gymnasium sync": gymnasium.make_vec(ENV_ID, 2, vectorization_mode="sync"),
    }
    try:
        import envpool
    except ImportError:
        return made
    return {**made, "envpool": envpool.make_gymnasium(ENV_ID, num_envs=8, num_threads=1)}


def measure(envs: Any) -> list[float]:
    """Milliseconds of CPU time for each env: of the reset, and of a step of each part."""
    num_envs = envs.num_envs if hasattr(envs, "num_envs") else len(envs)
    actions = np.tile(np.array([[0.1, 0.3, 0.0]], np.float32), (num_envs, 1))
    begin = time.process_time()
    envs.reset()
    taken = [time.process_time() - begin]
    for _ in range(PARTS):
        begin = time.process_time()
        for _ in range(PART):
            envs.step(actions)
        taken.append((time.process_time() - begin) / PART)
    return [1e3 * seconds / num_envs for seconds in taken]


def as_table(results: dict[str, Any]) -> str:
    """The peers in Markdown."""
    header = "| CPU milliseconds of | a reset | " + " | ".join(
        f"a step, {PART * part + 1} to {PART * (part + 1)}" for part in range(PARTS)
    )
    lines = [f"{header} |", "|---" * (PARTS + 2) + "|"]
    names = {"fastvec": "fastvec", "envpool": "EnvPool", "gymnasium sync": "Gymnasium"}
    for peer in (peer for peer in names if peer in results["milliseconds"]):
        cells = " | ".join(f"{value:.2f}" for value in results["milliseconds"][peer])
        lines.append(f"| {names[peer]} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Let the peers take turns, print medians and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    args = parse_or_print(parser, RESULT, as_table)
    if args is None:
        return
    peers = vectors()
    rounds: dict[str, list[list[float]]] = {peer: [] for peer in peers}
    for _ in range(args.rounds):
        for peer, envs in peers.items():
            rounds[peer].append(measure(envs))
    medians = {peer: [statistics.median(part) for part in zip(*found, strict=True)] for peer, found in rounds.items()}
    results = {"machine": describe_machine(), "milliseconds": medians, "rounds": rounds}
    args.output.write_text(json.dumps(results, indent=1) + "\n")
    print(as_table(results))


if __name__ == "__main__":
    main()
