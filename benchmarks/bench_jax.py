"""CartPole inside one jitted scan: fastvec's two forms beside EnvPool's `xla()`, gymnax, and fastvec's own `envs.step`.

Each contender runs in a process of its own, in the Python that has it (`--envpool-python`, `--gymnax-python`: with
`pip install envpool jax` and `pip install gymnax six`; left out where not given), and they take turns: a round of each,
then the next. What is timed is a scan over random actions that sums the rewards; of each contender the median round
counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

ENV_ID = "CartPole-v1"
RESULT = Path(__file__).parent / "results" / "jax.json"
OWN = ("fastvec.jax", "envs.xla", "envs.step")
PACKAGES = ("fastvec", "envpool", "gymnax", "jax", "jaxlib", "numpy")

Round = Callable[[], float]  # steps all envs `steps` times; the sum of the rewards


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-envs", default="64,1024", help="numbers of envs, with commas between them")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--env-steps", type=int, default=2_000_000, help="env steps of a round")
    parser.add_argument("--envpool-python", help="a Python that has EnvPool and JAX")
    parser.add_argument("--gymnax-python", help="a Python that has gymnax")
    parser.add_argument("--output", type=Path, help=f"JSON to write, such as {RESULT}")
    parser.add_argument("--contender", help=argparse.SUPPRESS)  # what this process measures, as a child
    arguments = parser.parse_args()
    if arguments.contender:
        serve(arguments.contender, int(arguments.num_envs), arguments.env_steps)
        return
    pythons = dict.fromkeys(OWN, sys.executable)
    if arguments.envpool_python:
        pythons["envpool.xla"] = arguments.envpool_python
    if arguments.gymnax_python:
        pythons["gymnax"] = arguments.gymnax_python
    report: dict[str, Any] = {"machine": machine(), "env_id": ENV_ID, "rounds": arguments.rounds, "sizes": {}}
    for num_envs in map(int, arguments.num_envs.split(",")):
        report["sizes"][num_envs] = compare(pythons, num_envs, arguments.env_steps, arguments.rounds)
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=2) + "\n")


def compare(pythons: dict[str, str], num_envs: int, env_steps: int, rounds: int) -> dict[str, Any]:
    """Measure all contenders in turn, and print what came of it."""
    children = {name: Child(name, python, num_envs, env_steps) for name, python in pythons.items()}
    seconds: dict[str, list[float]] = {name: [] for name in children}
    try:
        for _ in range(rounds):
            for name, child in children.items():
                seconds[name].append(child.measure())
        versions = {name: child.versions for name, child in children.items()}
    finally:
        for child in children.values():
            child.close()
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"\n{ENV_ID}, {num_envs} envs, {rounds} rounds in turn")
    result = {}
    for name, median in medians.items():
        per_batch = median * num_envs / env_steps * 1e6
        result[name] = {
            "env_steps_per_second": round(env_steps / median),
            "microseconds_per_batch": round(per_batch, 3),
            "slowest_over_fastest_round": round(max(seconds[name]) / min(seconds[name]), 2),
            "fastvec_jax_is_times_as_fast": round(median / medians["fastvec.jax"], 3),
            "envs_xla_is_times_as_fast": round(median / medians["envs.xla"], 3),
            "versions": versions[name],
        }
        print(
            f"{name:<12} {env_steps / median / 1e6:8.2f}M env steps/s {per_batch:9.2f} us a batch   "
            f"fastvec.jax is {median / medians['fastvec.jax']:6.2f}x, envs.xla {median / medians['envs.xla']:6.2f}x"
        )
    return result


class Child:
    """A process that measures one contender whenever it is asked."""

    def __init__(self, name: str, python: str, num_envs: int, env_steps: int) -> None:
        command = [python, __file__, "--contender", name, "--num-envs", str(num_envs), "--env-steps", str(env_steps)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
        )
        self.versions: dict[str, str] = json.loads(self._answer())

    def measure(self) -> float:
        """Seconds of one round."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._answer())

    def close(self) -> None:
        """End the process: its input ends."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a contender ended with exit code {self._process.wait()}; its error is above")
        return line


def serve(name: str, num_envs: int, env_steps: int) -> None:
    """Be a child."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # packages greet there
    steps = env_steps // num_envs
    actions = np.random.default_rng(0).integers(0, 2, (steps, num_envs)).astype(np.int32)
    contender: Round = CONTENDERS[name](num_envs, actions)
    total = contender()
    # A random policy's episodes last about 22 steps, and an env gets 1 for each.
    if not 0.9 * steps * num_envs <= total <= steps * num_envs:
        raise AssertionError(f"{name}: expected rewards of about {steps * num_envs}, got {total}")
    print(json.dumps(versions()), file=answers, flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        contender()
        print(time.perf_counter() - start, file=answers, flush=True)


def scanned(step: Callable[[Any, Any], tuple[Any, Any]], carry: Any, actions: np.ndarray) -> Round:
    """A round of ``carry, rewards = step(carry, actions)``, in one jit."""
    import jax
    import jax.numpy as jnp

    def body(both: Any, action: Any) -> Any:
        carry, total = both
        carry, reward = step(carry, action)
        return (carry, total + reward.sum(dtype=jnp.float32)), None

    @jax.jit
    def run(carry: Any, actions: Any) -> Any:
        return jax.lax.scan(body, (carry, jnp.zeros((), jnp.float32)), actions)[0]

    on_device = jnp.asarray(actions)
    held = [carry]

    def one_round() -> float:
        held[0], total = jax.block_until_ready(run(held[0], on_device))
        return float(total)

    return one_round


def fastvec_jax(num_envs: int, actions: np.ndarray) -> Round:
    import fastvec.jax

    env = fastvec.jax.make(ENV_ID, num_envs)

    def step(state: Any, action: Any) -> Any:
        state, timestep = env.step(state, action)
        return state, timestep.reward

    return scanned(step, env.reset(0)[0], actions)


def envs_xla(num_envs: int, actions: np.ndarray) -> Round:
    import fastvec

    envs = fastvec.make_vec(ENV_ID, num_envs)
    handle, reset, step, *_ = envs.xla()

    def one(handle: Any, action: Any) -> Any:
        handle, rows = step(handle, action)
        return handle, rows.reward

    made = scanned(one, reset(handle, seed=0)[0], actions)
    return lambda envs=envs: made()  # the envs live as long as the round


def envs_step(num_envs: int, actions: np.ndarray) -> Round:
    import fastvec

    envs = fastvec.make_vec(ENV_ID, num_envs)
    envs.reset(seed=0)
    wide = list(actions.astype(np.int64))
    step = envs.step

    def one_round() -> float:
        total = np.zeros(num_envs)
        for action in wide:
            total += step(action)[1]
        return float(total.sum())

    return one_round


def envpool_xla(num_envs: int, actions: np.ndarray) -> Round:
    import envpool

    envs = envpool.make_gymnasium(ENV_ID, num_envs=num_envs)
    envs.reset()
    handle, _, _, step = envs.xla()

    def one(handle: Any, action: Any) -> Any:
        handle, rows = step(handle, action)
        return handle, rows[1]

    made = scanned(one, handle, actions)
    return lambda envs=envs: made()


def gymnax_scan(num_envs: int, actions: np.ndarray) -> Round:
    import gymnax
    import jax

    env, parameters = gymnax.make(ENV_ID)
    reset = jax.vmap(env.reset, in_axes=(0, None))
    many = jax.vmap(env.step, in_axes=(0, 0, 0, None))

    def step(carry: Any, action: Any) -> Any:
        key, state = carry
        key, used = jax.random.split(key)
        _, state, reward, _, _ = many(jax.random.split(used, num_envs), state, action, parameters)[:5]
        return (key, state), reward

    key = jax.random.key(0)
    _, state = reset(jax.random.split(key, num_envs), parameters)
    return scanned(step, (key, state), actions)


CONTENDERS: dict[str, Callable[[int, np.ndarray], Round]] = {
    "fastvec.jax": fastvec_jax,
    "envs.xla": envs_xla,
    "envs.step": envs_step,
    "envpool.xla": envpool_xla,
    "gymnax": gymnax_scan,
}


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}


def machine() -> dict[str, Any]:
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": cpu, "cores": cores, "system": platform.platform()}


if __name__ == "__main__":
    main()
