"""The beginning of a PPO run on an Atari game with its preset: how fast it is, and whether it learns at all.

    python benchmarks/bench_atari.py [ID] [--steps 200000] [--seed 1] [--threads 1] [--output FILE]

The settings are those of `fastvec train ID`, and schedules run over all of its steps: the run is only broken off
after `--steps`. Beside the returns of its training episodes stand those of 100 episodes of random actions in the same
environments. The speed is in steps of the agent (of four frames each) per CPU second of the process, from the first
step on: environments and compiling are part of it, but not making the trainer. That is one run, and says nothing of how
well the preset plays in the end.

    python benchmarks/bench_atari.py --table

runs nothing: it prints the file as a table.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import statistics
import time
from pathlib import Path
from typing import Any

from fastvec.bench.report import describe_machine
from results_file import parse_or_print

RESULT = Path(__file__).parent / "results" / "atari.json"
RANDOM_EPISODES = 100
RANDOM_ENVS = 10
PART_STEPS = 50_000


def summary(returns: list[float]) -> dict[str, Any]:
    """Mean, standard error and range of the returns of some episodes."""
    count = len(returns)
    return {
        "episodes": count,
        "mean": statistics.mean(returns) if returns else None,
        "standard_error": statistics.stdev(returns) / count**0.5 if count > 1 else None,
        "min": min(returns, default=None),
        "max": max(returns, default=None),
    }


def play_at_random(env_id: str, seed: int) -> dict[str, Any]:
    """What random actions return, in the environments that training has.

    Each environment plays as many episodes as any other: taking those that end first would favour the short ones.
    """
    import numpy as np

    import fastvec

    envs = fastvec.make_vec(env_id, RANDOM_ENVS, num_threads=1)
    envs.action_space.seed(seed)
    envs.reset(seed=seed)
    running = np.zeros(RANDOM_ENVS)
    returns: list[list[float]] = [[] for _ in range(RANDOM_ENVS)]
    each = RANDOM_EPISODES // RANDOM_ENVS
    while any(len(finished) < each for finished in returns):
        _, rewards, terminated, truncated, _ = envs.step(envs.action_space.sample())
        running += rewards
        for i in np.flatnonzero(terminated | truncated):
            returns[i].append(float(running[i]))
            running[i] = 0.0
    envs.close()
    return summary([value for finished in returns for value in finished[:each]])


def train(env_id: str, seed: int, steps: int, threads: int) -> dict[str, Any]:
    """The first steps of a run: settings, returns of all training episodes, and times."""
    from fastvec.train import PPO, preset
    from fastvec.train.report import Report

    started, cpu_started = time.perf_counter(), time.process_time()
    config = dataclasses.replace(preset(env_id), seed=seed, num_threads=threads, torch_threads=threads)
    trainer = PPO(env_id, config=config)
    made, cpu_made = time.perf_counter(), time.process_time()
    episodes: list[tuple[int, float]] = []
    curve: list[dict[str, Any]] = []
    seconds = {"env": 0.0, "inference": 0.0, "update": 0.0}

    def follow(report: Report) -> bool:
        newest = report.episodes - len(episodes)
        episodes.extend((report.global_step, value) for value, _ in trainer.episodes.recent[-newest:] if newest)
        for name in seconds:
            seconds[name] += getattr(report, f"{name}_seconds")
        if report.iteration % 10 == 0:
            cpu = time.process_time() - cpu_made
            mean_return = report.mean_return if report.episodes else None
            curve.append({"step": report.global_step, "mean_return": mean_return, "cpu_seconds": cpu})
            print(
                f"{report.global_step:9,} steps  {report.mean_return:7.2f}  {report.global_step / cpu:5.0f}/s",
                flush=True,
            )
        return report.global_step < steps

    trainer.learn(callback=follow)
    cpu, wall = time.process_time() - cpu_made, time.perf_counter() - made
    parts = []
    for start in range(0, min(steps, trainer.global_step), PART_STEPS):
        end = start + PART_STEPS if start + PART_STEPS < steps else trainer.global_step
        parts.append({"until_step": end, **summary([value for step, value in episodes if start < step <= end])})
    settings = dataclasses.asdict(trainer.config)
    return {
        "config": settings,
        "stopped_at": trainer.global_step,
        "compiled": trainer.compiles,
        "steps_per_cpu_second": trainer.global_step / cpu,
        "cpu_seconds": cpu,
        "cpu_seconds_to_make_it": cpu_made - cpu_started,
        "wall_seconds": wall,
        "wall_seconds_to_make_it": made - started,
        "wall_seconds_of": seconds,
        "last_100_episodes": summary([value for _, value in episodes[-100:]]),
        "episodes": [{"step": step, "return": value} for step, value in episodes],
        "parts": parts,
        "curve": curve,
    }


def as_table(results: dict[str, Any]) -> str:
    """Mean returns, with their standard errors, of random actions and of each part of a run."""
    lines = ["| game | actions | episodes | mean return |", "|---|---|---|---|"]
    for env_id, row in results.items():
        cells, start = [("random", row["random"])], 0
        for part in row["parts"]:
            cells.append((f"training, steps {start / 1000:.0f}k to {part['until_step'] / 1000:.0f}k", part))
            start = part["until_step"]
        for name, some in cells:
            shown = "-"
            if some["mean"] is not None:
                shown = f"{some['mean']:.2f} ± {some['standard_error'] or 0.0:.2f}"
            lines.append(f"| {env_id} | {name} | {some['episodes']} | {shown} |")
    return "\n".join(lines)


def main() -> int:
    """Play at random, train, and write both down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env_id", nargs="?", default="ALE/Pong-v5", metavar="ID")
    parser.add_argument("--steps", type=int, default=200_000, help="of the agent, after which the run is broken off")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="for the networks, and for the environments")
    args = parse_or_print(parser, RESULT, as_table)
    if args is None:
        return 0
    machine = describe_machine()
    machine["versions"]["ale-py"] = importlib.metadata.version("ale-py")
    random = play_at_random(args.env_id, args.seed)
    print(f"random actions: {random['mean']:.2f}", flush=True)
    row = {"machine": machine, "random": random, **train(args.env_id, args.seed, args.steps, args.threads)}
    results = json.loads(args.output.read_text()) if args.output.exists() else {}
    args.output.write_text(json.dumps({**results, args.env_id: row}, indent=2) + "\n")
    print(as_table({args.env_id: row}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
