"""One row: a process that gets ready, waits for a line on its standard input, measures and prints what it found.

    python measure.py '{"row": {...}, "device": "cuda", "seconds": 4.0}'

A line that begins with "RESULT " and holds JSON is the result. There can be several; the last one counts, so that what
was measured is kept when something after it fails.
"""

from __future__ import annotations

import faulthandler
import importlib.metadata
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

WARM_UP = 3
"""Iterations that are not counted: compiling, capturing, and the first one with an observation normaliser."""
LEAST = 5
"""Iterations that are measured at least."""
MiB = 1 << 20


def emit(result: dict[str, Any]) -> None:
    """Print what is known so far."""
    print("RESULT " + json.dumps(result), flush=True)


def synchronize(device: str) -> None:
    """Wait until the device has done everything."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()


# ---------------------------------------------------------------------------------------------------- this trainer


def time_iterations(trainer: Any, device: str, seconds: float) -> tuple[list[float], dict[str, float], float, Any]:
    """Iterate for so long: seconds of each iteration, the host's shares of them all, their sum, and the last report."""
    times: list[float] = []
    parts = dict.fromkeys(("env", "inference", "update"), 0.0)
    begin = last = time.perf_counter()
    while len(times) < LEAST or last - begin < seconds:
        report = trainer.iterate()
        now = time.perf_counter()
        times.append(now - last)
        last = now
        for name in parts:
            parts[name] += getattr(report, f"{name}_seconds")
    synchronize(device)
    elapsed = time.perf_counter() - begin
    return times, {name: part / elapsed for name, part in parts.items()}, elapsed, report


def time_training(row: dict[str, Any], device: str, seconds: float, noted: list[str]) -> None:
    """Steps per second of :class:`fastvec.train.PPO`, where its time goes, its warm-up and its memory."""
    from fastvec.train import PPO, PPOConfig
    from fastvec.train.jit import will_compile
    from gpu_suite.rows import MODES

    settings = {**row["settings"], **MODES[row["mode"]]}
    size = settings["num_envs"] * settings["num_steps"]
    config = PPOConfig(**settings, total_timesteps=size * 1_000_000, device=device, eval_episodes=0)
    begin = time.perf_counter()
    ppo = PPO(row["env_id"], config=config, env_kwargs=row["env_kwargs"])
    synchronize(device)
    made = time.perf_counter()
    for _ in range(WARM_UP):
        ppo.iterate()
    synchronize(device)
    warm = time.perf_counter()

    times, shares, elapsed, report = time_iterations(ppo, device, seconds)
    result: dict[str, Any] = {
        "steps_per_second": size / statistics.median(times),
        "mean_steps_per_second": size * len(times) / elapsed,
        "iterations": len(times),
        "iteration_seconds": {"median": statistics.median(times), "least": min(times), "most": max(times)},
        "shares": shares,
        "make_seconds": made - begin,
        "warm_up_seconds": warm - begin,
        "mean_return": report.mean_return if report.episodes else None,
        "metrics": report.metrics,
        "compiled": will_compile(config, ppo.device),
        "env_groups": len(ppo.groups),
        "host_peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MiB,
        "warnings": noted,
    }
    if device.startswith("cuda"):
        import torch

        result["gpu_peak_mib"] = {
            "allocated": torch.cuda.max_memory_allocated() / MiB,
            "reserved": torch.cuda.max_memory_reserved() / MiB,
        }
        emit(result)
        usual = result["iteration_seconds"]["median"]
        try:
            result["profile"] = seen = profile(ppo, 1 if usual > 0.3 else 3)
            result["shares"]["transfer"] = seen["copy_seconds"] / usual
            result["shares"]["device_busy"] = seen["kernel_seconds"] / usual
        except Exception as error:  # the speed is known all the same
            noted.append(f"profiling failed: {error!r}"[:500])
    emit(result)
    ppo.close()


def time_sac(row: dict[str, Any], device: str, seconds: float, noted: list[str]) -> None:
    """Gradient steps and environment steps per second of :class:`fastvec.train.SAC`, and where its time goes."""
    from fastvec.train import SAC, SACConfig
    from gpu_suite.rows import MODES

    config = SACConfig(**row["settings"], **MODES[row["mode"]], total_timesteps=10**9, device=device, eval_episodes=0)
    begin = time.perf_counter()
    sac = SAC(row["env_id"], config=config)
    while sac.global_step < config.learning_starts + WARM_UP * sac.steps_per_iteration:
        sac.iterate()
    synchronize(device)
    warm = time.perf_counter()

    times, shares, _, report = time_iterations(sac, device, seconds)
    steps = sac.steps_per_iteration / statistics.median(times)
    emit(
        {
            "steps_per_second": steps,
            "updates_per_second": steps * config.updates_per_step,
            "iterations": len(times),
            "shares": shares,
            "warm_up_seconds": warm - begin,
            "metrics": report.metrics,
            "compiled": sac.compiles,
            "replay_on": str(sac.replay.storage),
            "warnings": noted,
        }
    )
    sac.close()


