"""Python envs in worker processes: fastvec's process backend beside Gymnasium's Sync and Async vectors.

    python benchmarks/bench_process.py [--envs CartPole-v1:64 MiniGrid-Empty-5x5-v0:8 busy-1:4 sleep-7:8] [--rounds 40]
                                       [--seconds 0.08] [--num-workers 2] [--busy] [--no-sleep] [--output FILE]

"busy-1:4" are 4 envs whose step computes for 1 ms, "sleep-7:8" are 8 that wait for 7 ms. What is not installed is left
out, with a line that says so. With --busy another process keeps a core busy all the time.

All peers are stepped in turn, a short time each, round after round. The speed of a shared machine changes from second
to second, so each round is compared with itself: the ratios are medians of the rounds' ratios. Before that each peer
gives the same numbers as SyncVectorEnv, or the benchmark fails.

"apart" is the ceiling: as many processes as fastvec has workers, each with a SyncVectorEnv of its share, which step
without ever waiting for one another or for actions. How much faster it is than one process is what the machine's
cores give at the time; no vector env of processes can do much better.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

import fastvec
from fastvec.bench.report import describe_machine
from fastvec.vector.cores import usable_cores

EnvFn = Callable[[], gymnasium.Env]

COUNTS = (4, 8, 64)
ENVS = [
    *("CartPole-v1", "Pendulum-v1", "HalfCheetah-v5"),
    *("MiniGrid-Empty-5x5-v0", "FlappyBird-v0", "VizdoomBasic-v1", "PointMaze_UMaze-v3"),
    *(f"{kind}-{milliseconds}" for kind in ("busy", "sleep") for milliseconds in ("0.02", "0.25", "1", "7")),
]
REGISTERED_BY = {  # ids that begin so
    "MiniGrid": "minigrid",
    "FlappyBird": "flappy_bird_gymnasium",
    "Vizdoom": "vizdoom.gymnasium_wrapper",
    "PointMaze": "gymnasium_robotics",
}
KWARGS: dict[str, dict[str, Any]] = {"FlappyBird-v0": {"use_lidar": True}}
WARM_UP = 20  # steps
SLEEPY_ROUNDS = 9
SLEEPY_SECONDS = 0.5  # a step of envs that sleep takes about 10 ms, whatever the machine does


class Apart:
    """Processes that each step a SyncVectorEnv of their own, with nothing to wait for."""

    def __init__(self, env_fn: EnvFn, num_envs: int, processes: int) -> None:
        self._ends = []
        for worker in range(processes):
            ours, theirs = multiprocessing.Pipe()
            share = num_envs * (worker + 1) // processes - num_envs * worker // processes
            multiprocessing.Process(target=_step_when_told, args=(env_fn, share, theirs), daemon=True).start()
            self._ends.append(ours)

    def rate(self, seconds: float) -> float:
        """Env steps per second of all together."""
        for end in self._ends:
            end.send(seconds)
        return sum(end.recv() for end in self._ends)

    def close(self) -> None:
        for end in self._ends:
            end.send(None)


def _step_when_told(env_fn: EnvFn, num_envs: int, end: Any) -> None:
    envs = SyncVectorEnv([env_fn] * num_envs)
    envs.reset(seed=1)
    actions = envs.action_space.sample()
    while (seconds := end.recv()) is not None:
        end.send(rate(partial(_step_all, envs, actions), seconds))


def _step_all(envs: Any, actions: Any) -> int:
    envs.step(actions)
    return envs.num_envs


class Sleepy(gymnasium.Env):
    """Each step sleeps a time drawn from 0 to ``longest`` seconds: an env that waits for something."""

    observation_space = spaces.Box(-1, 1, (1,), np.float64)
    action_space = spaces.Discrete(2)

    def __init__(self, longest: float) -> None:
        self.longest = longest

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        return np.zeros(1), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        time.sleep(float(self.np_random.uniform(0, self.longest)))
        return np.zeros(1), 0.0, False, False, {}


class Timed(gymnasium.Env):
    """Each step takes so many seconds: of a core, or of waiting."""

    observation_space = spaces.Box(-1, 1, (4,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, seconds: float, sleeps: bool) -> None:
        self.seconds = seconds
        self.sleeps = sleeps

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        return np.zeros(4, np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        if self.sleeps:
            time.sleep(self.seconds)
        else:
            end = time.thread_time() + self.seconds  # of work, whoever else wants the core
            while time.thread_time() < end:
                pass
        return np.zeros(4, np.float32), 0.0, False, False, {}


def _never_rest() -> None:
    while True:
        pass


def rate(step: Callable[[], int], seconds: float) -> float:
    """Env steps per second of ``step``, which returns how many it took."""
    steps, begin = 0, time.perf_counter()
    while (passed := time.perf_counter() - begin) < seconds:
        steps += step()
    return steps / passed


def median_ratio(rates: list[float], others: list[float]) -> float:
    """The median over the rounds of how many times the others' rate it was."""
    return statistics.median(one / other for one, other in zip(rates, others, strict=True))


