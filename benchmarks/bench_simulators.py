"""Env steps per second of MuJoCo and Box2D beside EnvPool, Gymnasium's SyncVectorEnv and a bare loop in C++.

In each round every peer in turn resets its envs and takes the same steps with the same actions; so all have as many
contacts to solve. fastvec and the bare loop do so from the same seeds: they compute the same numbers.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import fastvec
from fastvec import _core
from fastvec.bench.measure import sample_actions
from fastvec.bench.peers import select_peers
from fastvec.bench.report import describe_machine
from fastvec.native import registry
from fastvec.native.kwargs import ordered_kwargs
from fastvec.native.resources import Request
from fastvec.vector.cores import usable_cores

RESULTS = Path(__file__).parent / "results"
ENV_IDS = {
    "mujoco": ["HalfCheetah-v5", "Hopper-v5", "Ant-v5", "Humanoid-v5"],
    "box2d": [
        "LunarLander-v3",
        "LunarLanderContinuous-v3",
        "BipedalWalker-v3",
        "BipedalWalkerHardcore-v3",
        "CarRacing-v3",
    ],
}
PEERS = ("fastvec", "gymnasium sync", "envpool")
Run = Callable[[int], float]


def runners(env_id: str, num_envs: int, num_threads: int) -> dict[str, Run]:
    """By peer: ``run(steps)``, the seconds that so many steps after a reset take."""
    actions = sample_actions(env_id, num_envs)
    made: dict[str, Run] = {}
    for peer in select_peers("gymnasium,envpool"):
        if peer.name in PEERS:
            vector = _vector(peer.name, env_id, num_envs, num_threads)
            if vector is not None:
                made[peer.name] = partial(_timed, vector, actions, {} if peer.name == "envpool" else {"seed": 0})
    native = registry.find(env_id)
    assert native is not None
    resources = native.open_resources(Request(env_id, num_envs, {}, partial(gymnasium.make, env_id)))
    kwargs = ordered_kwargs(env_id, native.kwargs, dict(resources.native_kwargs))

    def bare(steps: int, keep: Any = resources) -> float:
        del keep
        nanoseconds = _core.bare_loop(
            native.core,
            kwargs,
            num_envs=num_envs,
            num_threads=min(num_threads, num_envs),
            steps=steps,
            actions=[np.stack(actions)],
        )
        return nanoseconds * 1e-9

    made["bare C++ loop"] = bare
    return made


def _vector(peer: str, env_id: str, num_envs: int, num_threads: int) -> Any:
    if peer == "fastvec":
        return fastvec.make_vec(env_id, num_envs, num_threads=num_threads)
    if peer == "gymnasium sync":
        return gymnasium.make_vec(env_id, num_envs, vectorization_mode="sync")
    try:
        import envpool
    except ImportError:
        return None
    return envpool.make_gymnasium(env_id, num_envs=num_envs, num_threads=num_threads, seed=0)


def _timed(vector: Any, actions: Sequence[np.ndarray], seed: dict[str, int], steps: int) -> float:
    vector.reset(**seed)
    begin = time.perf_counter()
    for step in range(steps):
        vector.step(actions[step % len(actions)])
    return time.perf_counter() - begin


def measure(env_id: str, num_envs: int, num_threads: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Steps per second of each peer, and fastvec's ratio to it: medians over the rounds."""
    run = runners(env_id, num_envs, num_threads)
    warm_up = max(4, 64 // num_envs)
    steps = max(2, round(warm_up * seconds / min(run["fastvec"](warm_up) for _ in range(3))))
    times: dict[str, list[float]] = {name: [] for name in run}
    for _ in range(rounds):
        for name, timed in run.items():
            # SyncVectorEnv is many times slower and not close to anything: fewer of its steps tell enough.
            part = max(2, steps // 8) if name == "gymnasium sync" else steps
            times[name].append(timed(part) / part)
    ratio = {
        name: statistics.median(other / own for other, own in zip(values, times["fastvec"], strict=True))
        for name, values in times.items()
        if name != "fastvec"
    }
    return {
        "env_id": env_id,
        "num_envs": num_envs,
        "num_threads": num_threads,
        "steps": steps,
        "steps_per_second": {name: num_envs / statistics.median(values) for name, values in times.items()},
        "fastvec_over": ratio,
        "seconds_per_batch": times,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print one line per env and number of envs, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("family", choices=sorted(ENV_IDS), help="the simulator")
    parser.add_argument("env_ids", nargs="*", help="by default some of the family")
    parser.add_argument("--num-envs", default="64,8,1")
    parser.add_argument("--num-threads", type=int, default=usable_cores())
    parser.add_argument("--seconds", type=float, default=0.3, help="of fastvec, per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", help="by default results/FAMILY.json; entries for other envs and sizes are kept")
    arguments = parser.parse_args(argv)

    output = Path(arguments.output or RESULTS / f"{arguments.family}.json")
    machine = describe_machine()
    machine["versions"][arguments.family] = importlib.metadata.version(arguments.family)
    kept = json.loads(output.read_text())["results"] if output.exists() else []
    for env_id in arguments.env_ids or ENV_IDS[arguments.family]:
        for num_envs in map(int, arguments.num_envs.split(",")):
            result = measure(env_id, num_envs, arguments.num_threads, arguments.seconds, arguments.rounds)
            ratios = ", ".join(f"{value:.2f}x {name}" for name, value in result["fastvec_over"].items())
            rate = result["steps_per_second"]["fastvec"]
            print(f"{env_id} x {num_envs}: {rate / 1e3:.1f}k steps/s; {ratios}", flush=True)
            kept = [old for old in kept if (old["env_id"], old["num_envs"]) != (env_id, num_envs)] + [result]
            output.write_text(json.dumps({"machine": machine, "results": kept}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