def profile(ppo: Any, iterations: int) -> dict[str, Any]:
    """What PyTorch's profiler sees of some iterations on the device, see :func:`summarize`."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        for _ in range(iterations):
            ppo.iterate()
        torch.cuda.synchronize()
    return summarize(profiler.key_averages(), iterations)


def summarize(events: Iterable[Any], iterations: int) -> dict[str, Any]:
    """Of one iteration: seconds of copies between host and device, and of kernels (both summed over streams, so that
    what overlaps counts twice), and how often the host called what.

    Args:
        events: the profiler's ``key_averages()`` over so many iterations.
    """
    from torch.autograd import DeviceType

    copies: dict[str, float] = {}
    calls: dict[str, float] = {}
    kernel_seconds = 0.0
    for event in events:
        if event.device_type == DeviceType.CUDA:
            spent = event.self_device_time_total / 1e6 / iterations
            if event.key.startswith(("Memcpy HtoD", "Memcpy DtoH")):
                copies[event.key] = copies.get(event.key, 0.0) + spent
            elif not event.key.startswith("Mem") and not getattr(event, "is_user_annotation", False):
                kernel_seconds += spent
        elif event.key.startswith("cu"):  # cudaGraphLaunch, cudaStreamSynchronize, cuLaunchKernel, ...
            calls[event.key] = calls.get(event.key, 0.0) + event.count / iterations
    if not kernel_seconds:
        raise RuntimeError("the profiler has seen no kernel")
    return {
        "iterations": iterations,
        "copy_seconds": sum(copies.values()),
        "copies": copies,
        "kernel_seconds": kernel_seconds,
        "host_calls": calls,
    }


# ---------------------------------------------------------------------------------------------- Stable-Baselines3


def time_sb3(row: dict[str, Any], device: str, seconds: float, noted: list[str]) -> None:
    """Stable-Baselines3's PPO with the same settings; on a CPU with one thread and with all, and the faster counts."""
    import torch

    threads = sorted({1, torch.get_num_threads()}) if device == "cpu" else [torch.get_num_threads()]
    runs: list[dict[str, Any]] = []
    for number in threads:
        torch.set_num_threads(number)
        runs.append({"torch_threads": number, **one_sb3(row, device, seconds)})
        best = max(runs, key=lambda run: run["steps_per_second"])
        emit({**best, "runs": runs, "warnings": noted})


def one_sb3(row: dict[str, Any], device: str, seconds: float) -> dict[str, Any]:
    """One run: median over rollouts, each with its update."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env

    settings = row["settings"]
    size = settings["num_envs"] * settings["num_steps"]

    class Clock(BaseCallback):
        """Notes when rollouts begin, and ends the run."""

        times: list[float]

        def _on_training_start(self) -> None:
            self.times = []

        def _on_rollout_start(self) -> None:
            synchronize(device)
            self.times.append(time.perf_counter())

        def _on_step(self) -> bool:
            enough = len(self.times) > WARM_UP + LEAST
            return not (enough and self.times[-1] - self.times[WARM_UP] > seconds)

    begin = time.perf_counter()
    envs = make_vec_env(row["env_id"], n_envs=settings["num_envs"], seed=1)
    model = PPO(
        "MlpPolicy",
        envs,
        n_steps=settings["num_steps"],
        batch_size=size // settings["num_minibatches"],
        n_epochs=settings["update_epochs"],
        learning_rate=settings["learning_rate"],
        gamma=settings["gamma"],
        gae_lambda=settings["gae_lambda"],
        device=device,
        seed=1,
    )
    clock = Clock()
    model.learn(size * 1_000_000, callback=clock)
    envs.close()
    times = [after - before for before, after in zip(clock.times[WARM_UP:], clock.times[WARM_UP + 1 :], strict=False)]
    returns = [episode["r"] for episode in model.ep_info_buffer or ()]
    return {
        "steps_per_second": size / statistics.median(times),
        "iterations": len(times),
        "warm_up_seconds": clock.times[WARM_UP] - begin,
        "mean_return": statistics.fmean(returns) if returns else None,
    }


# ---------------------------------------------------------------------------------------------------- the machine


def describe_machine(device: str, noted: list[str]) -> None:
    """What the figures depend on. Fails where fastvec, PyTorch or the device cannot be used at all."""
    import gymnasium
    import torch

    import fastvec
    import fastvec.train
    from fastvec.bench.report import describe_machine as describe

    described = describe()
    versions = described.pop("versions")
    for name in ("mujoco", "ale-py", "stable-baselines3", "pytest", "triton"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    versions |= {"fastvec": fastvec.__version__, "gymnasium": gymnasium.__version__, "torch": torch.__version__}
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    result: dict[str, Any] = {
        **described,
        "memory_gib": round(pages * page / (1 << 30), 1),
        "load_average": os.getloadavg(),
        "device": device,
        "gpu": None,
        "versions": versions,
        "warnings": noted,
    }
    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            raise RuntimeError(f"PyTorch {torch.__version__} finds no CUDA device")
        begin = time.perf_counter()
        product = torch.ones(256, 256, device=device) @ torch.ones(256, 256, device=device)
        assert float(product.sum()) == 256.0**3
        properties = torch.cuda.get_device_properties(device)
        result["gpu"] = {
            "name": properties.name,
            "memory_mib": properties.total_memory / MiB,
            "compute_capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            "driver": _driver(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "first_use_seconds": time.perf_counter() - begin,
        }
    emit(result)


def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return answer[0] if answer else None


def main() -> None:
    """See the module."""
    faulthandler.enable()
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")  # as the command line does; before PyTorch is loaded
    task = json.loads(sys.argv[1])
    row = task["row"]
    device = row["device"] or task["device"]
    noted: list[str] = []

    def note(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        text = f"{category.__name__}: {message}"
        if text not in noted and len(noted) < 20:
            noted.append(text[:500])

    warnings.showwarning = note
    # All that is slow to load: it is done while the row before this one warms up.
    import torch  # noqa: F401

    if row["kind"] == "sb3":
        import stable_baselines3  # noqa: F401
    else:
        import fastvec.train.ppo  # noqa: F401
    print("READY", flush=True)
    if not sys.stdin.readline():
        return  # nobody wants it any more
    if row["kind"] == "machine":
        describe_machine(device, noted)
    else:
        run = {"train": time_training, "sac": time_sac, "sb3": time_sb3}[row["kind"]]
        run(row, device, task["seconds"], noted)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # modules here must hide nobody else's
    main()
