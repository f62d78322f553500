"""Tables and single figures of the pages, each a function of the results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from fastvec.bench.measure import Result
from fastvec.bench.report import short, table
from figures.results import Results

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import bench_atari
import bench_backends
import bench_car_racing
import bench_choosing
import bench_heuristics
import bench_learning
import bench_sac_returns
import bench_samples

Text = Callable[[Results], str]


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join([_row(header), "|" + "---|" * len(header), *map(_row, rows)])


def _row(cells: Sequence[str]) -> str:
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def step(results: Results) -> str:
    """What ``fastvec bench`` prints."""
    rows = [Result(**{**row, "rounds": tuple(row["rounds"])}) for row in results["step"]["results"]]
    return f"```text\n{table(rows)}\n```"


def mujoco(results: Results) -> str:
    """MuJoCo's envs beside their peers."""
    rows, measured = [], results["mujoco"]["results"]
    order = [row["env_id"] for row in measured]
    for row in sorted(measured, key=lambda row: (order.index(row["env_id"]), -row["num_envs"])):
        over = row["fastvec_over"]
        rows.append((
            row["env_id"], str(row["num_envs"]), short(row["steps_per_second"]["fastvec"]),
            f"{over['envpool']:.2f}x", f"{over['gymnasium sync']:.2f}x", f"{100 * over['bare C++ loop']:.0f} %",
        ))  # fmt: skip
    return _markdown(
        ("env", "envs", "fastvec, steps/s", "over EnvPool", "over SyncVectorEnv", "of the bare loop"), rows
    )


def box2d(results: Results) -> str:
    """Box2D's envs beside their peers."""
    rows, before = [], ""
    for row in results["box2d"]["results"]:
        over = [f"{row['fastvec_over'][peer]:.1f}x" for peer in ("gymnasium sync", "envpool", "bare C++ loop")]
        name = "" if row["env_id"] == before else row["env_id"]
        rows.append((name, str(row["num_envs"]), short(row["steps_per_second"]["fastvec"]), *over))
        before = row["env_id"]
    return _markdown(("env", "envs", "steps/s", "SyncVectorEnv", "EnvPool", "bare C++ loop"), rows)


def process(results: Results) -> str:
    """The process backend beside Gymnasium's vectors."""
    rows = []
    for row in results["process"]["results"]:
        if row["busy_neighbour"] or row["num_envs"] == 8:  # what 4 and 64 show
            continue
        kind, _, milliseconds = row["env"].partition("-")
        words = {"busy": f"computes for {milliseconds} ms", "sleep": f"waits for {milliseconds} ms"}
        rows.append((
            f"{words.get(kind, row['env'])}, {row['num_envs']}", str(row["num_workers"]),
            f"{row['over_async']:.1f}x", f"{row['over_sync']:.2f}x", f"{row['over_apart']:.2f}",
        ))  # fmt: skip
    header = ("envs", "workers", "over AsyncVectorEnv", "over SyncVectorEnv", "of processes that never wait")
    return _markdown(header, rows)


def jax(results: Results) -> str:
    """CartPole inside a jitted scan: millions of env steps per second."""
    sizes = results["jax"]["sizes"]
    some = next(iter(sizes.values()))
    names = {
        "fastvec.jax": "`fastvec.jax`",
        "envs.xla": "`envs.xla()`",
        "envs.step": "`envs.step`, from Python",
        "envpool.xla": f"EnvPool {some['envpool.xla']['versions']['envpool']}'s `xla()`",
        "gymnax": f"gymnax {some['gymnax']['versions']['gymnax']}",
    }
    rows = []
    for name, shown in names.items():
        rates = [size[name]["env_steps_per_second"] / 1e6 for size in sizes.values()]
        rows.append((shown, *(f"{rate:.1f}" if rate >= 1 else f"{rate:.2f}" for rate in rates)))
    return _markdown(("", *(f"{int(size):,} envs" for size in sizes)), rows)


def gpu_kernels(results: Results) -> str:
    """How many of 1,024 envs are equal after so many steps, and steps per second of the kernels."""
    envs = results["gpu_kernels"]["envs"]
    some = next(iter(envs.values()))
    steps = [row["step"] for row in some["check"] if row["step"]]
    header = ("env", *map(str, steps), *(f"{row['num_envs']:,} envs" for row in some["speed"]))
    rows = []
    for env_id, row in envs.items():
        equal = [str(check["equal_envs"]) for check in row["check"] if check["step"]]
        rows.append((env_id, *equal, *(short(speed["as_graph"]) for speed in row["speed"])))
    return _markdown(header, rows)


def _gpu_rows(results: Results) -> dict[str, Any]:
    """The rows of both files by name; the newer file's, where both have one."""
    rows = [*results["gpu_games"]["rows"], *results["gpu"]["rows"]]
    return {row["name"]: row for row in rows if row["status"] == "ok"}


