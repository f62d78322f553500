"""Gradient steps of SAC, and environment steps of PQN, per CPU second beside Stable-Baselines3 and sbx.

    python benchmarks/bench_off_policy.py [--rounds 3] [--output FILE]

SAC: HalfCheetah-v5, one environment, 2 x 256 units, batches of 256 and a gradient step per environment step for all;
the steps of an environment and the choice of actions are part of it, compiling is not. PQN and Stable-Baselines3's DQN:
CartPole-v1, each with its own settings for it. In each round every peer in turn is a process of its own (A B A B), on
one core's worth of threads. sbx (`pip install sbx-rl`) is left out where it is not installed.

The sgemm share is that of the arithmetic of a gradient step (forward and backward of all networks) in what a plain
product of 512 x 512 matrices reaches in the same process.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastvec.bench.report import describe_machine

RESULT = Path(__file__).parent / "results" / "off_policy.json"
WARM_UP, STEPS = 600, 2_048
SAC_FLOPS = (
    2
    * 256
    * (
        # actor 17-256-256-12: forward for the targets; forward and backward (3 x) for its own loss
        4 * (17 * 256 + 256 * 256 + 256 * 12)
        # two critics 23-256-256-1: forward for the targets, 3 x for theirs, 2 x (of the actions alone) for the actor's
        + 2 * 6 * (23 * 256 + 256 * 256 + 256)
    )
)


def ours_sac() -> float:
    """Gradient steps per CPU second of fastvec's SAC."""
    from fastvec.train import SAC, SACConfig, sac

    sac.STEPS_PER_REPORT = 256
    trainer = SAC(
        "HalfCheetah-v5",
        config=SACConfig(  # without the env's preset: the settings of the others
            learning_starts=256,
            buffer_size=100_000,
            compile=True,
            torch_threads=1,
            num_threads=1,
            total_timesteps=10**6,
        ),
    )
    while trainer.global_step < WARM_UP:
        trainer.iterate()
    return per_cpu_second(lambda: [trainer.iterate() for _ in range(STEPS // 256)], STEPS)


def peer_sac(package: str) -> float:
    """The same of Stable-Baselines3 or sbx."""
    from stable_baselines3.common.callbacks import BaseCallback

    module = __import__(package, fromlist=["SAC"])
    marks: list[float] = []

    class Clock(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps in (WARM_UP, WARM_UP + STEPS):
                marks.append(time.process_time())
            return True

    settings: dict[str, Any] = {"learning_starts": 256, "buffer_size": 100_000, "batch_size": 256, "train_freq": 1}
    model = module.SAC("MlpPolicy", "HalfCheetah-v5", gradient_steps=1, **settings)
    model.learn(WARM_UP + STEPS + 1, callback=Clock())
    return STEPS / (marks[1] - marks[0])


def ours_pqn() -> float:
    """Environment steps per CPU second of fastvec's PQN on CartPole, from the first step to the last."""
    from fastvec.train import PQN

    trainer = PQN("CartPole-v1", torch_threads=1, compile=False, total_timesteps=100_000)
    return per_cpu_second(trainer.learn, 100_000)


def peer_dqn() -> float:
    """The same of Stable-Baselines3's DQN, with the settings that its zoo tuned for CartPole."""
    from stable_baselines3 import DQN

    model = DQN(
        "MlpPolicy",
        "CartPole-v1",
        learning_rate=2.3e-3,
        batch_size=64,
        buffer_size=100_000,
        learning_starts=1000,
        gamma=0.99,
        target_update_interval=10,
        train_freq=256,
        gradient_steps=128,
        exploration_fraction=0.16,
        exploration_final_eps=0.04,
        policy_kwargs={"net_arch": [256, 256]},
    )
    return per_cpu_second(lambda: model.learn(20_000), 20_000)


def sgemm() -> float:
    """FLOP per CPU second of products of 512 x 512 float32 matrices."""
    import torch

    a, b = torch.randn(512, 512), torch.randn(512, 512)
    return per_cpu_second(lambda: [a @ b for _ in range(400)], 400 * 2 * 512**3)


def per_cpu_second(work: Callable[[], Any], amount: float) -> float:
    """``amount`` over the CPU seconds that ``work()`` takes in all threads."""
    start = time.process_time()
    work()
    return amount / (time.process_time() - start)


CHILDREN: dict[str, Callable[[], float]] = {
    "sac fastvec": ours_sac,
    "sac stable-baselines3": lambda: peer_sac("stable_baselines3"),
    "sac sbx": lambda: peer_sac("sbx"),
    "pqn fastvec": ours_pqn,
    "dqn stable-baselines3": peer_dqn,
    "sgemm": sgemm,
}


def child(name: str) -> None:
    """Measure one peer, and print its figure."""
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(json.dumps(CHILDREN[name]()))


def main() -> int:
    """Measure all in turn, print medians and ratios, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULT, help="where to write the JSON")
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return 0
    names = [name for name in CHILDREN if "sbx" not in name or importlib.util.find_spec("sbx")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    figures: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            done = subprocess.run(
                [sys.executable, __file__, "--child", name],
                capture_output=True,
                text=True,
                env=environment,
                check=False,
            )
            if done.returncode:
                raise SystemExit(f"{name}: {done.stderr[-2000:]}")
            figures[name].append(float(done.stdout.splitlines()[-1]))
            print(f"{name:24} {figures[name][-1]:14,.1f} per CPU second", flush=True)
    medians = {name: statistics.median(values) for name, values in figures.items()}
    ratios = {name: medians["sac fastvec"] / medians[name] for name in names if name.startswith("sac ")}
    ratios["dqn stable-baselines3"] = medians["pqn fastvec"] / medians["dqn stable-baselines3"]
    share = medians["sac fastvec"] * SAC_FLOPS / medians["sgemm"]
    print(f"fastvec over: {', '.join(f'{name} {value:.2f}x' for name, value in ratios.items())}; {share:.0%} of sgemm")
    result = {"per_cpu_second": figures, "fastvec_over": ratios, "sgemm_share": share, "machine": describe_machine()}
    arguments.output.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
