"""How CartPole scales from 1,024 to 1,000,000 envs: time to make and reset, time per env step, memory per env."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import fastvec
from fastvec.bench.report import describe_machine

RESULT = Path(__file__).parent / "results" / "scale.json"
SIZES = (1024, 8192, 65_536, 262_144, 1_000_000)


def measure(num_envs: int, seconds: float) -> dict[str, Any]:
    """One size: seconds to make and reset, median nanoseconds per env step, bytes per env."""
    before = peak_bytes()
    begin = time.perf_counter()
    envs = fastvec.make_vec("CartPole-v1", num_envs)
    envs.reset(seed=0)
    made = time.perf_counter() - begin

    rng = np.random.default_rng(0)
    actions = [rng.integers(0, 2, num_envs) for _ in range(4)]
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 10:
        begin = time.perf_counter()
        envs.step(actions[len(times) % len(actions)])
        times.append((time.perf_counter() - begin) / num_envs * 1e9)
    result = {
        "num_envs": num_envs,
        "make_and_reset_seconds": made,
        "nanoseconds_per_env_step": statistics.median(times),
        "state_bytes_per_env": envs.bytes_per_env,
        "peak_bytes_per_env": (peak_bytes() - before) / num_envs,
    }
    envs.close()
    return result


def peak_bytes() -> int:
    """The largest resident size that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="stepping time per size")
    parser.add_argument("--output", default=str(RESULT), help="where to write the JSON")
    arguments = parser.parse_args()
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores")
    print(f"{'num_envs':>10}  {'make+reset':>10}  {'ns/env step':>11}  {'state B/env':>11}  {'peak B/env':>10}")
    rows = []
    for size in SIZES:
        row = measure(size, arguments.seconds)
        rows.append(row)
        print(
            f"{size:>10}  {row['make_and_reset_seconds']:>9.3f}s  {row['nanoseconds_per_env_step']:>11.2f}  "
            f"{row['state_bytes_per_env']:>11}  {row['peak_bytes_per_env']:>10.0f}"
        )
    Path(arguments.output).write_text(json.dumps({"machine": machine, "results": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
