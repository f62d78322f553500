"""Kernels made from the envs' source, run on a GPU: are they right, and how fast are they?

    python benchmarks/gpu_kernels.py prepare build/gpu_kernels    # anywhere: fastvec, its gpu-kernels extra, a compiler
    python benchmarks/gpu_kernels.py run build/gpu_kernels        # with a GPU: Python, NumPy and the driver are enough

``prepare`` compiles to PTX and writes what the engine gives for 1,024 envs after 1, 10, 100 and 500 steps. ``run``
gives the kernels the same seeds and actions and prints, for each of these, how many envs are equal to the last bit and
how far the farthest is; then steps per second of 65,536 and 1,048,576 envs, launched one by one and as a graph. It
takes less than 30 seconds, writes ``results.json`` (``--output``), and ends with status 1 if anything failed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from cuda_driver import Device, Kernel

ROOT = Path(__file__).resolve().parents[1]
WALK = ROOT / "python/fastvec/cli/templates/my_envs/cpp/my_envs.cpp"  # calls nothing of <cmath>: equal to the last bit
WALK_ID = "my_envs/GridWalk-v0"
BUILTIN = ("CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1", "Acrobot-v1")
CHECKED_ENVS, SEED = 1024, 7
CHECKED_STEPS = (1, 10, 100, 500)
TIMED_ENVS = (65_536, 1_048_576)
ACTION_BATCHES = 16  # used in turn, so that no step sees the last one's actions


def actions_for(name: str, num_batches: int, num_envs: int, seed: int) -> np.ndarray:
    """Random actions, the same ones on every machine."""
    generator = np.random.Generator(np.random.PCG64(seed))
    if name in ("MountainCarContinuous-v0", "Pendulum-v1"):
        bound = 2.0 if name == "Pendulum-v1" else 1.0
        return generator.uniform(-bound, bound, (num_batches, num_envs)).astype(np.float32)
    count = {"CartPole-v1": 2, WALK_ID: 4}.get(name, 3)
    return generator.integers(0, count, (num_batches, num_envs))


# -- prepare ------------------------------------------------------------------------------------------------


def prepare(folder: Path) -> None:
    import fastvec
    from fastvec import gpu_kernels

    folder.mkdir(parents=True, exist_ok=True)
    compiler = shutil.which("c++") or "g++"
    flags = ["-std=c++20", "-O2", "-fPIC", "-shared", "-ffp-contract=off", "-fno-builtin-pow"]
    library = folder.resolve() / "my_envs.so"
    subprocess.run([compiler, *flags, f"-I{fastvec.get_include()}", str(WALK), "-o", str(library)], check=True)
    fastvec.load_plugin(library)
    todo = {name: gpu_kernels.builtin_env(name) for name in BUILTIN}
    todo[WALK_ID] = gpu_kernels.builtin.BuiltinEnv(WALK, "GridWalk", 100)
    for name, env in todo.items():
        kernels = gpu_kernels.compile_ptx(gpu_kernels.generate(env.header, env.env_class), architecture="sm_80")
        stem = name.replace("/", "_")
        (folder / f"{stem}.ptx").write_text(kernels.ptx)
        (folder / f"{stem}.json").write_text(json.dumps(about_kernels(name, env, kernels.layout), indent=1))
        np.savez_compressed(folder / f"{stem}.npz", **expected_results(name))
        print(f"{name}: {len(kernels.ptx) / 1000:.0f} kB of PTX")


def about_kernels(name: str, env: Any, layout: Any) -> dict[str, Any]:
    """What ``run``, which has no fastvec, has to know."""
    return {
        "name": name,
        "max_episode_steps": env.max_episode_steps,
        "state_bytes": layout.state_bytes,
        "shared_bytes": layout.shared_bytes,
        "rng_bytes": layout.rng_bytes,
        "observation_dtype": str(layout.observation_dtype),
        "observation_width": layout.observation_width,
        "action_bytes": layout.action_dtype.itemsize * layout.action_width,
    }


def expected_results(name: str) -> dict[str, np.ndarray]:
    """What the engine gives."""
    import fastvec

    envs = fastvec.make_vec(name, CHECKED_ENVS, num_threads=1)
    actions = actions_for(name, max(CHECKED_STEPS), CHECKED_ENVS, SEED)
    results = {"observations_0": envs.reset(seed=SEED)[0]}
    for step, row in enumerate(actions, 1):
        shaped = row.reshape(envs.action_space.shape)
        observations, rewards, terminated, truncated, _ = envs.step(shaped)
        if step in CHECKED_STEPS:
            results[f"observations_{step}"] = observations.copy()
            results[f"rewards_{step}"] = rewards.copy()
            results[f"ended_{step}"] = terminated | truncated
    return results


# -- run ----------------------------------------------------------------------------------------------------


class GpuEnvs:
    """The arrays of many envs on a GPU, and the kernels that work on them."""

    def __init__(self, device: Device, kernels: dict[str, Kernel], about: dict[str, Any], num_envs: int) -> None:
        self.device, self.kernels, self.about, self.num_envs = device, kernels, about, num_envs
        self.dtype = np.dtype(about["observation_dtype"])
        row = self.dtype.itemsize * about["observation_width"]
        rows = {"states": about["state_bytes"], "rngs": about["rng_bytes"], "elapsed": 4, "status": 1}
        rows |= {"observations": row, "rewards": 8, "terminated": 1, "truncated": 1}
        self.memory = {name: device.allocate(num_bytes * num_envs) for name, num_bytes in rows.items()}
        self.memory["shared"] = device.allocate(about["shared_bytes"])
        self.null = ctypes.c_uint64(0)
        self._launch("create", *self._pointers("shared", "states", "rngs", "elapsed", "status"))

    def reset(self, seed: int) -> None:
        seeds = self.device.upload(np.arange(seed, seed + self.num_envs, dtype=np.uint64))
        state = self._pointers("shared", "states", "rngs", "elapsed", "status", "observations")
        self._launch("reset", seeds, self.null, self.null, self.null, *state)
        self.device.synchronize()
        self.device.free(seeds)

    def step(self, actions: ctypes.c_uint64) -> None:
        state = self._pointers("shared", "states", "rngs", "elapsed", "status", "observations")
        results = self._pointers("rewards", "terminated", "truncated")
        self._launch("step", actions, ctypes.c_int32(self.about["max_episode_steps"]), *state, *results, self.null)

    def observations(self) -> np.ndarray:
        shape = (self.num_envs, self.about["observation_width"])
        return self.device.download(self.memory["observations"], shape, self.dtype)

    def read(self, name: str, dtype: Any) -> np.ndarray:
        return self.device.download(self.memory[name], (self.num_envs,), dtype)

    def close(self) -> None:
        for pointer in self.memory.values():
            self.device.free(pointer)

    def _launch(self, name: str, *arguments: Any) -> None:
        self.kernels[name].launch(self.num_envs, ctypes.c_int64(self.num_envs), *arguments)

    def _pointers(self, *names: str) -> list[ctypes.c_uint64]:
        return [self.memory[name] for name in names]


def check(envs: GpuEnvs, expected: Any) -> list[dict[str, Any]]:
    """The same seeds and actions as the engine had."""
    name = envs.about["name"]
    actions = envs.device.upload(actions_for(name, max(CHECKED_STEPS), CHECKED_ENVS, SEED))
    envs.reset(SEED)
    rows = [compare(envs, expected, 0)]
    for step in range(max(CHECKED_STEPS)):
        envs.step(ctypes.c_uint64(actions.value + step * CHECKED_ENVS * envs.about["action_bytes"]))
        if step + 1 in CHECKED_STEPS:
            rows.append(compare(envs, expected, step + 1))
    envs.device.free(actions)
    return rows


def compare(envs: GpuEnvs, expected: Any, step: int) -> dict[str, Any]:
    actual, wanted = envs.observations(), expected[f"observations_{step}"].reshape(envs.num_envs, -1)
    equal = np.array([a.tobytes() == b.tobytes() for a, b in zip(actual, wanted, strict=True)])
    far = np.abs(actual.astype(np.float64) - wanted.astype(np.float64)).max(axis=1)
    row = {"step": step, "equal_envs": int(equal.sum()), "largest_difference": float(far.max())}
    row["median_difference"] = float(np.median(far))
    row["failed_envs"] = int((envs.read("status", np.uint8) == 2).sum())
    if step:
        ended = (envs.read("terminated", np.uint8) | envs.read("truncated", np.uint8)).astype(bool)
        row["other_ends"] = int((ended != expected[f"ended_{step}"]).sum())
        far = np.abs(envs.read("rewards", np.float64) - expected[f"rewards_{step}"])
        row["largest_reward_difference"] = float(far.max())
    return row


def measure(envs: GpuEnvs, seconds: float) -> dict[str, Any]:
    """Steps per second, actions in the GPU's memory."""
    device, num_envs = envs.device, envs.num_envs
    uploaded = device.upload(actions_for(envs.about["name"], ACTION_BATCHES, num_envs, SEED))
    batches = [
        ctypes.c_uint64(uploaded.value + i * num_envs * envs.about["action_bytes"]) for i in range(ACTION_BATCHES)
    ]
    envs.reset(SEED)

    def launch_all() -> None:
        for batch in batches:
            envs.step(batch)

    row: dict[str, Any] = {"num_envs": num_envs}
    row["one_by_one"] = rate(device, launch_all, num_envs, seconds)
    try:
        row["as_graph"] = rate(device, device.record(launch_all), num_envs, seconds)
    except (RuntimeError, AttributeError) as error:
        row["as_graph_failed"] = str(error)
    device.free(uploaded)
    return row


