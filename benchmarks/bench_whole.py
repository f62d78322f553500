"""The whole of a training run, from the command to its end: `fastvec train` beside two scripts.

    python benchmarks/bench_whole.py [--env CartPole-v1] [--steps 50000,400000] [--runs 3] [--output FILE]
        [--earlier PYTHON]

All with two 64-64 tanh networks, on the CPU, not evaluated. CartPole-v1: 64 envs x 32 steps, minibatches of 256, 4
epochs. HalfCheetah-v5: 1 env x 2048 steps, minibatches of 64, 10 epochs, observations and rewards normalised.
Peers are Stable-Baselines3's PPO (if installed) and `peers/plain_ppo.py`, a script in one file. fastvec runs without
flags about speed; `warm` finds what an earlier run compiled, `cold` compiles into an empty cache. Runs are made in turn
(each of them once, then again); medians of wall seconds and CPU seconds are printed, and kept with all runs.
`--earlier` names the Python of an environment with another version of fastvec, which takes its turns in place of the
peers: without flags, and with `--compile`, warm and cold.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fastvec.bench.report import describe_machine
from processes import timed

HERE = Path(__file__).parent
Run = Callable[[], dict[str, float]]
SB3 = """
import sys
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize
env_id, num_envs, num_steps, batch_size, epochs, normalize, steps = sys.argv[1:]
envs = make_vec_env(env_id, int(num_envs))
envs = VecNormalize(envs) if normalize == "True" else envs
ppo = PPO("MlpPolicy", envs, n_steps=int(num_steps), batch_size=int(batch_size), n_epochs=int(epochs), device="cpu")
ppo.learn(int(steps))
"""


@dataclass(frozen=True)
class Settings:
    """What all are run with."""

    env_id: str
    num_envs: int
    num_steps: int
    num_minibatches: int
    update_epochs: int
    normalize: bool

    def flags(self) -> list[str]:
        """As fastvec and the script in one file take them."""
        names = ("num_envs", "num_steps", "num_minibatches", "update_epochs")
        return [word for name in names for word in (f"--{name.replace('_', '-')}", str(getattr(self, name)))]

    def sb3(self, steps: int) -> list[str]:
        """The arguments of SB3's script."""
        batch_size = self.num_envs * self.num_steps // self.num_minibatches
        given = (self.env_id, self.num_envs, self.num_steps, batch_size, self.update_epochs, self.normalize, steps)
        return [str(x) for x in given]


SETTINGS = {
    "CartPole-v1": Settings("CartPole-v1", 64, 32, 8, 4, normalize=False),
    "HalfCheetah-v5": Settings("HalfCheetah-v5", 1, 2048, 32, 10, normalize=True),
}


def fastvec_run(
    settings: Settings, steps: int, cache: str, *flags: str, python: str = sys.executable
) -> dict[str, float]:
    """`fastvec train` with programs kept in ``cache``."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-m", "fastvec", "train", settings.env_id, "--total-timesteps", str(steps)]
        command += [*settings.flags(), "--eval-episodes", "0", "--json", "--run-dir", f"{folder}/run", *flags]
        return timed(command, FASTVEC_CACHE_DIR=cache, TORCHINDUCTOR_CACHE_DIR=f"{cache}/inductor")[1]


WARM = {"fastvec, warm", "earlier fastvec --compile, warm"}


def runners_of(settings: Settings, steps: int, warm: str, earlier: str | None) -> dict[str, Run]:
    """What makes one run, by the row's name."""

    def cold(*flags: str, python: str = sys.executable) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as empty:
            return fastvec_run(settings, steps, empty, *flags, python=python)

    runners: dict[str, Run] = {
        "fastvec, warm": lambda: fastvec_run(settings, steps, warm),
        "fastvec --no-compile": lambda: fastvec_run(settings, steps, warm, "--no-compile"),
        "fastvec, cold": cold,
    }
    if earlier is not None:
        return runners | {
            "earlier fastvec": lambda: fastvec_run(settings, steps, warm, python=earlier),
            "earlier fastvec --compile, warm": lambda: fastvec_run(settings, steps, warm, "--compile", python=earlier),
            "earlier fastvec --compile, cold": lambda: cold("--compile", python=earlier),
        }
    plain = [sys.executable, str(HERE / "peers" / "plain_ppo.py"), settings.env_id, *settings.flags()]
    plain += ["--total-timesteps", str(steps), *(["--normalize"] if settings.normalize else [])]
    sb3 = [sys.executable, "-W", "ignore", "-c", SB3, *settings.sb3(steps)]
    return runners | {"plain PPO": lambda: timed(plain)[1], "Stable-Baselines3": lambda: timed(sb3)[1]}


def main() -> None:
    """Run everything in turn, print medians and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="CartPole-v1", choices=SETTINGS)
    parser.add_argument("--steps", default="50000,400000", help="lengths of runs")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--earlier", metavar="PYTHON", help="of an environment with another fastvec")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "whole.json")
    args = parser.parse_args()
    if args.earlier and args.output == parser.get_default("output"):
        parser.error("--earlier has other rows than the file that the docs show: give an --output")
    settings = SETTINGS[args.env]
    results: dict[str, Any] = {"machine": describe_machine(), "settings": asdict(settings), "rows": {}}
    with tempfile.TemporaryDirectory() as warm:
        for steps in map(int, args.steps.split(",")):
            runners = runners_of(settings, steps, warm, args.earlier)
            for name in WARM & runners.keys():
                runners[name]()  # fills the cache
            rows: dict[str, list[dict[str, float]]] = {name: [] for name in runners}
            for _ in range(args.runs):
                for name, runner in runners.items():
                    rows[name].append(runner())
            for name, runs in rows.items():
                wall, cpu = (statistics.median(run[key] for run in runs) for key in ("seconds", "cpu_seconds"))
                print(f"{steps:9,} steps  {name:22} {wall:6.1f} s  {cpu:6.1f} CPU s", flush=True)
                results["rows"].setdefault(str(steps), {})[name] = {"seconds": wall, "cpu_seconds": cpu, "runs": runs}
            args.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
