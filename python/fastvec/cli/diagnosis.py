"""What ``fastvec doctor`` looks at. What may crash is tried in a process of its own."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from typing import Literal, NamedTuple

import fastvec
from fastvec._core import abi_version
from fastvec.vector.cores import usable_cores

__all__ = ["ENVS", "Finding", "extras", "look_at_extra", "look_for_compiler", "try_env", "try_trainer", "usable_cores"]

TIMEOUT = 120.0
"""Seconds after which a trial counts as broken: importing PyTorch from a cold disk takes tens of them."""


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        state: "missing" is no fault: nothing asked for it.
        text: what was found, or what brings it.
    """

    name: str
    state: Literal["ok", "missing", "broken"]
    text: str


class TriedEnv(NamedTuple):
    """A family of envs, by one of them.

    Attributes:
        name: of the family.
        env_id: of the one that is tried.
        extra: what it needs beside fastvec; None where that is nothing.
        arguments: for ``make_vec``.
    """

    name: str
    env_id: str
    extra: str | None
    arguments: dict[str, object]


ENVS = (
    TriedEnv("classic control", "CartPole-v1", None, {}),
    TriedEnv("toy text", "FrozenLake-v1", None, {}),
    TriedEnv("MuJoCo", "InvertedPendulum-v5", "mujoco", {}),
    TriedEnv("Box2D", "LunarLander-v3", "box2d", {}),
    TriedEnv("Atari (ale-py)", "ALE/Pong-v5", "atari", {}),
    TriedEnv("Python envs in processes", "CartPole-v1", None, {"backend": "process", "num_workers": 1}),
)

_ENV_TRIAL = """
import json, sys, warnings
warnings.simplefilter("ignore")
if __name__ == "__main__":
    import fastvec
    envs = fastvec.make_vec(sys.argv[1], num_envs=2, **json.loads(sys.argv[2]))
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())
    envs.close()
"""

_TRAINER_TRIAL = """
import json, warnings
warnings.simplefilter("ignore")
import torch
from fastvec.train import PPO
from fastvec.train.compiled.cache import default_directory
from fastvec.train.jit import can_compile
devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
files = [x.stat().st_size for x in default_directory().glob("*.so")] if default_directory().exists() else []
ppo = PPO("CartPole-v1", num_envs=2, num_steps=2, num_minibatches=1, total_timesteps=4, device="cpu", compile=False)
ppo.iterate()
print(json.dumps({
    "torch": torch.__version__, "cuda": torch.version.cuda, "devices": devices, "compiles": can_compile(),
    "cache": str(default_directory()), "programs": len(files), "bytes": sum(files),
}))
"""


def versions() -> dict[str, object]:
    """Of fastvec and what it stands on, and how many cores this process may use."""
    return {
        "fastvec": f"{fastvec.__version__}, C ABI {'.'.join(map(str, abi_version))}",
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "numpy": importlib.metadata.version("numpy"),
        "gymnasium": importlib.metadata.version("gymnasium"),
        "cores": f"{usable_cores()} may be used (affinity and the container's quota)",
    }


def try_env(env: TriedEnv) -> Finding:
    """Make two envs of a family, reset and step them."""
    missing = [] if env.extra is None else missing_packages(env.extra)
    if missing:
        return Finding(env.name, "missing", f"no {', '.join(missing)}: {install(env.extra)}")
    failed = run(_ENV_TRIAL, env.env_id, json.dumps(env.arguments))[1]
    return Finding(env.name, "ok", env.env_id) if failed is None else Finding(env.name, "broken", failed)