def rate(device: Device, launch: Any, num_envs: int, seconds: float) -> float:
    launch()
    device.synchronize()
    rounds, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds:
        for _ in range(4):
            launch()
        device.synchronize()
        rounds += 4
    return rounds * ACTION_BATCHES * num_envs / elapsed


def run(device: Device, folder: Path, output: Path, seconds: float) -> int:
    report: dict[str, Any] = {"device": device.describe(), "envs": {}}
    print(json.dumps(report["device"]), flush=True)
    failed = False
    for path in sorted(folder.glob("*.ptx")):
        about = json.loads(path.with_suffix(".json").read_text())
        entry: dict[str, Any] = report["envs"].setdefault(about["name"], {})
        print(f"\n{about['name']}", flush=True)
        try:
            begin = time.perf_counter()
            find = device.load(path.read_text())
            kernels = {name: find(f"fastvec_{name}") for name in ("create", "reset", "step")}
            entry["load_seconds"] = time.perf_counter() - begin
            entry["registers"], entry["local_bytes"] = kernels["step"].registers, kernels["step"].local_bytes
            print(f"  {entry['registers']} registers, {entry['local_bytes']} bytes of local memory per thread")
            envs = GpuEnvs(device, kernels, about, CHECKED_ENVS)
            entry["check"] = check(envs, np.load(path.with_suffix(".npz")))
            envs.close()
            for row in entry["check"]:
                print("  " + ", ".join(f"{key} {value:.3g}" for key, value in row.items()))
            if about["name"] == WALK_ID and any(row["equal_envs"] != CHECKED_ENVS for row in entry["check"]):
                failed = True
                print("  FAIL: expected every env equal to the last bit")
            entry["speed"] = []
            for num_envs in TIMED_ENVS:
                envs = GpuEnvs(device, kernels, about, num_envs)
                entry["speed"].append(measure(envs, seconds))
                envs.close()
                print("  " + ", ".join(f"{key} {_text(value)}" for key, value in entry["speed"][-1].items()))
        except Exception as error:  # the other envs' numbers are worth having
            failed = True
            entry["error"] = f"{type(error).__name__}: {error}"
            print(f"  FAIL: {entry['error']}", flush=True)
    output.write_text(json.dumps(report, indent=1))
    print(f"\nwritten: {output}")
    return int(failed)


def _text(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, (int, float)) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["prepare", "run"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--output", type=Path, help="of run; else results.json in the folder")
    arguments = parser.parse_args()
    if arguments.action == "prepare":
        prepare(arguments.folder)
        return 0
    return run(Device(), arguments.folder, arguments.output or arguments.folder / "results.json", arguments.seconds)


if __name__ == "__main__":
    sys.exit(main())
