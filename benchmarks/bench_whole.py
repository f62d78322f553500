"""The whole of a training run, from the command to its end: `fastvec train CartPole-v1` beside two scripts.

    python benchmarks/bench_whole.py [--steps 50000,400000] [--runs 3] [--output FILE]

All with 64 envs x 32 steps, minibatches of 256, 4 epochs and two 64-64 tanh networks, on the CPU, not evaluated.
Peers are Stable-Baselines3's PPO (if installed) and `peers/plain_ppo.py`, a script in one file. fastvec runs without
flags about speed; `warm` finds what an earlier run compiled, `cold` compiles into an empty cache. Runs are made in turn
(each of them once, then again); medians of wall seconds and CPU seconds are printed, and kept with all runs.
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
from processes import timed

HERE = Path(__file__).parent
SB3 = """
import sys
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
envs = make_vec_env("CartPole-v1", 64)
PPO("MlpPolicy", envs, n_steps=32, batch_size=256, n_epochs=4, device="cpu").learn(int(sys.argv[1]))
"""


def fastvec_run(steps: int, cache: str, *flags: str) -> dict[str, float]:
    """`fastvec train` with programs kept in ``cache``."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fastvec", "train", "CartPole-v1", "--total-timesteps", str(steps)]
        command += ["--num-envs", "64", "--num-steps", "32", "--num-minibatches", "8", "--update-epochs", "4"]
        command += ["--eval-episodes", "0", "--json", "--run-dir", f"{folder}/run", *flags]
        return timed(command, FASTVEC_CACHE_DIR=cache, TORCHINDUCTOR_CACHE_DIR=f"{cache}/inductor")[1]


def main() -> None:
    """Run everything in turn, print medians and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", default="50000,400000", help="lengths of runs")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "whole.json")
    args = parser.parse_args()
    python = sys.executable
    plain = str(HERE / "peers" / "plain_ppo.py")
    results: dict[str, Any] = {"machine": describe_machine(), "rows": {}}
    with tempfile.TemporaryDirectory() as warm:
        for steps in map(int, args.steps.split(",")):
            fastvec_run(steps, warm)  # fills it
            rows: dict[str, list[dict[str, float]]] = {}
            for _ in range(args.runs):
                rows.setdefault("fastvec, warm", []).append(fastvec_run(steps, warm))
                rows.setdefault("fastvec --no-compile", []).append(fastvec_run(steps, warm, "--no-compile"))
                with tempfile.TemporaryDirectory() as empty:
                    rows.setdefault("fastvec, cold", []).append(fastvec_run(steps, empty))
                rows.setdefault("plain PPO", []).append(
                    timed([python, plain, "CartPole-v1", "--total-timesteps", str(steps)])[1]
                )
                rows.setdefault("Stable-Baselines3", []).append(
                    timed([python, "-W", "ignore", "-c", SB3, str(steps)])[1]
                )
            for name, runs in rows.items():
                wall, cpu = (statistics.median(run[key] for run in runs) for key in ("seconds", "cpu_seconds"))
                print(f"{steps:9,} steps  {name:22} {wall:6.1f} s  {cpu:6.1f} CPU s", flush=True)
                results["rows"].setdefault(str(steps), {})[name] = {"seconds": wall, "cpu_seconds": cpu, "runs": runs}
            args.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