def require_same_numbers(peers: dict[str, Any], steps: int) -> None:
    """All peers give the bytes of SyncVectorEnv, called "sync"."""
    results = {name: [envs.reset(seed=1)[0]] for name, envs in peers.items()}
    sync = peers["sync"]
    sync.action_space.seed(0)
    for _ in range(steps):
        actions = sync.action_space.sample()
        for name, envs in peers.items():
            results[name] += envs.step(actions)[:4]
    for name, arrays in results.items():
        for array, expected in zip(arrays, results["sync"], strict=True):
            if not _same(array, expected):
                raise SystemExit(f"{name} does not give the numbers of SyncVectorEnv")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return all(_same(one[key], other[key]) for key in other)
    if isinstance(one, np.ndarray):
        return one.tobytes() == other.tobytes()
    return one == other if isinstance(one, str) else all(map(_same, one, other))


def env_fn_of(name: str) -> EnvFn:
    """What makes an env: one of Gymnasium's registry, or one that takes so many milliseconds a step."""
    kind, _, milliseconds = name.partition("-")
    if kind in ("busy", "sleep"):
        return partial(Timed, float(milliseconds) / 1000, kind == "sleep")
    for prefix, module in REGISTERED_BY.items():
        if name.startswith(prefix):
            gymnasium.register_envs(importlib.import_module(module))
    gymnasium.spec(name)
    return partial(gymnasium.make, name, **KWARGS.get(name, {}))


def _async_vector(env_fns: list[EnvFn]) -> AsyncVectorEnv:
    try:
        return AsyncVectorEnv(env_fns)
    except ValueError:  # a space that it cannot share the memory of
        return AsyncVectorEnv(env_fns, shared_memory=False)