def gpu(results: Results) -> str:
    """Training on a GPU."""
    rows = _gpu_rows(results)
    speed = {name: short(row["result"]["steps_per_second"]) for name, row in rows.items()}
    share = {name: f"{row['result']['shares']['env']:.0%}" for name, row in rows.items() if "shares" in row["result"]}
    said = {
        name: f"LeanRL publishes {short(row['published'][1])}, on an H100"
        for name, row in rows.items()
        if row["published"]
    }
    lines = [
        *(
            (f"{envs:,} x 32", speed[f"cartpole-{envs}-captured"], speed[f"cartpole-{envs}-compiled"], "")
            for envs in (65536, 8192, 1024)
        ),
        ("64 x 32, minibatch 256", speed["same-captured"], speed["same-compiled"], f"{speed['sb3-cpu']} (on the CPU)"),
        (
            "HalfCheetah-v5, 1,024 x 32",
            f"{speed['halfcheetah-1024-captured']} ({share['halfcheetah-1024-captured']} of it MuJoCo)", "", "",
        ),
        (
            "HalfCheetah-v5, 1 x 2,048, 32 minibatches, 10 epochs",
            speed["leanrl-continuous-captured"], "", said["leanrl-continuous-captured"],
        ),
        ("Pong, 64 x 128", f"{speed['pong-64-captured']} ({share['pong-64-captured']} of it the games)", "", ""),
        (
            "Breakout, 8 x 128", f"{speed['leanrl-atari-captured']} ({share['leanrl-atari-captured']} of it the games)",
            "", said["leanrl-atari-captured"] + " with EnvPool's games",
        ),
    ]  # fmt: skip
    return _markdown(("envs x steps", "captured", "compiled and captured", "Stable-Baselines3 there"), lines)


def gpu_fastest(results: Results) -> str:
    """Steps per second of the fastest row on a GPU."""
    return f"{max(row['result']['steps_per_second'] for row in results['gpu']['rows']) / 1e6:.0f}M"


def gpu_over_sb3(results: Results) -> str:
    """How many times as fast training on a GPU is as Stable-Baselines3, at its settings."""
    rows = {row["name"]: row["result"]["steps_per_second"] for row in results["gpu"]["rows"]}
    return f"{rows['same-compiled'] / rows['sb3-cpu']:.0f}"


def off_policy(results: Results) -> str:
    """SAC and PQN beside Stable-Baselines3 and sbx, per CPU second; and how many times as fast as they fastvec is."""
    rates = {name: sum(runs) / len(runs) for name, runs in results["off_policy"]["per_cpu_second"].items()}
    rows = []
    for title, own, others in (
        ("gradient steps of SAC, HalfCheetah-v5", "sac fastvec", ("sac stable-baselines3", "sac sbx")),
        ("steps of PQN (there: DQN), CartPole-v1", "pqn fastvec", ("dqn stable-baselines3", "dqn sbx")),
    ):
        cells = [
            f"{rates[other]:,.0f} ({rates[own] / rates[other]:.1f}x)" if other in rates else "" for other in others
        ]
        rows.append((title, f"{rates[own]:,.0f}", *cells))
    return _markdown(("per CPU second", "fastvec", "Stable-Baselines3", "sbx"), rows)


def whole(results: Results, name: str = "whole") -> str:
    """Seconds of whole runs, from the command to its end, by their length."""
    by_steps = results[name]["rows"]
    names = list(next(iter(by_steps.values())))

    def cell(row: dict[str, Any]) -> str:
        return f"{row['seconds']:.1f} ({row['cpu_seconds']:.1f})"

    cells = [[cell(rows[name]) for rows in by_steps.values()] for name in names]
    header = ("seconds (CPU seconds)", *(f"{int(steps):,} steps" for steps in by_steps))
    return _markdown(header, [(name, *row) for name, row in zip(names, cells, strict=True)])


def cheetah_microseconds(results: Results, name: str) -> str:
    """CPU microseconds of a further step of HalfCheetah, by whom: what the longer runs take more, over their steps."""
    (fewer, before), (more, after) = results["whole_half_cheetah"]["rows"].items()
    seconds = after[name]["cpu_seconds"] - before[name]["cpu_seconds"]
    return f"{1e6 * seconds / (int(more) - int(fewer)):,.0f}"


TABLES: dict[str, Text] = {
    "step": step,
    "mujoco": mujoco,
    "box2d": box2d,
    "process": process,
    "process.sleeping": lambda results: f"{results['process']['sleeping']['ratio']:.2f}",
    "jax": jax,
    "gpu_kernels": gpu_kernels,
    "gpu": gpu,
    "gpu.fastest": gpu_fastest,
    "gpu.over_sb3": gpu_over_sb3,
    "off_policy": off_policy,
    "off_policy.share": lambda results: f"{100 * results['off_policy']['sgemm_share']:.0f} %",
    "learning": lambda results: bench_learning.as_table(results["learning"]),
    "learning_pqn": lambda results: bench_learning.as_table(results["learning_pqn"]),
    "learning_sac": lambda results: bench_learning.as_table(results["learning_sac"]),
    "atari": lambda results: bench_atari.as_table(results["atari"]),
    "atari.steps": lambda results: f"{results['atari']['ALE/Pong-v5']['stopped_at']:,}",
    "atari.speed": lambda results: f"{results['atari']['ALE/Pong-v5']['steps_per_cpu_second']:.0f} steps",
    "choosing": lambda results: bench_choosing.as_table(results["choosing"]),
    "car_racing": lambda results: bench_car_racing.as_table(results["car_racing"]),
    "backends": lambda results: bench_backends.as_table(results["backends"]),
    "heuristics": lambda results: bench_heuristics.as_table(results["heuristics"]),
    "samples": lambda results: bench_samples.as_table(results["samples"]),
    "samples.million": lambda results: bench_samples.million_table(results["samples"]),
    "samples.peer": lambda results: bench_samples.peer_table(results["samples"]),
    "sac_returns": lambda results: bench_sac_returns.as_table(results["sac_returns"]),
    "whole": whole,
    "whole_half_cheetah": lambda results: whole(results, "whole_half_cheetah"),
    "whole_half_cheetah.fastvec": lambda results: cheetah_microseconds(results, "fastvec, warm"),
    "whole_half_cheetah.plain": lambda results: cheetah_microseconds(results, "plain PPO"),
    "whole_half_cheetah.sb3": lambda results: cheetah_microseconds(results, "Stable-Baselines3"),
}