def try_trainer() -> list[Finding]:
    """Import PyTorch, train for a moment, and ask about CUDA and compiling."""
    missing = missing_packages("train")
    if missing:
        return [Finding("PyTorch", "missing", f"no {', '.join(missing)}: {install('train')}")]
    output, failed = run(_TRAINER_TRIAL)
    if failed is not None:
        return [Finding("PyTorch", "broken", failed)]
    seen = json.loads(output.splitlines()[-1])
    if seen["devices"]:
        cuda = Finding("CUDA", "ok", ", ".join(seen["devices"]))
    elif seen["cuda"] is None:
        cuda = Finding("CUDA", "missing", "this PyTorch is built without it")
    else:
        cuda = Finding("CUDA", "missing", f"PyTorch is built for CUDA {seen['cuda']}, and finds no device")
    kept = f"{seen['programs']} programs, {seen['bytes'] / 1e6:.1f} MB in {seen['cache']}"
    if seen["compiles"]:
        compiling = Finding("compiling", "ok", kept)
    else:
        compiling = Finding("compiling", "missing", "this PyTorch is older than those that it was tested with")
    return [Finding("PyTorch", "ok", seen["torch"]), compiling, cuda]


def look_for_compiler() -> list[Finding]:
    """What building an env in C++ takes: a compiler that knows C++20, CMake and Ninja."""
    name = os.environ.get("CXX") or next((x for x in ("c++", "g++", "clang++") if shutil.which(x)), None)
    found = []
    if name is None:
        found.append(Finding("compiler", "missing", "no c++, g++ or clang++ on PATH, and CXX is not set"))
    else:
        command = [*name.split(), "-std=c++20", "-fsyntax-only", "-x", "c++", "-"]
        source = "#include <span>\nint first(std::span<int> x) { return x[0]; }\n"
        error = call(command, source)[1]
        if error is None:
            found.append(Finding("compiler", "ok", f"{name}, C++20"))
        else:
            found.append(Finding("compiler", "broken", f"{name} does not compile C++20: {error}"))
    for tool in ("cmake", "ninja"):
        path = shutil.which(tool)
        brought = "pip brings it while it builds a package"
        found.append(Finding(tool, "ok", path) if path else Finding(tool, "missing", brought))
    return found


def requirements() -> dict[str, list[str]]:
    """The packages that each extra of the installed fastvec asks for on this Python and system, by the extra."""
    found: dict[str, list[str]] = {}
    for line in importlib.metadata.requires("fastvec") or []:
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
        name = re.match(r"[\w.-]+", requirement.strip())
        if extra and name and not name[0].startswith("fastvec") and _applies(marker):
            found.setdefault(extra[1], []).append(name[0])
    return found


def _applies(marker: str) -> bool:
    """Whether what a marker says of Python's version and of the system is true here."""
    version = re.search(r"python_version\s*(<|>=)\s*['\"](\d+)\.(\d+)['\"]", marker)
    if version:
        wanted = (int(version[2]), int(version[3]))
        return sys.version_info[:2] < wanted if version[1] == "<" else sys.version_info[:2] >= wanted
    system = re.search(r"sys_platform\s*==\s*['\"](\w+)['\"]", marker)
    return system is None or system[1] == sys.platform


def extras() -> list[str]:
    """The extras that a user may want; those of contributors are left out."""
    return [extra for extra in requirements() if extra not in ("test", "dev", "docs")]


def missing_packages(extra: str) -> list[str]:
    """The packages of an extra that are not installed."""
    return [name for name in requirements().get(extra, []) if not _is_installed(name)]


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def look_at_extra(extra: str) -> Finding:
    """Which packages of an extra there are."""
    missing = missing_packages(extra)
    if missing:
        return Finding(extra, "missing", f"no {', '.join(missing)}: {install(extra)}")
    return Finding(extra, "ok", ", ".join(f"{x} {importlib.metadata.version(x)}" for x in requirements()[extra]))


def install(extra: str | None) -> str:
    """The command that brings an extra."""
    return f'pip install "fastvec[{extra}]"'


def run(script: str, *arguments: str) -> tuple[str, str | None]:
    """What a Python script prints, and what went wrong in it: the last line of its traceback, or how it ended."""
    return call([sys.executable, "-c", script, *arguments], "")


def call(command: list[str], text: str) -> tuple[str, str | None]:
    """What a command prints when it reads ``text``, and what went wrong; None where nothing did."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return "", f"it took more than {TIMEOUT:.0f} s"
    except OSError as error:
        return "", str(error)
    if done.returncode == 0:
        return done.stdout, None
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return done.stdout, lines[-1] if lines and done.returncode > 0 else f"it ended with status {done.returncode}"
