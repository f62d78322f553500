"""Check one wheel as a user meets it: what it holds, and what it does where no compiler is to be found.

    python tools/check_wheel.py dist/fastvec-*.whl   # also installs it in a fresh virtual environment and tests it
    python tools/check_wheel.py --installed          # what is installed for this Python, from an empty folder

Times are CPU seconds of one process, so that other work on the machine does not change them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST_BYTES = 3_000_000
MOST_IMPORT_SECONDS = 0.3  # beside NumPy and Gymnasium, which take longer than fastvec does
MOST_STEP_SECONDS = 1.0

PROBE = f"""
import shutil, sys, time
assert not any(map(shutil.which, ("cc", "c++", "gcc", "g++", "clang", "clang++"))), "a compiler is on PATH"
import gymnasium, numpy
begin = time.process_time()
import fastvec
imported = time.process_time() - begin
envs = fastvec.make_vec("CartPole-v1", num_envs=4)
envs.reset(seed=0)
observations, *_ = envs.step(envs.action_space.sample())
stepped = time.process_time() - begin - imported
assert observations.shape == (4, 4), observations.shape
print(f"import {{imported:.2f}} s, first step {{stepped:.2f}} s of CPU time, from {{fastvec.__file__}}")
assert imported < {MOST_IMPORT_SECONDS} and stepped < {MOST_STEP_SECONDS}, (imported, stepped)
"""


def exported_symbols(library: Path) -> set[str]:
    """The names that a library defines for others, by nm."""
    listing = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1] for line in listing.splitlines() if line.split()[-2] in "TDB"}


def check_contents(wheel: Path, folder: Path) -> None:
    """Size, licence, types, and that libraries export their entry, and else C functions of fastvec's name alone."""
    size = wheel.stat().st_size
    assert size < MOST_BYTES, f"expected fewer than {MOST_BYTES} bytes, got {size}"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(folder)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names), "no licence"
    assert "fastvec/py.typed" in names, "no py.typed"
    checked = 0
    if sys.platform == "linux" and shutil.which("nm"):
        for library in [*folder.glob("fastvec/_core*.so"), *folder.glob("fastvec/plugins/*.so")]:
            entry = "PyInit__core" if library.name.startswith("_core") else "fastvec_plugin_v1"
            exported = exported_symbols(library)
            ours = {entry} if library.name.startswith("_core") else {n for n in exported if n.startswith("fastvec_")}
            assert {entry} <= exported <= ours, f"{library.name}: expected {entry}, got {sorted(exported)}"
            checked += 1
    print(f"{wheel.name}: {size / 1e6:.2f} MB, {len(names)} files, {checked} libraries export no more than they should")


def check_installed(python: str, folder: Path) -> None:
    """Import and step with nothing on PATH, from a folder where the source is not importable."""
    empty = folder / "empty"
    empty.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"PATH": str(empty)}
    subprocess.run([python, "-c", PROBE], check=True, cwd=empty, env=environment)


def check_tests(python: str, folder: Path) -> None:
    """The tests of native vectors, from a copy beside which no source lies."""
    shutil.copytree(ROOT / "tests" / "python", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder / "tests")
    tests = ["native/test_api.py", "native/test_determinism.py", "envs/test_classic_control.py"]
    options = ["-q", "--rootdir", ".", "-c", "pyproject.toml", "-o", "pythonpath=."]
    command = [python, "-m", "pytest", *options, *tests]
    subprocess.run(command, check=True, cwd=folder / "tests")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if sys.argv[1:] == ["--installed"]:
            check_installed(sys.executable, folder)
            return
        [wheel] = map(Path, sys.argv[1:])
        check_contents(wheel, folder / "contents")
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        python = str(folder / "venv" / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
        subprocess.run([*pip, "--only-binary", ":all:", str(wheel.resolve())], check=True)
        check_installed(python, folder)
        subprocess.run([*pip, "pytest", "hypothesis", "array-api-compat"], check=True)
        check_tests(python, folder)


if __name__ == "__main__":
    main()
