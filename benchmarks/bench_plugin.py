"""Does an env from outside step as fast as the same env in the tree?

Compiles cpp/envs/classic_control/cartpole.hpp once more, as a stranger would (CMake, find_package of the installed
fastvec, fastvec_add_plugin), under another id, and steps both in turn in one process.

    python benchmarks/bench_plugin.py [--num-envs 1024] [--num-threads 1] [--rounds 9] [--json]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import fastvec

ROOT = Path(__file__).parents[1]
OUTSIDE = "outside/CartPole-v1"

CMAKE = """
cmake_minimum_required(VERSION 3.18...3.31)
project(outside LANGUAGES CXX)
set(CMAKE_BUILD_TYPE Release)
find_package(fastvec REQUIRED CONFIG)
fastvec_add_plugin(outside outside.cpp)
target_include_directories(outside PRIVATE "{folder}")
"""
SOURCE = """
#include <fastvec/env.hpp>
#include "cartpole.hpp"
FASTVEC_PLUGIN("outside", fastvec::env<classic_control::CartPole>("{env_id}", {{.max_episode_steps = 500}}))
"""


def load_outside() -> None:
    """Build the env library in a temporary folder and load it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "CMakeLists.txt").write_text(CMAKE.format(folder=ROOT / "cpp" / "envs" / "classic_control"))
        (folder / "outside.cpp").write_text(SOURCE.format(env_id=OUTSIDE))
        configure = ["cmake", "-S", name, "-B", f"{name}/build", f"-Dfastvec_DIR={fastvec.get_cmake_dir()}"]
        subprocess.run(configure, check=True, capture_output=True)
        subprocess.run(["cmake", "--build", f"{name}/build"], check=True, capture_output=True)
        fastvec.load_plugin(folder / "build" / "outside.so")


def same_numbers(num_envs: int) -> bool:
    """Both give the same bytes."""
    one, other = fastvec.make_vec("CartPole-v1", num_envs), fastvec.make_vec(OUTSIDE, num_envs)
    one.action_space.seed(0)
    equal = one.reset(seed=1)[0].tobytes() == other.reset(seed=1)[0].tobytes()
    for _ in range(200):
        actions = one.action_space.sample()
        a, b = one.step(actions), other.step(actions)
        equal = equal and all(x.tobytes() == y.tobytes() for x, y in zip(a[:4], b[:4], strict=True))
    return equal


def steps_per_second(env_id: str, num_envs: int, num_threads: int, seconds: float) -> float:
    """Env steps per second of one vector, actions made beforehand."""
    envs = fastvec.make_vec(env_id, num_envs, num_threads=num_threads)
    actions = np.random.default_rng(0).integers(0, 2, (16, num_envs))
    envs.reset(seed=0)
    calls, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        for batch in actions:
            envs.step(batch)
        calls += len(actions)
    envs.close()
    return calls * num_envs / elapsed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-envs", type=int, default=1024)
    parser.add_argument("--num-threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a round")
    parser.add_argument("--json", action="store_true", help="print one last line of JSON")
    arguments = parser.parse_args()

    load_outside()
    assert same_numbers(arguments.num_envs), "the two envs differ: nothing to compare"
    rates: dict[str, list[float]] = {"CartPole-v1": [], OUTSIDE: []}
    for _ in range(arguments.rounds):
        for env_id, measured in rates.items():
            measured.append(steps_per_second(env_id, arguments.num_envs, arguments.num_threads, arguments.seconds))
    inside, outside = (statistics.median(measured) for measured in rates.values())
    print(f"fastvec {fastvec.__version__}, Python {platform.python_version()}, {platform.machine()}")
    print(f"{arguments.num_envs} envs, {arguments.num_threads} threads, median of {arguments.rounds} rounds in turn")
    print(f"in the tree  {inside / 1e6:8.1f}M env steps/s")
    print(f"outside      {outside / 1e6:8.1f}M env steps/s ({outside / inside:.2f}x)")
    if arguments.json:
        print(json.dumps({"inside": inside, "outside": outside, "ratio": outside / inside, "rounds": rates}))


if __name__ == "__main__":
    main()
