"""Training on a CUDA device, in one command of less than nine minutes on a bare machine.

    python benchmarks/gpu.py --wheels DIR --output gpu.json --markdown gpu.md
    python benchmarks/gpu.py --device cpu --small --no-build

It installs the wheels of DIR and builds fastvec from this checkout, both into a temporary folder and asking no package
index; runs ``pytest tests/gpu -m gpu``; and then measures training: CartPole-v1 at 1,024, 8,192 and 65,536 envs, each
eager, captured as CUDA graphs, and compiled and captured; HalfCheetah-v5 and Pong; and the settings of
Stable-Baselines3 (on the same machine, where it is installed) and of LeanRL's published figures.

Each row runs in a process of its own with a time limit, so that one that fails or hangs costs only itself. The most
important come first, and what does not fit into the budget is listed as not run. The next row's process loads its
libraries while a row warms up. Results are written after each row. The exit status is 1 where a row or a test failed,
2 where nothing could be measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from gpu_suite import measure, report
from gpu_suite.children import Child, Outcome
from gpu_suite.prepare import ROOT, PreparationFailed, build_fastvec, environment, install_wheels, run_tests
from gpu_suite.rows import MACHINE, ROWS, SMALL, Row, small

RESERVE = 8.0
"""Seconds of the budget that no row may use: for ending one that hangs, and for the report."""


class Suite:
    """All that is run, and the results so far."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.arguments = arguments
        self.folder = folder
        self.env = environment(folder)
        self.begun = time.monotonic()
        self.deadline = self.begun + arguments.budget - RESERVE
        self.results: dict[str, Any] = {
            "command": sys.argv[1:],
            "commit": commit(),
            "device": arguments.device,
            "small": arguments.small,
            "budget_seconds": arguments.budget,
            "seconds": 0.0,
            "steps": {},
            "machine": None,
            "tests": None,
            "rows": [],
            "notes": [],
        }

    @property
    def left(self) -> float:
        """Seconds until the last row has to be over."""
        return self.deadline - time.monotonic()

    def say(self, text: str) -> None:
        """A line about what has just been done."""
        print(f"[{time.monotonic() - self.begun:5.0f} s] {text}", flush=True)

    def write(self) -> None:
        """Bring the files up to date."""
        self.results["seconds"] = time.monotonic() - self.begun
        if self.arguments.output is not None:
            report.write(self.arguments.output, report.as_json(self.results))
        if self.arguments.markdown is not None:
            report.write(self.arguments.markdown, report.as_markdown(self.results))

    def prepare(self) -> None:
        """Install, build, and look at the machine. Raises PreparationFailed where that is no use."""
        steps = self.results["steps"]
        if self.arguments.wheels is not None:
            steps["wheels"] = install_wheels(self.arguments.wheels, self.folder, self.env, limit=min(120.0, self.left))
            self.say(f"installed the wheels of {self.arguments.wheels}")
        if not self.arguments.no_build:
            self.build()
        child = self.child(MACHINE)
        child.go()
        outcome = child.finish(min(MACHINE.limit, self.left))
        self.results["machine"] = outcome.result
        if not outcome.ok or outcome.result is None:
            raise PreparationFailed("\n".join(["fastvec cannot be measured here", *outcome.tail()]))
        gpu = outcome.result["gpu"]
        self.say(f"{gpu['name'] if gpu else outcome.result['processor']}, torch {outcome.result['versions']['torch']}")

    def build(self) -> None:
        """Build fastvec; a wheel of it, if there was one among the others, does where that fails."""
        try:
            self.results["steps"]["build"] = build_fastvec(self.folder, self.env, limit=min(240.0, self.left))
            self.say("built fastvec")
        except PreparationFailed as error:
            if not (self.folder / "packages" / "fastvec").is_dir():
                raise
            self.results["notes"].append(f"Building failed, and the carried wheel was used:\n\n```\n{error}\n```")
            self.say("building fastvec failed: going on with the carried wheel")

    def test(self) -> None:
        """Run the tests on the device, if there is one."""
        reason = (
            "--no-tests" if self.arguments.no_tests
            else f"the device is {self.arguments.device}" if not self.arguments.device.startswith("cuda")
            else "there is no tests/gpu" if not (ROOT / "tests" / "gpu").is_dir()
            else None
        )  # fmt: skip
        if reason is not None:
            self.results["tests"] = {"status": "not run", "reason": reason}
            self.say(f"tests/gpu: not run, {reason}")
            return
        tests, log = run_tests(self.folder, self.env, limit=min(self.arguments.tests_limit, self.left))
        self.results["tests"] = tests
        if self.arguments.output is not None:
            report.write(self.arguments.output.with_suffix(".tests.log"), log)
        self.say(f"tests/gpu: {tests['status']}, {tests['counts']}")
        for name in tests["not_passed"]:
            self.say(f"  {name}")

    def child(self, row: Row) -> Child:
        """A process that gets ready for a row."""
        task = {"row": dataclasses.asdict(row), "device": self.arguments.device, "seconds": self.arguments.seconds}
        command = [sys.executable, measure.__file__, json.dumps(task)]
        return Child(command, name=row.name, folder=self.folder, env=self.env)

    def measure(self, rows: list[Row]) -> None:
        """Run the rows, in order, as long as there is time."""
        present = self.results["machine"]["versions"]
        todo = []
        for row in rows:
            missing = [name for name in row.needs if name not in present]
            if missing:
                self.note(row, "not run", reason=f"{' and '.join(missing)} not installed")
            else:
                todo.append(row)
        ready: Child | None = None
        for row, following in zip(todo, [*todo[1:], None], strict=True):
            if self.left < row.least_seconds:
                self.note(row, "not run", reason=f"{max(0.0, self.left):.0f} s were left")
                if ready is not None:
                    ready.kill()
                    ready = None
                continue
            running = ready or self.child(row)
            running.go()
            ready = self.child(following) if following is not None else None
            try:
                outcome = running.finish(min(row.limit, self.left))
            except BaseException:
                if ready is not None:
                    ready.kill()
                raise
            status = "ok" if outcome.ok else "timed out" if outcome.timed_out else "failed"
            self.note(row, status, outcome, f"after {outcome.seconds:.0f} s" if outcome.timed_out else None)
        if ready is not None:
            ready.kill()

    def note(self, row: Row, status: str, outcome: Outcome | None = None, reason: str | None = None) -> None:
        """Keep what came of a row."""
        result = outcome.result if outcome is not None else None
        if status == "ok" and result is None:
            status, reason = "failed", "it ended without a result"
        self.results["rows"].append(
            {
                **dataclasses.asdict(row),
                "status": status,
                "reason": reason,
                "wall_seconds": outcome.seconds if outcome is not None else None,
                "returncode": outcome.returncode if outcome is not None else None,
                "result": result,
                "last_lines": outcome.tail() if outcome is not None and status != "ok" else None,
            }
        )
        speed = f"{result['steps_per_second']:,.0f} steps/s" if result else ""
        self.say(f"{row.name}: " + ", ".join(part for part in (status, reason, speed) if part))
        if outcome is not None and status != "ok":
            for line in outcome.tail(5):
                self.say(f"  {line}")
        self.write()