def measure_env(env_id: str, num_envs: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Steps per second of each peer, as medians over the rounds."""
    env_fns = [env_fn_of(env_id)] * num_envs
    peers: dict[str, Any] = {
        "fastvec": fastvec.make_vec(env_fns, num_workers=arguments.num_workers),
        "sync": SyncVectorEnv(env_fns),
        "async": _async_vector(env_fns),
    }
    apart = Apart(env_fns[0], num_envs, peers["fastvec"].num_workers or min(usable_cores(), num_envs))
    try:
        require_same_numbers(peers, 20)
        actions = peers["sync"].action_space.sample()
        rates: dict[str, list[float]] = {name: [] for name in (*peers, "apart")}
        for envs in peers.values():
            for _ in range(WARM_UP):
                envs.step(actions)
        apart.rate(arguments.seconds)
        for _ in range(arguments.rounds):
            for name, envs in peers.items():
                rates[name].append(rate(partial(_step_all, envs, actions), arguments.seconds))
            rates["apart"].append(apart.rate(arguments.seconds))
    finally:
        for envs in (*peers.values(), apart):
            envs.close()
    return {
        "env": env_id,
        "num_envs": num_envs,
        "num_workers": peers["fastvec"].num_workers,
        "busy_neighbour": arguments.busy,
        "steps_per_second": {name: statistics.median(values) for name, values in rates.items()},
        "over_sync": median_ratio(rates["fastvec"], rates["sync"]),
        "over_async": median_ratio(rates["fastvec"], rates["async"]),
        "over_apart": median_ratio(rates["fastvec"], rates["apart"]),
        "apart_over_sync": median_ratio(rates["apart"], rates["sync"]),
        "rounds": rates,
    }


def measure_sleepy(num_envs: int, longest: float, arguments: argparse.Namespace) -> dict[str, Any]:
    """Asynchronous use with half a batch beside synchronous steps, of envs that sleep."""
    env_fns = [partial(Sleepy, longest)] * num_envs
    sync = fastvec.make_vec(env_fns, num_workers=num_envs)
    half = fastvec.make_vec(env_fns, num_workers=num_envs, batch_size=num_envs // 2)
    everyone = np.zeros(num_envs, np.int64)
    try:
        sync.reset(seed=1)
        half.async_reset(seed=1)

        def step() -> int:
            sync.step(everyone)
            return num_envs

        def turn() -> int:
            ids = half.recv()[4]["env_id"]
            half.send(everyone[: len(ids)], ids)
            return len(ids)

        rates: dict[str, list[float]] = {"synchronous": [], "asynchronous": []}
        for _ in range(SLEEPY_ROUNDS):
            rates["synchronous"].append(rate(step, SLEEPY_SECONDS))
            rates["asynchronous"].append(rate(turn, SLEEPY_SECONDS))
    finally:
        sync.close()
        half.close()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "num_envs": num_envs,
        "longest_sleep": longest,
        "steps_per_second": medians,
        "ratio": median_ratio(rates["asynchronous"], rates["synchronous"]),
        "rounds": rates,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", nargs="*", default=[f"{env}:{count}" for env in ENVS for count in COUNTS])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=0.08, help="per peer and round")
    parser.add_argument("--num-workers", type=int, default=None)
    parser.add_argument("--busy", action="store_true", help="beside a process that keeps a core busy")
    parser.add_argument("--no-sleep", action="store_true", help="leave out the envs that sleep")
    parser.add_argument("--output", type=Path, help="write the results to this JSON file")
    arguments = parser.parse_args()

    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}; {machine['versions']}")
    print(f"load average before: {os.getloadavg()[0]:.2f}")
    print(
        f"{'env':<22} {'envs':>5} {'workers':>7} {'fastvec':>10} {'sync':>10} {'async':>10} {'apart':>10} "
        f"{'x sync':>7} {'x async':>8} {'x apart':>8}"
    )
    neighbour = multiprocessing.Process(target=_never_rest, daemon=True)
    if arguments.busy:
        neighbour.start()
    results = []
    for name in arguments.envs:
        env_id, _, count = name.partition(":")
        try:
            env_fn_of(env_id)
        except (ImportError, gymnasium.error.Error) as error:
            print(f"{env_id:<22} left out: {error}", flush=True)
            continue
        result = measure_env(env_id, int(count or 8), arguments)
        rates = result["steps_per_second"]
        print(
            f"{env_id:<22} {result['num_envs']:>5} {result['num_workers']:>7} {rates['fastvec']:>10.0f} "
            f"{rates['sync']:>10.0f} {rates['async']:>10.0f} {rates['apart']:>10.0f} "
            f"{result['over_sync']:>7.2f} {result['over_async']:>8.2f} {result['over_apart']:>8.2f}",
            flush=True,
        )
        results.append(result)
    sleepy = None
    if not arguments.no_sleep:
        sleepy = measure_sleepy(16, 0.01, arguments)
        rates = sleepy["steps_per_second"]
        print(
            f"16 envs that sleep 0-10 ms, 16 workers: {rates['synchronous']:.0f} steps/s in step, "
            f"{rates['asynchronous']:.0f} with send and recv of 8: {sleepy['ratio']:.2f}x"
        )
    print(f"load average after: {os.getloadavg()[0]:.2f}")
    if arguments.output:
        report = {"machine": machine, "load_average": os.getloadavg()[0], "results": results, "sleeping": sleepy}
        arguments.output.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