def commit() -> str | None:
    """The checkout's commit; None where git does not know."""
    try:
        command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def select(patterns: list[str] | None, *, is_small: bool) -> Iterator[Row]:
    """The rows that are asked for, in the order of importance."""
    wanted = patterns or (list(SMALL) if is_small else ["*"])
    for row in ROWS:
        if any(fnmatch(row.name, pattern) for pattern in wanted):
            yield small(row) if is_small else row


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ... or cpu (default: cuda)")
    parser.add_argument("--small", action="store_true", help="a dry run: few rows, some dozens of steps each")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels to install first")
    parser.add_argument("--no-build", action="store_true", help="fastvec is installed already, or among the wheels")
    parser.add_argument("--no-tests", action="store_true", help="leave out tests/gpu")
    parser.add_argument("--tests-limit", type=float, default=150.0, help="seconds for tests/gpu (default: 150)")
    parser.add_argument("--rows", nargs="+", metavar="PATTERN", help="only these, as 'cartpole-*' (see --list)")
    parser.add_argument("--seconds", type=float, help="measuring time of a row (default: 4; small: 0.2)")
    parser.add_argument("--budget", type=float, default=480.0, help="seconds for everything (default: 480)")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="where to write everything")
    parser.add_argument("--markdown", type=Path, metavar="FILE.md", help="where to write the tables")
    parser.add_argument("--list", action="store_true", help="print the names of the rows, and do nothing")
    parsed = parser.parse_args(arguments)
    if parsed.seconds is None:
        parsed.seconds = 0.2 if parsed.small else 4.0
    return parsed


def main(arguments: list[str] | None = None) -> int:
    """See the module."""
    parsed = parse(arguments)
    rows = list(select(parsed.rows, is_small=parsed.small))
    if not rows:
        print(f"no row is called {' or '.join(parsed.rows)}: see --list", file=sys.stderr)
        return 2
    if parsed.list:
        print("\n".join(row.name for row in rows))
        return 0
    # What aborts leaves no core file: with a GPU's memory mapped, those take long to write.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="fastvec-gpu-"))
    suite = Suite(parsed, folder)
    suite.say(f"Python {platform.python_version()} at {sys.executable}; {len(rows)} rows")
    status = 0
    try:
        suite.prepare()
        suite.test()
        suite.write()
        suite.measure(rows)
    except PreparationFailed as error:
        suite.results["notes"].append(f"Nothing was measured:\n\n```\n{error}\n```")
        status = 2
    except KeyboardInterrupt:
        suite.results["notes"].append("The command was interrupted.")
        status = 2
    finally:
        suite.write()
        shutil.rmtree(folder, ignore_errors=True)
    print("\n" + report.as_markdown(suite.results))
    failed = [row for row in suite.results["rows"] if row["status"] in ("failed", "timed out")]
    tests = suite.results["tests"]
    return status or int(bool(failed) or (tests is not None and tests["status"] not in ("passed", "not run")))


if __name__ == "__main__":
    raise SystemExit(main())
